//! Repetition counts in braces, and Go's limit on nested ones.

use crate::series::pattern::syntax::Syntax;

/// Maximum count of a repetition, and of the product of nested repetitions (Go's `maxRepeat`).
pub(super) const REPEAT_MAX: u32 = 1_000;

/// A repetition in braces at the start of a text.
pub(super) struct Braces {
    /// Length in bytes, braces included.
    pub(super) length: usize,
    /// Minimum, and maximum unless unbounded; `None` when a count exceeds [`REPEAT_MAX`] or the maximum is below the
    /// minimum.
    pub(super) counts: Option<(u32, Option<u32>)>,
}

/// Reads `{2}`, `{2,}` or `{2,5}` at the start of a text; returns `None` for anything else, which is literal text.
pub(super) fn braces(text: &str) -> Option<Braces> {
    let inner = text.strip_prefix('{')?.split_once('}')?.0;
    let number = |digits: &str| -> Option<u32> {
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let is_plain = digits == "0" || !digits.starts_with('0');
        // A number that overflows 32 bits exceeds `REPEAT_MAX` in any case.
        (is_number && is_plain).then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (min, max) = match inner.split_once(',') {
        None => number(inner).map(|count| (count, Some(count)))?,
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    let in_range = min <= REPEAT_MAX && max.is_none_or(|max| max <= REPEAT_MAX && min <= max);
    Some(Braces { length: inner.len() + 2, counts: in_range.then_some((min, max)) })
}

/// Returns whether the counts of nested repetitions multiply to at most `most` everywhere in the tree.
pub(super) fn repeats_at_most(syntax: &Syntax, most: u32) -> bool {
    match syntax {
        Syntax::Repeat { body, min, max, .. } => {
            let counted = !matches!((min, max), (0 | 1, None) | (0, Some(1)));
            let times = max.unwrap_or(*min);
            match (counted, times) {
                // `*`, `+` and `?` count as one.
                (false, _) => repeats_at_most(body, most),
                // `{0}` removes its body.
                (true, 0) if max.is_some() => true,
                (true, times) => times <= most && repeats_at_most(body, most / times.max(1)),
            }
        }
        Syntax::Group { body, .. } => repeats_at_most(body, most),
        Syntax::Concat(parts) | Syntax::Alternate(parts) => parts.iter().all(|part| repeats_at_most(part, most)),
        Syntax::Empty | Syntax::Literal(_) | Syntax::Class(_) | Syntax::Assertion(_) => true,
    }
}
