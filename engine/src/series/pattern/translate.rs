//! Writes a parsed pattern in the language of the crate `regex`.

use std::fmt::Write;

use super::syntax::{Look, Syntax};

/// The pattern with anchors at both ends.
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
            // Negated everything is nothing, which may not be written as an empty class.
            if class.ranges().is_empty() {
                out.push_str(r"[^\x{0}-\x{10FFFF}]");
                return;
            }
            out.push('[');
            for range in class.iter() {
                // Writing to a string cannot fail.
                let _ = write!(out, r"\x{{{:x}}}-\x{{{:x}}}", u32::from(range.start()), u32::from(range.end()));
            }
            out.push(']');
        }
        Syntax::Look(look) => out.push_str(match look {
            Look::TextStart => r"\A",
            Look::TextEnd => r"\z",
            Look::LineStart => "(?m:^)",
            Look::LineEnd => "(?m:$)",
            Look::WordBoundary => r"(?-u:\b)",
            Look::NoWordBoundary => r"(?-u:\B)",
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
