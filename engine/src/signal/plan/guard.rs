use crate::signal::SignalError;

/// Brackets that may be open at one time.
const MAX_NESTING: usize = 128;
/// Operators in one expression; a chain of them is as deep as it is long.
const MAX_OPERATORS: usize = 1_000;

/// Refuses text that would make the parser recurse without bound: it builds and drops its tree by
/// recursion, and a stack overflow cannot be caught.
pub(super) fn check(expr: &str) -> Result<(), SignalError> {
    let (mut depth, mut operators, mut quote) = (0_usize, 0_usize, None);
    let mut chars = expr.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"' | '\''), '\\') => {
                chars.next();
            }
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '#') => {
                chars.by_ref().find(|c| *c == '\n');
            }
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '+' | '-' | '*' | '/' | '%' | '^' | '<' | '>' | '=') => operators += 1,
            // Every other operator is a word between blanks.
            (None, ' ' | '\t' | '\n' | '\r') if chars.as_str().starts_with(['a', 'A', 'o', 'O', 'u', 'U']) => {
                operators += usize::from(is_word_operator(chars.as_str()));
            }
            (None, _) => {}
        }
        if depth > MAX_NESTING {
            return Err(SignalError::TooDeep { limit: MAX_NESTING });
        }
        if operators > MAX_OPERATORS {
            return Err(SignalError::TooDeep { limit: MAX_OPERATORS });
        }
    }
    Ok(())
}

fn is_word_operator(text: &str) -> bool {
    ["and", "or", "unless", "atan2"]
        .iter()
        .any(|word| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_text_is_refused_and_long_text_is_not() {
        assert!(check(&"(".repeat(129)).is_err());
        assert!(check(&format!("1{}", "+1".repeat(1001))).is_err());
        assert!(check(&format!("a{}", " or a".repeat(1001))).is_err());
        assert!(check(&format!("a{{b=~\"{}\"}}", "((x|y)+)*".repeat(1000))).is_ok());
        assert!(check(&format!("1 # {}\n+ 1", "(".repeat(1000))).is_ok());
    }
}
