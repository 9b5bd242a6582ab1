//! Patterns ready to use: a set of texts or a compiled expression, anchored at both ends.

use hashbrown::HashSet;
use regex::{Regex, RegexBuilder};

use super::{PatternError, expand::expand, parse::parse, syntax::Parsed, translate::anchored};

/// Bytes that a compiled pattern may take. Go allows about the same.
const COMPILED_BYTES: usize = 128 << 20;
/// Levels of the translated pattern: `parse` limits groups, and each of them has a few levels there.
const NESTING: u32 = 10_000;

/// A pattern that is matched against whole texts; `.` matches newlines.
#[derive(Debug)]
pub struct Pattern(Form);

#[derive(Debug)]
enum Form {
    /// The texts that match.
    Texts(HashSet<Box<str>>),
    Compiled(Regex),
}

impl Pattern {
    /// Reads a pattern of RE2's language.
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
    /// [`PatternError`] when RE2 has no such pattern, or it is too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let parsed = parse(text)?;
        if let Some(texts) = parsed.root.texts() {
            return Ok(Self(Form::Texts(texts.into_iter().map(String::into_boxed_str).collect())));
        }
        compile(text, &parsed).map(|regex| Self(Form::Compiled(regex)))
    }

    /// Whether the whole of a text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            Form::Texts(texts) => texts.contains(text),
            Form::Compiled(regex) => regex.is_match(text),
        }
    }
}

/// A pattern whose groups are filled into a template.
#[derive(Debug)]
pub(crate) struct Capturing {
    regex: Regex,
    names: Vec<Option<String>>,
}

impl Capturing {
    /// Reads a pattern of RE2's language.
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        let parsed = parse(text)?;
        let regex = compile(text, &parsed)?;
        Ok(Self { regex, names: parsed.names })
    }

    /// `template` with the groups of a match of the whole text; none when it does not match.
    pub(crate) fn replaced(&self, text: &str, template: &str) -> Option<String> {
        let captures = self.regex.captures(text)?;
        let group = |number: usize| captures.get(number).map(|found| found.as_str());
        // Several groups may have one name: the first that took part in the match counts.
        let named = |name: &str| {
            let numbers = self.names.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(name));
            numbers.filter_map(|(idx, _)| group(idx + 1)).next()
        };
        Some(expand(template, group, named))
    }
}

fn compile(text: &str, parsed: &Parsed) -> Result<Regex, PatternError> {
    RegexBuilder::new(&anchored(&parsed.root)).size_limit(COMPILED_BYTES).nest_limit(NESTING).build().map_err(|error| {
        // The translation is always well formed; only its size can be wrong.
        tracing::debug!(%error, "a pattern was not compiled");
        PatternError::at(text, 0, text.len(), "expression too large", Some("use fewer or smaller repetitions"))
    })
}
