//! Expands replacement templates of Go's `regexp`: `$1`, `$name`, `${name}`, `$$`.

/// Expands `template`. `group` returns the text of a numbered group, `named` that of a named one.
pub(super) fn expand<'t>(
    template: &str,
    group: impl Fn(usize) -> Option<&'t str>,
    named: impl Fn(&str) -> Option<&'t str>,
) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(after) else {
            // A `$` that starts no reference is text.
            out.push('$');
            rest = after;
            continue;
        };
        let found = match number(name) {
            Some(number) => group(number),
            None => named(name),
        };
        // A group that does not exist or did not match is empty.
        out.push_str(found.unwrap_or(""));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Splits off the name at the start of a text, bare or in braces. `None` if there is none.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (text, in_braces) = text.strip_prefix('{').map_or((text, false), |text| (text, true));
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let rest = if in_braces { rest.strip_prefix('}')? } else { rest };
    Some((name, rest))
}

/// Returns the number of a group. `None` for a name; digits with a leading zero are a name.
fn number(name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    is_number.then(|| name.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand_as_in_go() {
        let groups = ["whole", "one", "two"];
        let check = |template: &str, expected: &str| {
            let found = expand(template, |n| groups.get(n).copied(), |name| (name == "n").then_some("named"));
            assert_eq!(found, expected, "{template}");
        };
        check("$1", "one");
        check("${1}2", "one2");
        check("$12", "");
        check("$1_x", "");
        check("${1}_x", "one_x");
        check("$n-$2", "named-two");
        check("$$1", "$1");
        check("a$", "a$");
        check("$-$1", "$-one");
        check("${1", "${1");
        check("$0", "whole");
        check("$01", "");
        check("$99999999999999999999", "");
    }
}
