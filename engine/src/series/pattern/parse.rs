//! Reads a pattern by the rules of Go's `regexp/syntax`, with its Perl flags and `.` matching newlines.

use regex_syntax::hir::ClassUnicode;

use super::{
    PatternError, class,
    syntax::{Look, Parsed, Syntax},
};

/// Most repetitions of one thing, those of groups around it multiplied.
const REPEAT_MAX: u32 = 1_000;
/// Groups that may be open at one time; what reads the tree does so by recursion.
const GROUPS_MAX: usize = 250;

/// Flags that `(?…)` changes.
#[derive(Debug, Clone, Copy)]
struct Flags {
    /// `i`
    fold: bool,
    /// `m`
    lines: bool,
    /// `s`
    newline: bool,
    /// `U`
    lazy: bool,
}

/// An open group, or the whole pattern.
struct Level {
    alternatives: Vec<Syntax>,
    items: Vec<Syntax>,
    /// The flags to return to when the group closes.
    outer: Flags,
    capture: Option<usize>,
    /// Where its bracket is.
    start: usize,
}

struct Parser<'a> {
    text: &'a str,
    /// Byte position of what is read next.
    at: usize,
    flags: Flags,
    levels: Vec<Level>,
    /// The group that is being filled.
    level: Level,
    names: Vec<Option<String>>,
    /// Where the repetition operator begins that was read last, when nothing followed it yet.
    repeated: Option<usize>,
}

/// Reads a pattern.
///
/// # Errors
/// [`PatternError`] for what Go's `regexp` refuses.
pub(super) fn parse(text: &str) -> Result<Parsed, PatternError> {
    let flags = Flags { fold: false, lines: false, newline: true, lazy: false };
    let level = Level { alternatives: Vec::new(), items: Vec::new(), outer: flags, capture: None, start: 0 };
    let mut parser = Parser { text, at: 0, flags, levels: Vec::new(), level, names: Vec::new(), repeated: None };
    while let Some(next) = parser.peek() {
        parser.construct(next)?;
    }
    if !parser.levels.is_empty() {
        let start = parser.level.start;
        return Err(parser.error(start, text.len(), "missing closing )", None));
    }
    let Parser { level, names, .. } = parser;
    Ok(Parsed { root: level.finish(), names })
}

impl Level {
    /// What was read so far as one tree.
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

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn error(&self, start: usize, end: usize, what: &'static str, hint: Option<&'static str>) -> PatternError {
        PatternError::at(self.text, start, end, what, hint)
    }

    /// Reads one construct, whose first character is `next`.
    fn construct(&mut self, next: char) -> Result<(), PatternError> {
        let start = self.at;
        // A repetition counts as the last one only for what follows at once.
        let repeated = self.repeated.take();
        match next {
            '(' if self.rest().starts_with("(?") => self.flags_or_group()?,
            '(' => {
                self.at += 1;
                self.names.push(None);
                self.open(start, Some(self.names.len()))?;
            }
            ')' => {
                self.at += 1;
                self.close(start)?;
            }
            '|' => {
                self.at += 1;
                let items = std::mem::take(&mut self.level.items);
                self.level.alternatives.push(concat(items));
            }
            '^' => self.look(1, if self.flags.lines { Look::LineStart } else { Look::TextStart }),
            '$' => self.look(1, if self.flags.lines { Look::LineEnd } else { Look::TextEnd }),
            '.' => {
                self.at += 1;
                self.level.items.push(Syntax::Class(class::any(self.flags.newline)));
            }
            '[' => self.bracket()?,
            '*' | '+' | '?' => {
                self.at += 1;
                let (min, max) = match next {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                self.repeat(start, min, max, repeated)?;
            }
            '{' => match counts(self.rest()) {
                // What is no repetition is text.
                None => {
                    self.at += 1;
                    self.literal('{');
                }
                Some((length, counts)) => {
                    self.at += length;
                    let wrong = "invalid repeat count";
                    let (min, max) = counts.ok_or_else(|| {
                        self.error(start, self.at, wrong, Some("at most 1000, and the second not below the first"))
                    })?;
                    self.repeat(start, min, max, repeated)?;
                }
            },
            '\\' => self.backslash()?,
            other => {
                self.at += other.len_utf8();
                self.literal(other);
            }
        }
        Ok(())
    }

    fn literal(&mut self, character: char) {
        if self.flags.fold {
            let class = class::between(character.into(), character.into(), true);
            if class.ranges().len() > 1 {
                self.level.items.push(Syntax::Class(class));
                return;
            }
        }
        match self.level.items.last_mut() {
            Some(Syntax::Literal(text)) => text.push(character),
            _ => self.level.items.push(Syntax::Literal(character.into())),
        }
    }

    fn look(&mut self, length: usize, look: Look) {
        self.at += length;
        self.level.items.push(Syntax::Look(look));
    }

    fn open(&mut self, start: usize, capture: Option<usize>) -> Result<(), PatternError> {
        if self.levels.len() >= GROUPS_MAX {
            return Err(self.error(start, self.text.len(), "expression nests too deeply", None));
        }
        let level = Level { alternatives: Vec::new(), items: Vec::new(), outer: self.flags, capture, start };
        self.levels.push(std::mem::replace(&mut self.level, level));
        Ok(())
    }

    fn close(&mut self, start: usize) -> Result<(), PatternError> {
        let Some(outer) = self.levels.pop() else {
            return Err(self.error(start, start + 1, "unexpected )", Some("write \\) for the character")));
        };
        let closed = std::mem::replace(&mut self.level, outer);
        self.flags = closed.outer;
        let capture = closed.capture;
        self.level.items.push(Syntax::Group { capture, body: Box::new(closed.finish()) });
        Ok(())
    }

    /// Applies a repetition operator that begins at `start` and was just read to what stands before it.
    fn repeat(
        &mut self,
        start: usize,
        min: u32,
        max: Option<u32>,
        repeated: Option<usize>,
    ) -> Result<(), PatternError> {
        let mut greedy = !self.flags.lazy;
        if self.rest().starts_with('?') {
            self.at += 1;
            greedy = !greedy;
        }
        if let Some(first) = repeated {
            let hint = Some("put the first repetition into a group, or write \\ before the second character");
            return Err(self.error(first, self.at, "invalid nested repetition operator", hint));
        }
        let body = match self.level.items.pop() {
            None => {
                let hint = Some("write \\ before it for the character");
                return Err(self.error(start, self.at, "missing argument to repetition operator", hint));
            }
            // Of several characters only the last is repeated.
            Some(Syntax::Literal(mut text)) => match text.pop() {
                Some(last) if !text.is_empty() => {
                    self.level.items.push(Syntax::Literal(text));
                    Syntax::Literal(last.into())
                }
                last => last.map_or(Syntax::Empty, |last| Syntax::Literal(last.into())),
            },
            Some(other) => other,
        };
        let repeat = Syntax::Repeat { body: Box::new(body), min, max, greedy };
        if (min >= 2 || max.is_some_and(|max| max >= 2)) && !fits(&repeat, REPEAT_MAX) {
            let hint = Some("at most 1000, those of inner groups multiplied");
            return Err(self.error(start, self.at, "invalid repeat count", hint));
        }
        self.level.items.push(repeat);
        self.repeated = Some(start);
        Ok(())
    }

    /// Reads `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn flags_or_group(&mut self) -> Result<(), PatternError> {
        let start = self.at;
        let rest = self.rest();
        let look_around = ["(?=", "(?!", "(?<=", "(?<!"].into_iter().find(|begin| rest.starts_with(begin));
        if let Some(begin) = look_around {
            let hint = Some("RE2 does not look around; use two matchers, one of them with !~");
            return Err(self.error(start, start + begin.len(), "invalid or unsupported Perl syntax", hint));
        }
        if let Some(after) = rest.strip_prefix("(?P<").or_else(|| rest.strip_prefix("(?<")) {
            let opening = rest.len() - after.len();
            let name = after.find('>').map(|end| &after[..end]);
            let is_name =
                |name: &&str| !name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
            let Some(name) = name.filter(is_name) else {
                let end = start + opening + after.find('>').map_or(after.len(), |end| end + 1);
                let hint = Some("a name has letters, digits and _");
                return Err(self.error(start, end, "invalid named capture", hint));
            };
            let (length, name) = (opening + name.len() + 1, name.to_owned());
            self.at += length;
            self.names.push(Some(name));
            return self.open(start, Some(self.names.len()));
        }
        self.at += 2;
        let (mut flags, mut on, mut seen) = (self.flags, true, true);
        while let Some(next) = self.next() {
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
        let hint = Some("RE2 knows (?:…), (?P<name>…), (?<name>…) and the flags i, m, s, U");
        Err(self.error(start, self.at, "invalid or unsupported Perl syntax", hint))
    }

    /// Reads what a backslash begins outside of brackets.
    fn backslash(&mut self) -> Result<(), PatternError> {
        let start = self.at;
        match self.rest()[1..].chars().next() {
            Some('A') => self.look(2, Look::TextStart),
            Some('z') => self.look(2, Look::TextEnd),
            Some('b') => self.look(2, Look::WordBoundary),
            Some('B') => self.look(2, Look::NoWordBoundary),
            Some('C') => return Err(self.error(start, start + 2, "invalid escape sequence", Some("use . instead"))),
            Some('Q') => {
                self.at += 2;
                let quoted = self.rest().split(r"\E").next().unwrap_or_default().to_owned();
                self.at = (self.at + quoted.len() + 2).min(self.text.len());
                quoted.chars().for_each(|character| self.literal(character));
            }
            _ => match self.named_class()? {
                Some(class) => self.level.items.push(Syntax::Class(class)),
                None => match self.escape()? {
                    Some(character) => self.literal(character),
                    // A surrogate: no text has it.
                    None => self.level.items.push(Syntax::Class(ClassUnicode::empty())),
                },
            },
        }
        Ok(())
    }

    /// Reads `\d`, `\pN`, `\p{Greek}` and their like; none when something else is next.
    fn named_class(&mut self) -> Result<Option<ClassUnicode>, PatternError> {
        let start = self.at;
        let mut characters = self.rest().chars();
        let (Some('\\'), Some(letter)) = (characters.next(), characters.next()) else { return Ok(None) };
        if let Some(class) = class::perl(letter, self.flags.fold) {
            self.at += 2;
            return Ok(Some(class));
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let after = &self.text[start + 2..];
        let name = match after.strip_prefix('{') {
            Some(after) => after.split_once('}').map(|(name, _)| (name, name.len() + 2)),
            None => after.chars().next().map(|letter| (&after[..letter.len_utf8()], letter.len_utf8())),
        };
        let hint = Some("a category such as \\pL or \\p{Lu}, or a script such as \\p{Greek}");
        let Some((name, length)) = name else {
            return Err(self.error(start, self.text.len(), "invalid character class range", hint));
        };
        let end = start + 2 + length;
        let class = class::unicode(name, self.flags.fold, letter == 'P');
        self.at = end;
        class.map(Some).ok_or_else(|| self.error(start, end, "invalid character class range", hint))
    }

    /// Reads an escaped character; none for a surrogate.
    fn escape(&mut self) -> Result<Option<char>, PatternError> {
        self.escaped_code().map(char::from_u32)
    }

    /// Reads an escaped code point.
    fn escaped_code(&mut self) -> Result<u32, PatternError> {
        let start = self.at;
        self.at += 1;
        let Some(next) = self.next() else {
            let hint = Some("write \\\\ for the character");
            return Err(self.error(start, self.at, "trailing backslash at end of expression", hint));
        };
        let is_octal = |c: Option<char>| c.is_some_and(|c| ('0'..='7').contains(&c));
        let code = match next {
            '1'..='7' if !is_octal(self.peek()) => None,
            '0'..='7' => {
                let digits = self.rest().bytes().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                self.at += digits;
                u32::from_str_radix(&self.text[self.at - digits - 1..self.at], 8).ok()
            }
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => Some(other.into()),
            _ => None,
        };
        code.ok_or_else(|| {
            let hint = match next {
                '1'..='9' => Some("RE2 has no references to groups"),
                'Z' => Some("\\z is the end of the text"),
                'x' => Some("write \\x7f or \\x{10ffff}"),
                'E' => Some("\\E ends what \\Q begins"),
                _ => None,
            };
            self.error(start, self.at, "invalid escape sequence", hint)
        })
    }

    /// Reads the digits after `\x`.
    fn hexadecimal(&mut self) -> Option<u32> {
        if self.rest().starts_with('{') {
            self.at += 1;
            let end = self.rest().find('}');
            let digits = &self.text[self.at..self.at + end.unwrap_or(self.rest().len())];
            let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            // Any number of leading zeros is allowed.
            let code = if digits.bytes().all(|b| b == b'0') {
                Some(0)
            } else {
                u32::from_str_radix(digits.trim_start_matches('0'), 16).ok()
            };
            self.at += digits.len() + usize::from(end.is_some());
            return code.filter(|code| is_hex && end.is_some() && *code <= u32::from(char::MAX));
        }
        let mut code = 0;
        for _ in 0..2 {
            code = code * 16 + self.next()?.to_digit(16)?;
        }
        Some(code)
    }

    /// Reads a class in brackets.
    fn bracket(&mut self) -> Result<(), PatternError> {
        let start = self.at;
        self.at += 1;
        let negated = self.rest().starts_with('^');
        self.at += usize::from(negated);
        let mut class = ClassUnicode::empty();
        // A bracket that closes is a character where it comes first.
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            if self.posix_class(&mut class)? {
                continue;
            }
            if let Some(named) = self.named_class()? {
                class.union(&named);
                continue;
            }
            let begin = self.at;
            let low = self.class_character(start)?;
            let mut high = low;
            let mut after = self.rest().chars();
            if after.next() == Some('-') && after.next().is_some_and(|next| next != ']') {
                self.at += 1;
                high = self.class_character(start)?;
                if high < low {
                    let hint = Some("the first character comes after the second");
                    return Err(self.error(begin, self.at, "invalid character class range", hint));
                }
            }
            class.union(&class::between(low, high, self.flags.fold));
        }
        self.at += 1;
        self.level.items.push(Syntax::Class(if negated { class::negated(class) } else { class }));
        Ok(())
    }

    /// Reads `[:alpha:]` into `class`; false when something else is next.
    fn posix_class(&mut self, class: &mut ClassUnicode) -> Result<bool, PatternError> {
        let start = self.at;
        let Some((name, _)) = self.rest().strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
            return Ok(false);
        };
        let end = start + name.len() + 4;
        let Some(named) = class::posix(name, self.flags.fold) else {
            let hint = Some(
                "POSIX knows alnum, alpha, ascii, blank, cntrl, digit, graph, lower, print, punct, space, upper, word, xdigit",
            );
            return Err(self.error(start, end, "invalid character class range", hint));
        };
        class.union(&named);
        self.at = end;
        Ok(true)
    }

    /// Reads one character of the class that begins at `start`.
    fn class_character(&mut self, start: usize) -> Result<u32, PatternError> {
        match self.peek() {
            None => {
                let hint = Some("write \\[ for the character");
                Err(self.error(start, self.text.len(), "missing closing ]", hint))
            }
            Some('\\') => self.escaped_code(),
            Some(other) => {
                self.at += other.len_utf8();
                Ok(other.into())
            }
        }
    }
}

/// Length and numbers of `{2}`, `{2,}`, `{2,5}` at the start of a text; no numbers when they are too large or the wrong
/// way round, nothing at all when it is no repetition.
#[expect(clippy::type_complexity, reason = "a length and two numbers")]
fn counts(text: &str) -> Option<(usize, Option<(u32, Option<u32>)>)> {
    let inner = text.strip_prefix('{')?.split_once('}')?.0;
    let number = |digits: &str| -> Option<u32> {
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let is_plain = digits == "0" || !digits.starts_with('0');
        // What is too large for 32 bits is too large.
        (is_number && is_plain).then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (min, max) = match inner.split_once(',') {
        None => number(inner).map(|count| (count, Some(count)))?,
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    let fits = min <= REPEAT_MAX && max.is_none_or(|max| max <= REPEAT_MAX && min <= max);
    Some((inner.len() + 2, fits.then_some((min, max))))
}

/// Whether the innermost thing is repeated at most `most` times.
fn fits(syntax: &Syntax, most: u32) -> bool {
    match syntax {
        Syntax::Repeat { body, min, max, .. } => {
            let counted = !matches!((min, max), (0 | 1, None) | (0, Some(1)));
            let times = max.unwrap_or(*min);
            match (counted, times) {
                // `*`, `+` and `?` count once, and what is repeated no time is not there.
                (false, _) => fits(body, most),
                (true, 0) if max.is_some() => true,
                (true, times) => times <= most && fits(body, most / times.max(1)),
            }
        }
        Syntax::Group { body, .. } => fits(body, most),
        Syntax::Concat(parts) | Syntax::Alternate(parts) => parts.iter().all(|part| fits(part, most)),
        Syntax::Empty | Syntax::Literal(_) | Syntax::Class(_) | Syntax::Look(_) => true,
    }
}
