//! Compiled patterns: a set of texts or a regular expression, anchored at both ends.

use hashbrown::HashSet;
use regex::{Regex, RegexBuilder};

use super::{PatternError, budget::Charge, expand::expand, parse::parse, syntax::Parsed, translate::anchored};

/// Sizes that are tried for a compiled pattern, in bytes; the last is the largest. A pattern is charged with the first
/// that suffices. Go allows about as much. Lists of texts are not compiled, so that they have no such limit.
const SIZES: [usize; 10] =
    [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20];
/// Maximum nesting of the translated pattern. `parse` limits the groups, and each group becomes a few levels.
const MAX_NESTING: u32 = 10_000;

/// A pattern that must match a whole text; `.` matches newlines.
#[derive(Debug)]
pub struct Pattern(PatternForm);

#[derive(Debug)]
enum PatternForm {
    /// All texts that match.
    Texts(HashSet<Box<str>>),
    Compiled(Regex, #[expect(dead_code, reason = "released with the pattern")] Charge),
}

impl Pattern {
    /// Compiles a pattern of RE2.
    ///
    /// ```
    /// use almanac_engine::series::Pattern;
    ///
    /// let pattern = Pattern::new(r"/users/{id}|/orders/\d+").expect("a pattern");
    /// assert!(pattern.is_match("/users/{id}") && pattern.is_match("/orders/7"));
    /// assert!(!pattern.is_match("/orders/7/items"));
    /// assert!(Pattern::new("(?=x)").is_err());
    /// ```
    ///
    /// # Errors
    /// [`PatternError`] if RE2 rejects the pattern, it is too large, or the patterns of all queries that run together are.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let parsed = parse(text)?;
        if let Some(texts) = parsed.root.texts() {
            return Ok(Self(PatternForm::Texts(texts.into_iter().map(String::into_boxed_str).collect())));
        }
        compile(text, &parsed).map(|(regex, charge)| Self(PatternForm::Compiled(regex, charge)))
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            PatternForm::Texts(texts) => texts.contains(text),
            PatternForm::Compiled(regex, _) => regex.is_match(text),
        }
    }
}

/// A pattern whose groups are inserted into a template, for `label_replace`.
#[derive(Debug)]
pub(crate) struct Capturing {
    regex: Regex,
    #[expect(dead_code, reason = "released with the pattern")]
    charge: Charge,
    /// Names of the capturing groups, from group 1.
    names: Vec<Option<String>>,
}

impl Capturing {
    /// Compiles a pattern of RE2.
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        let parsed = parse(text)?;
        let (regex, charge) = compile(text, &parsed)?;
        Ok(Self { regex, charge, names: parsed.names })
    }

    /// Expands `template` with the groups of a match; `None` if the whole text does not match.
    pub(crate) fn replaced(&self, text: &str, template: &str) -> Option<String> {
        let captures = self.regex.captures(text)?;
        let group = |number: usize| captures.get(number).map(|found| found.as_str());
        // Several groups may have the same name: the first that took part in the match counts.
        let named = |name: &str| {
            let numbers = self.names.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(name));
            numbers.filter_map(|(idx, _)| group(idx + 1)).next()
        };
        Some(expand(template, group, named))
    }
}

/// Compiles a pattern within the first size that suffices.
fn compile(text: &str, parsed: &Parsed) -> Result<(Regex, Charge), PatternError> {
    let translated = anchored(&parsed.root);
    let error = |problem, remedy| PatternError::at(text, 0, text.len(), problem, Some(remedy));
    for size in SIZES {
        let Some(charge) = Charge::take(size) else {
            return Err(error(
                "the patterns of the queries that run now are too large together",
                "repeat the query later, or use fewer or smaller repetitions",
            ));
        };
        match RegexBuilder::new(&translated).size_limit(size).nest_limit(MAX_NESTING).build() {
            Ok(regex) => return Ok((regex, charge)),
            // The translation is always valid; only its size can be rejected.
            Err(problem) => tracing::trace!(%problem, size, "pattern could not be compiled"),
        }
    }
    Err(error("expression too large", "use fewer or smaller repetitions"))
}
