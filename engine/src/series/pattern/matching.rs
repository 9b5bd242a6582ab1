//! Compiled patterns: a set of texts or a regular expression, anchored at both ends.

use hashbrown::HashSet;
use regex::{Regex, RegexBuilder};

use super::{PatternError, expand::expand, parse::parse, syntax::Parsed, translate::anchored};

/// Maximum size of a compiled pattern, in bytes. Go allows about the same.
const MAX_COMPILED_BYTES: usize = 128 << 20;
/// Maximum nesting of the translated pattern. `parse` limits the groups, and each group becomes a few levels.
const MAX_NESTING: u32 = 10_000;

/// A pattern that must match a whole text; `.` matches newlines.
#[derive(Debug)]
pub struct Pattern(PatternForm);

#[derive(Debug)]
enum PatternForm {
    /// All texts that match.
    Texts(HashSet<Box<str>>),
    Compiled(Regex),
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
    /// [`PatternError`] if RE2 rejects the pattern, or it is too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let parsed = parse(text)?;
        if let Some(texts) = parsed.root.texts() {
            return Ok(Self(PatternForm::Texts(texts.into_iter().map(String::into_boxed_str).collect())));
        }
        compile(text, &parsed).map(|regex| Self(PatternForm::Compiled(regex)))
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            PatternForm::Texts(texts) => texts.contains(text),
            PatternForm::Compiled(regex) => regex.is_match(text),
        }
    }
}

/// A pattern whose groups are inserted into a template, for `label_replace`.
#[derive(Debug)]
pub(crate) struct Capturing {
    regex: Regex,
    /// Names of the capturing groups, from group 1.
    names: Vec<Option<String>>,
}

impl Capturing {
    /// Compiles a pattern of RE2.
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        let parsed = parse(text)?;
        let regex = compile(text, &parsed)?;
        Ok(Self { regex, names: parsed.names })
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

fn compile(text: &str, parsed: &Parsed) -> Result<Regex, PatternError> {
    RegexBuilder::new(&anchored(&parsed.root)).size_limit(MAX_COMPILED_BYTES).nest_limit(MAX_NESTING).build().map_err(
        |error| {
            // The translation is always valid; only its size can be rejected.
            tracing::debug!(%error, "pattern could not be compiled");
            PatternError::at(text, 0, text.len(), "expression too large", Some("use fewer or smaller repetitions"))
        },
    )
}
