//! Syntax tree of a parsed pattern, and the list of texts that a finite pattern matches.

use regex_syntax::hir::ClassUnicode;

/// One construct of a pattern.
#[derive(Debug, Clone)]
pub(super) enum Syntax {
    /// The empty text.
    Empty,
    /// A text; never empty.
    Literal(String),
    /// One character of a class.
    Class(ClassUnicode),
    /// A zero-width assertion.
    Assertion(Assertion),
    /// A group. `capture`: number of the capturing group, from 1; `None` for other groups.
    Group { capture: Option<usize>, body: Box<Syntax> },
    /// `min` to `max` repetitions; unbounded if `max` is `None`.
    Repeat { body: Box<Syntax>, min: u32, max: Option<u32>, greedy: bool },
    /// A sequence.
    Concat(Vec<Syntax>),
    /// Alternatives; the first that leads to a match counts.
    Alternate(Vec<Syntax>),
}

/// A zero-width assertion: a condition on a position between characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assertion {
    /// Start of the text: `\A`, or `^` without the flag `m`.
    TextStart,
    /// End of the text: `\z`, or `$` without the flag `m`.
    TextEnd,
    /// Start of a line: `^` with the flag `m`.
    LineStart,
    /// End of a line: `$` with the flag `m`.
    LineEnd,
    /// Boundary of an ASCII word: `\b`.
    WordBoundary,
    /// Any other position: `\B`.
    NotWordBoundary,
}

/// Parsed pattern.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) root: Syntax,
    /// Names of the capturing groups, from group 1.
    pub(super) names: Vec<Option<String>>,
}

/// Maximum number of texts of a pattern that is kept as a set.
const SET_MAX: usize = 200_000;
/// Maximum number of texts of a sequence whose parts match several texts each.
const PRODUCT_MAX: usize = 1_000;
/// Maximum number of characters of a class that is listed.
const CLASS_MAX: usize = 16;

impl Syntax {
    /// Returns all texts that match; `None` if they are too many to list, or the pattern has assertions.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        match self {
            Self::Empty => Some(vec![String::new()]),
            Self::Literal(text) => Some(vec![text.clone()]),
            Self::Class(class) => {
                let size: usize =
                    class.iter().map(|range| u32::from(range.end()).abs_diff(range.start().into()) as usize + 1).sum();
                let each = || class.iter().flat_map(|range| range.start()..=range.end()).map(String::from);
                (size <= CLASS_MAX).then(|| each().collect())
            }
            Self::Assertion(_) => None,
            Self::Group { body, .. } => body.texts(),
            Self::Repeat { body, min: 0, max: Some(1), .. } => {
                let mut texts = body.texts()?;
                texts.push(String::new());
                Some(texts)
            }
            Self::Repeat { .. } => None,
            Self::Concat(parts) => {
                let mut texts = vec![String::new()];
                for part in parts {
                    texts = concatenations(&texts, &part.texts()?)?;
                }
                Some(texts)
            }
            Self::Alternate(parts) => {
                let mut texts = Vec::with_capacity(parts.len());
                for part in parts {
                    texts.append(&mut part.texts()?);
                    if texts.len() > SET_MAX {
                        return None;
                    }
                }
                Some(texts)
            }
        }
    }
}

/// Returns every text of `left` followed by every text of `right`; `None` if they are too many.
fn concatenations(left: &[String], right: &[String]) -> Option<Vec<String>> {
    let size = left.len().checked_mul(right.len())?;
    let is_small = size <= PRODUCT_MAX || (size <= SET_MAX && left.len().min(right.len()) <= 1);
    is_small.then(|| left.iter().flat_map(|start| right.iter().map(move |end| format!("{start}{end}"))).collect())
}
