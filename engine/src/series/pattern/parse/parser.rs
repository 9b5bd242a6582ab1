//! Builds the syntax tree of a pattern: literals, groups, flags, alternatives and repetitions.

use regex_syntax::hir::ClassUnicode;

use super::{
    bracket::bracket,
    cursor::Cursor,
    escape,
    repetition::{REPEAT_MAX, braces, repeats_at_most},
};
use crate::series::pattern::{
    PatternError, class,
    syntax::{Assertion, Parsed, Syntax},
};

/// Maximum number of nested groups; the functions that walk the tree are recursive.
const GROUPS_MAX: usize = 250;

/// Flags that `(?…)` changes.
#[derive(Debug, Clone, Copy)]
struct Flags {
    /// `i`: case-insensitive.
    fold: bool,
    /// `m`: `^` and `$` match at lines.
    lines: bool,
    /// `s`: `.` matches newlines.
    newline: bool,
    /// `U`: repetitions are lazy, those with `?` greedy.
    lazy: bool,
}

/// An open group, or the whole pattern.
struct OpenGroup {
    /// Completed alternatives.
    alternatives: Vec<Syntax>,
    /// Items of the alternative that is being read.
    items: Vec<Syntax>,
    /// Flags to restore when the group closes.
    outer_flags: Flags,
    /// Number of a capturing group.
    capture: Option<usize>,
    /// Byte position of the opening bracket.
    start: usize,
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    flags: Flags,
    /// Groups around `group`, outermost first.
    outer_groups: Vec<OpenGroup>,
    /// The innermost open group.
    group: OpenGroup,
    /// Names of the capturing groups, in order of their opening brackets.
    names: Vec<Option<String>>,
    /// Start of the last repetition operator, while nothing follows it.
    repeated: Option<usize>,
}

/// Parses a pattern.
///
/// # Errors
/// [`PatternError`] for a text that Go's `regexp` refuses.
pub(in crate::series::pattern) fn parse(text: &str) -> Result<Parsed, PatternError> {
    let flags = Flags { fold: false, lines: false, newline: true, lazy: false };
    let group = OpenGroup { alternatives: Vec::new(), items: Vec::new(), outer_flags: flags, capture: None, start: 0 };
    let cursor = Cursor { text, at: 0 };
    let mut parser = Parser { cursor, flags, outer_groups: Vec::new(), group, names: Vec::new(), repeated: None };
    while let Some(next) = parser.cursor.peek() {
        parser.construct(next)?;
    }
    if !parser.outer_groups.is_empty() {
        let start = parser.group.start;
        return Err(parser.cursor.error(start, text.len(), "missing closing )", None));
    }
    let Parser { group, names, .. } = parser;
    Ok(Parsed { root: group.finish(), names })
}

impl OpenGroup {
    /// Returns the group's content as one tree.
    fn finish(mut self) -> Syntax {
        let last = concat(self.items);
        if self.alternatives.is_empty() {
            return last;
        }
        self.alternatives.push(last);
        Syntax::Alternate(self.alternatives)
    }
}

fn concat(mut items: Vec<Syntax>) -> Syntax {
    match items.len() {
        0 => Syntax::Empty,
        1 => items.swap_remove(0),
        _ => Syntax::Concat(items),
    }
}

impl Parser<'_> {
    /// Reads one construct, whose first character is `next`.
    fn construct(&mut self, next: char) -> Result<(), PatternError> {
        let start = self.cursor.at;
        // Only an operator directly after a repetition is a nested one.
        let repeated = self.repeated.take();
        match next {
            '(' if self.cursor.rest().starts_with("(?") => self.flags_or_group()?,
            '(' => {
                self.cursor.at += 1;
                self.names.push(None);
                self.open(start, Some(self.names.len()))?;
            }
            ')' => {
                self.cursor.at += 1;
                self.close(start)?;
            }
            '|' => {
                self.cursor.at += 1;
                let items = std::mem::take(&mut self.group.items);
                self.group.alternatives.push(concat(items));
            }
            '^' => self.look(1, if self.flags.lines { Assertion::LineStart } else { Assertion::TextStart }),
            '$' => self.look(1, if self.flags.lines { Assertion::LineEnd } else { Assertion::TextEnd }),
            '.' => {
                self.cursor.at += 1;
                self.group.items.push(Syntax::Class(class::any(self.flags.newline)));
            }
            '[' => {
                let class = bracket(&mut self.cursor, self.flags.fold)?;
                self.group.items.push(Syntax::Class(class));
            }
            '*' | '+' | '?' => {
                self.cursor.at += 1;
                let (min, max) = match next {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                self.repeat(start, min, max, repeated)?;
            }
            '{' => match braces(self.cursor.rest()) {
                // Braces that are not a repetition are literal text.
                None => {
                    self.cursor.at += 1;
                    self.literal('{');
                }
                Some(found) => {
                    self.cursor.at += found.length;
                    let (min, max) = found.counts.ok_or_else(|| {
                        let hint = Some("at most 1000, and the second not below the first");
                        self.cursor.error(start, self.cursor.at, "invalid repeat count", hint)
                    })?;
                    self.repeat(start, min, max, repeated)?;
                }
            },
            '\\' => self.backslash()?,
            other => {
                self.cursor.at += other.len_utf8();
                self.literal(other);
            }
        }
        Ok(())
    }

    /// Adds a character to the last literal, or as a class where case variants match too.
    fn literal(&mut self, character: char) {
        if self.flags.fold {
            let class = class::between(character.into(), character.into(), true);
            if class.ranges().len() > 1 {
                self.group.items.push(Syntax::Class(class));
                return;
            }
        }
        match self.group.items.last_mut() {
            Some(Syntax::Literal(text)) => text.push(character),
            _ => self.group.items.push(Syntax::Literal(character.into())),
        }
    }

    fn look(&mut self, length: usize, look: Assertion) {
        self.cursor.at += length;
        self.group.items.push(Syntax::Assertion(look));
    }

    fn open(&mut self, start: usize, capture: Option<usize>) -> Result<(), PatternError> {
        if self.outer_groups.len() >= GROUPS_MAX {
            return Err(self.cursor.error(start, self.cursor.text.len(), "expression nests too deeply", None));
        }
        let opened = OpenGroup { alternatives: Vec::new(), items: Vec::new(), outer_flags: self.flags, capture, start };
        self.outer_groups.push(std::mem::replace(&mut self.group, opened));
        Ok(())
    }

    fn close(&mut self, start: usize) -> Result<(), PatternError> {
        let Some(outer) = self.outer_groups.pop() else {
            return Err(self.cursor.error(start, start + 1, "unexpected )", Some("write \\) for the character")));
        };
        let closed = std::mem::replace(&mut self.group, outer);
        self.flags = closed.outer_flags;
        let capture = closed.capture;
        self.group.items.push(Syntax::Group { capture, body: Box::new(closed.finish()) });
        Ok(())
    }

    /// Applies a repetition operator to the last item.
    ///
    /// `start`: position of the operator, which is already read; `repeated`: that of an operator directly before it.
    fn repeat(
        &mut self,
        start: usize,
        min: u32,
        max: Option<u32>,
        repeated: Option<usize>,
    ) -> Result<(), PatternError> {
        let mut greedy = !self.flags.lazy;
        if self.cursor.rest().starts_with('?') {
            self.cursor.at += 1;
            greedy = !greedy;
        }
        if let Some(first) = repeated {
            let hint = Some("put the first repetition into a group, or write \\ before the second character");
            return Err(self.cursor.error(first, self.cursor.at, "invalid nested repetition operator", hint));
        }
        let body = match self.group.items.pop() {
            None => {
                let hint = Some("write \\ before it for the character");
                return Err(self.cursor.error(start, self.cursor.at, "missing argument to repetition operator", hint));
            }
            // Only the last character of a literal is repeated.
            Some(Syntax::Literal(mut text)) => match text.pop() {
                Some(last) if !text.is_empty() => {
                    self.group.items.push(Syntax::Literal(text));
                    Syntax::Literal(last.into())
                }
                last => last.map_or(Syntax::Empty, |last| Syntax::Literal(last.into())),
            },
            Some(other) => other,
        };
        let repeat = Syntax::Repeat { body: Box::new(body), min, max, greedy };
        if (min >= 2 || max.is_some_and(|max| max >= 2)) && !repeats_at_most(&repeat, REPEAT_MAX) {
            let hint = Some("at most 1000, those of inner groups multiplied");
            return Err(self.cursor.error(start, self.cursor.at, "invalid repeat count", hint));
        }
        self.group.items.push(repeat);
        self.repeated = Some(start);
        Ok(())
    }

    /// Reads `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn flags_or_group(&mut self) -> Result<(), PatternError> {
        let start = self.cursor.at;
        let rest = self.cursor.rest();
        // Tested first: `(?<=` and `(?<!` also begin like a named group.
        let look_around = ["(?=", "(?!", "(?<=", "(?<!"].into_iter().find(|begin| rest.starts_with(begin));
        if let Some(begin) = look_around {
            let hint = Some("RE2 does not support lookaround; use two matchers, one of them with !~");
            return Err(self.cursor.error(start, start + begin.len(), "invalid or unsupported Perl syntax", hint));
        }
        if let Some(after) = rest.strip_prefix("(?P<").or_else(|| rest.strip_prefix("(?<")) {
            return self.named_group(start, after);
        }
        self.cursor.at += 2;
        // `on` turns false after `-`; `seen` is false directly after it, where a flag must follow.
        let (mut flags, mut on, mut seen) = (self.flags, true, true);
        while let Some(next) = self.cursor.next() {
            match next {
                'i' => flags.fold = on,
                'm' => flags.lines = on,
                's' => flags.newline = on,
                'U' => flags.lazy = on,
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if seen => {
                    // `open` keeps the present flags for the end of the group, so the new ones are set after it.
                    if next == ':' {
                        self.open(start, None)?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen = true;
        }
        let hint = Some("RE2 supports (?:…), (?P<name>…), (?<name>…) and the flags i, m, s, U");
        Err(self.cursor.error(start, self.cursor.at, "invalid or unsupported Perl syntax", hint))
    }

    /// Opens the named group at `start`; `after` is the text from its name on.
    fn named_group(&mut self, start: usize, after: &str) -> Result<(), PatternError> {
        let opening = self.cursor.rest().len() - after.len();
        let name = after.find('>').map(|end| &after[..end]);
        let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
        let Some(name) = name.filter(is_name) else {
            let end = start + opening + after.find('>').map_or(after.len(), |end| end + 1);
            let hint = Some("a name has letters, digits and _");
            return Err(self.cursor.error(start, end, "invalid named capture", hint));
        };
        self.cursor.at += opening + name.len() + 1;
        self.names.push(Some(name.to_owned()));
        self.open(start, Some(self.names.len()))
    }

    /// Reads an escape sequence outside brackets.
    fn backslash(&mut self) -> Result<(), PatternError> {
        let start = self.cursor.at;
        match self.cursor.rest()[1..].chars().next() {
            Some('A') => self.look(2, Assertion::TextStart),
            Some('z') => self.look(2, Assertion::TextEnd),
            Some('b') => self.look(2, Assertion::WordBoundary),
            Some('B') => self.look(2, Assertion::NotWordBoundary),
            Some('C') => {
                return Err(self.cursor.error(start, start + 2, "invalid escape sequence", Some("use . instead")));
            }
            Some('Q') => {
                self.cursor.at += 2;
                // Without `\E` the quote extends to the end of the text.
                let quoted = self.cursor.rest().split(r"\E").next().unwrap_or_default();
                self.cursor.at = (self.cursor.at + quoted.len() + 2).min(self.cursor.text.len());
                quoted.chars().for_each(|character| self.literal(character));
            }
            _ => match escape::named_class(&mut self.cursor, self.flags.fold)? {
                Some(class) => self.group.items.push(Syntax::Class(class)),
                None => match escape::character(&mut self.cursor)? {
                    Some(character) => self.literal(character),
                    // A surrogate occurs in no text.
                    None => self.group.items.push(Syntax::Class(ClassUnicode::empty())),
                },
            },
        }
        Ok(())
    }
}
