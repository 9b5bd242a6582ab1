//! Splits a message into words and replaces what looks like a value: everything with a digit, and what is in quotes.

/// Text of a value in a template.
pub(super) const VALUE: &str = "<*>";

/// Largest number of words; the rest is one value.
const MAX_WORDS: usize = 32;

/// Longest word in bytes; a longer one is a value.
const MAX_WORD_BYTES: usize = 80;

/// Characters that separate the parts of a word, of which each may be a value.
const SEPARATORS: [char; 14] = ['=', ':', ',', ';', '(', ')', '[', ']', '{', '}', '/', '"', '\'', '|'];

/// Returns the words of the first line of a message.
pub(super) fn words(message: &str) -> Vec<String> {
    let line = message.trim_start().lines().next().unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        if found.len() == MAX_WORDS {
            found.push(VALUE.to_owned());
            break;
        }
        found.push(masked(word));
    }
    found
}

/// Returns a word with its values replaced.
fn masked(word: &str) -> String {
    if word.len() > MAX_WORD_BYTES {
        return VALUE.to_owned();
    }
    let mut found = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(SEPARATORS).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        // A sentence's full stop is no part of the value.
        let core = part.trim_end_matches(['.', '!', '?']);
        if core.bytes().any(|byte| byte.is_ascii_digit()) {
            found.push_str(VALUE);
            found.push_str(&part[core.len()..]);
        } else {
            found.push_str(part);
        }
        let mut chars = after.chars();
        found.extend(chars.next());
        rest = chars.as_str();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_and_words_are_kept() {
        for (message, expected) in [
            ("connection from 10.0.0.7:5432 timed out after 5000ms.", "connection from <*>:<*> timed out after <*>."),
            ("GET /api/v1/users/42 failed", "GET /api/<*>/users/<*> failed"),
            ("user=alice id=7f3a, retry", "user=alice id=<*>, retry"),
            ("order 3f2b8c1e-1d2c-4a6b-9e8f-000000000001 is late", "order <*> is late"),
            ("  first line\nat second:1\n", "first line"),
            ("", ""),
            ("größe: 3 €", "größe: <*> €"),
        ] {
            assert_eq!(words(message).join(" "), expected, "{message:?}");
        }
        assert_eq!(words(&"word ".repeat(1000)).len(), MAX_WORDS + 1);
        assert_eq!(words(&"x".repeat(1000)), [VALUE]);
    }
}
