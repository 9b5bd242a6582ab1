//! Writes a syntax tree in the language of the crate `regex`. Reads only trees that `parse` accepted.

use std::fmt::Write;

use super::syntax::{Assertion, Syntax};

/// Returns the pattern with anchors at both ends.
pub(super) fn anchored(root: &Syntax) -> String {
    let mut out = String::from(r"\A(?:");
    write(root, &mut out);
    out.push_str(r")\z");
    out
}

fn write(syntax: &Syntax, out: &mut String) {
    match syntax {
        Syntax::Empty => out.push_str("(?:)"),
        Syntax::Literal(text) => out.push_str(&regex::escape(text)),
        Syntax::Class(class) => {
            // `regex` does not accept an empty class, therefore the negation of every character.
            if class.ranges().is_empty() {
                out.push_str(r"[^\x{0}-\x{10FFFF}]");
                return;
            }
            out.push('[');
            for range in class.iter() {
                // Writing to a `String` cannot fail.
                let _ = write!(out, r"\x{{{:x}}}-\x{{{:x}}}", u32::from(range.start()), u32::from(range.end()));
            }
            out.push(']');
        }
        Syntax::Assertion(look) => out.push_str(match look {
            Assertion::TextStart => r"\A",
            Assertion::TextEnd => r"\z",
            Assertion::LineStart => "(?m:^)",
            Assertion::LineEnd => "(?m:$)",
            Assertion::WordBoundary => r"(?-u:\b)",
            Assertion::NotWordBoundary => r"(?-u:\B)",
        }),
        Syntax::Group { capture, body } => {
            out.push_str(if capture.is_some() { "(" } else { "(?:" });
            write(body, out);
            out.push(')');
        }
        Syntax::Repeat { body, min, max, greedy } => {
            out.push_str("(?:");
            write(body, out);
            out.push(')');
            let _ = match (min, max) {
                (0, None) => write!(out, "*"),
                (1, None) => write!(out, "+"),
                (0, Some(1)) => write!(out, "?"),
                (min, None) => write!(out, "{{{min},}}"),
                (min, Some(max)) => write!(out, "{{{min},{max}}}"),
            };
            if !greedy {
                out.push('?');
            }
        }
        Syntax::Concat(parts) => parts.iter().for_each(|part| write(part, out)),
        Syntax::Alternate(parts) => {
            for (idx, part) in parts.iter().enumerate() {
                if idx > 0 {
                    out.push('|');
                }
                write(part, out);
            }
        }
    }
}
