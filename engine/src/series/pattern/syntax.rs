//! The tree of a parsed pattern.

use regex_syntax::hir::ClassUnicode;

/// One construct of a pattern.
#[derive(Debug, Clone)]
pub(super) enum Syntax {
    /// The empty text.
    Empty,
    /// These characters in this order; never empty.
    Literal(String),
    /// One character of a set.
    Class(ClassUnicode),
    /// A place between characters.
    Look(Look),
    /// A group; the index counts capturing groups from 1 and is none for other groups.
    Group { capture: Option<usize>, body: Box<Syntax> },
    /// `min` to `max` times, without end when there is no `max`.
    Repeat { body: Box<Syntax>, min: u32, max: Option<u32>, greedy: bool },
    /// One after the other.
    Concat(Vec<Syntax>),
    /// One of them, the first that leads to a match.
    Alternate(Vec<Syntax>),
}

/// A place between characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Start of the text: `\A`, and `^` without the flag `m`.
    TextStart,
    /// End of the text: `\z`, and `$` without the flag `m`.
    TextEnd,
    /// `^` with the flag `m`.
    LineStart,
    /// `$` with the flag `m`.
    LineEnd,
    /// `\b`, of ASCII words.
    WordBoundary,
    /// `\B`
    NoWordBoundary,
}

/// A parsed pattern.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) root: Syntax,
    /// Names of the capturing groups, the first of which is number 1.
    pub(super) names: Vec<Option<String>>,
}

/// Most texts that a pattern may stand for and still be kept as a set.
const SET_MAX: usize = 200_000;
/// Most texts that come of combining parts that each stand for several.
const PRODUCT_MAX: usize = 1_000;
/// Most characters of a class that is written out.
const CLASS_MAX: usize = 16;

impl Syntax {
    /// All texts that match, when they are few enough to be listed.
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
            Self::Look(_) => None,
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
                    texts = joined(&texts, &part.texts()?)?;
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

fn joined(left: &[String], right: &[String]) -> Option<Vec<String>> {
    let size = left.len().checked_mul(right.len())?;
    let is_small = size <= PRODUCT_MAX || (size <= SET_MAX && left.len().min(right.len()) <= 1);
    is_small.then(|| left.iter().flat_map(|start| right.iter().map(move |end| format!("{start}{end}"))).collect())
}
