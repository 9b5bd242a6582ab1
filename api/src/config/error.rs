//! Errors of the configuration file: one line that names file, line and column, and suggests the nearest known key.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A value in the file is invalid.
    #[error("{} line {line}, column {column}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, and what would be valid.
        message: String,
    },
    /// Values of the file contradict each other, or no position is known.
    #[error("{}: {message}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be valid.
        message: String,
    },
}

impl ConfigError {
    /// Builds the error for the value at `span`, with the position as line and column; `message` is serde's.
    pub(super) fn content(path: &Path, text: &str, span: &Range<usize>, message: &str) -> Self {
        let (line, column) = position(text, span);
        Self::Content { path: path.to_path_buf(), line, column, message: with_suggestion(message, &[]) }
    }

    /// Builds the error for one of the TOML parser. `further`: known keys in addition to those that serde lists.
    pub(crate) fn from_toml(path: PathBuf, text: &str, error: &toml::de::Error, further: &[&str]) -> Self {
        let message = with_suggestion(error.message(), further);
        match error.span() {
            Some(span) => {
                let (line, column) = position(text, &span);
                Self::Content { path, line, column, message }
            }
            None => Self::Contradiction { path, message },
        }
    }
}

/// Returns line and column (in characters) of a span's start, both from 1.
fn position(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Turns serde's "unknown field `x`, expected one of `a`, `b`" into a suggestion of the nearest known key.
///
/// Nearest by Jaro-Winkler similarity, if above 0.7; otherwise the message lists all known keys. Any other message is
/// returned as one line.
fn with_suggestion(message: &str, further: &[&str]) -> String {
    // serde puts names in backticks: every second piece is a name, the first one the key at fault.
    let mut quoted = message.split('`').skip(1).step_by(2);
    let missing = message.starts_with("missing field");
    if missing && let Some(key) = quoted.next() {
        return format!("the key {key:?} is missing");
    }
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return message.replace('\n', " ");
    }
    let what = if message.starts_with("unknown field") { "key" } else { "value" };
    let Some(unknown) = quoted.next() else { return message.to_owned() };
    let known: Vec<&str> = quoted.chain(further.iter().copied()).collect();
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(unknown, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, nearest)) => format!("unknown {what} {unknown:?}; did you mean {nearest:?}?"),
        None => format!("unknown {what} {unknown:?}; known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_key_is_suggested() {
        let check = |message: &str, expected: &str| assert_eq!(with_suggestion(message, &[]), expected);
        check(
            "unknown field `retentoin`, expected one of `path`, `retention`",
            "unknown key \"retentoin\"; did you mean \"retention\"?",
        );
        check(
            "unknown field `zzz`, expected `path` or `retention`",
            "unknown key \"zzz\"; known here: path, retention",
        );
        check("missing field `name`", "the key \"name\" is missing");
        check("invalid type: integer `5`, expected a string", "invalid type: integer `5`, expected a string");
    }

    #[test]
    fn positions_count_lines_and_characters() {
        assert_eq!(position("a = 1\nβ = x", &(11..12)), (2, 5));
        assert_eq!(position("a", &(0..1)), (1, 1));
    }
}
