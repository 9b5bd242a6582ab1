//! `COPY … TO STDOUT`: the rows of a query as lines of text or CSV.

use almanac_engine::store::postgres::{LexemeKind, Piece, lexemes};
use bytes::{BufMut, BytesMut};

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct CopyFormat {
    is_csv: bool,
    has_header: bool,
    delimiter: u8,
    /// What a NULL is.
    null: String,
}

/// A statement `COPY … TO STDOUT`: its query, the position of the query in the statement in bytes, and the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Copied {
    pub(super) query: String,
    pub(super) start: usize,
    pub(super) format: CopyFormat,
}

/// Lexemes of a statement that are not blank.
struct Words<'a> {
    all: Vec<(LexemeKind, &'a str, usize)>,
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> &'a str {
        self.all.get(self.at).map_or("", |(_, text, _)| text)
    }

    fn take(&mut self, word: &str) -> bool {
        let is = self.peek().eq_ignore_ascii_case(word);
        self.at += usize::from(is);
        is
    }

    fn next(&mut self) -> &'a str {
        let text = self.peek();
        self.at += 1;
        text
    }

    /// Position of the next lexeme in the statement.
    fn position(&self, end: usize) -> usize {
        self.all.get(self.at).map_or(end, |(_, _, start)| *start)
    }
}

/// Reads a `COPY`.
///
/// # Errors
/// What of it is not offered.
pub(super) fn copied(piece: &Piece<'_>) -> Result<Copied, String> {
    let text = piece.text;
    let all = lexemes(text).into_iter().filter(|lexeme| lexeme.kind != LexemeKind::Blank);
    let all = all.map(|lexeme| (lexeme.kind, &text[lexeme.range.clone()], lexeme.range.start)).collect();
    let mut words = Words { all, at: 1 };
    let only_out = || "COPY is offered as COPY (SELECT …) TO STDOUT and COPY view TO STDOUT".to_owned();
    let (query, start) = if words.peek() == "(" {
        words.at += 1;
        let start = words.position(text.len());
        let end = close(&mut words).ok_or_else(only_out)?;
        (text[start..end].to_owned(), start)
    } else {
        let start = words.position(text.len());
        while !["", "to", "from", "("].contains(&words.peek().to_lowercase().as_str()) {
            words.at += 1;
        }
        let name = text[start..words.position(text.len())].trim().to_owned();
        if name.is_empty() {
            return Err(only_out());
        }
        let mut columns = "*".to_owned();
        if words.take("(") {
            let from = words.position(text.len());
            let end = close(&mut words).ok_or_else(only_out)?;
            text[from..end].clone_into(&mut columns);
        }
        // A position in the query is not one in the statement; that of the name is near.
        (format!("SELECT {columns} FROM {name}"), start)
    };
    if !words.take("to") || !words.take("stdout") || query.trim().is_empty() {
        return Err(only_out());
    }
    Ok(Copied { query, start, format: format(&mut words)? })
}

/// Skips to after the closing parenthesis, and returns its position.
fn close(words: &mut Words<'_>) -> Option<usize> {
    let mut depth = 1_usize;
    while words.at < words.all.len() {
        let at = words.all[words.at].2;
        match words.next() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Reads the options, in parentheses or in the older form without them.
fn format(words: &mut Words<'_>) -> Result<CopyFormat, String> {
    let mut format = CopyFormat { is_csv: false, has_header: false, delimiter: 0, null: String::new() };
    let mut null = None;
    let _ = words.take("with");
    let in_parentheses = words.take("(");
    while words.at < words.all.len() {
        let option = words.next().to_lowercase();
        match option.as_str() {
            "," | ")" | "as" => {}
            "format" => match words.next().to_lowercase().as_str() {
                "csv" => format.is_csv = true,
                "text" => {}
                other => return Err(format!("COPY has the formats text and csv, not {other}")),
            },
            "csv" => format.is_csv = true,
            "header" => {
                let value = words.peek().to_lowercase();
                let is_value = in_parentheses && !["", ",", ")"].contains(&value.as_str());
                words.at += usize::from(is_value);
                format.has_header = !is_value || ["true", "on", "1"].contains(&value.as_str());
            }
            "delimiter" | "null" | "quote" | "escape" | "encoding" => {
                let _ = words.take("as");
                let value = words.next();
                let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
                let value = value.ok_or_else(|| format!("COPY needs a text after {option}"))?.replace("''", "'");
                match (option.as_str(), value.as_bytes()) {
                    ("delimiter", [one]) if !b"\"\\\r\n".contains(one) => format.delimiter = *one,
                    ("null", _) => null = Some(value),
                    ("quote" | "escape", b"\"") => {}
                    ("encoding", _) if ["utf8", "utf-8"].contains(&value.to_lowercase().as_str()) => {}
                    _ => return Err(format!("COPY cannot have {option} {value:?}")),
                }
            }
            other => return Err(format!("COPY has no option {other}")),
        }
    }
    format.null = null.unwrap_or_else(|| if format.is_csv { "" } else { "\\N" }.to_owned());
    if format.delimiter == 0 {
        format.delimiter = if format.is_csv { b',' } else { b'\t' };
    }
    Ok(format)
}

impl CopyFormat {
    /// Returns the line with the names of the columns, if there is one.
    pub(super) fn header<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<BytesMut> {
        self.has_header.then(|| self.line(names.map(|name| Some(name.as_bytes()))))
    }

    /// Returns the line of a row in the form of a message: the length of each value, -1 for NULL, and the value as text.
    pub(super) fn row(&self, mut row: &[u8]) -> BytesMut {
        let values = std::iter::from_fn(|| {
            let (head, rest) = row.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_be_bytes(*head)).ok();
            let (value, rest) = rest.split_at_checked(length.unwrap_or(0))?;
            row = rest;
            Some(length.map(|_| value))
        });
        self.line(values)
    }

    fn line<'a>(&self, values: impl Iterator<Item = Option<&'a [u8]>>) -> BytesMut {
        let mut out = BytesMut::new();
        for (idx, value) in values.enumerate() {
            if idx > 0 {
                out.put_u8(self.delimiter);
            }
            match value {
                None => out.put_slice(self.null.as_bytes()),
                Some(value) if self.is_csv => self.quoted(value, &mut out),
                Some(value) => self.escaped(value, &mut out),
            }
        }
        out.put_u8(b'\n');
        out
    }

    fn quoted(&self, value: &[u8], out: &mut BytesMut) {
        let is_special = |byte: &u8| [self.delimiter, b'"', b'\n', b'\r'].contains(byte);
        if value != self.null.as_bytes() && value != b"\\." && !value.iter().any(is_special) {
            out.put_slice(value);
            return;
        }
        out.put_u8(b'"');
        for byte in value {
            if *byte == b'"' {
                out.put_u8(b'"');
            }
            out.put_u8(*byte);
        }
        out.put_u8(b'"');
    }

    fn escaped(&self, value: &[u8], out: &mut BytesMut) {
        for byte in value {
            let letter = match byte {
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x08 => b'b',
                0x0c => b'f',
                0x0b => b'v',
                other if *other == self.delimiter => *other,
                other => {
                    out.put_u8(*other);
                    continue;
                }
            };
            out.put_slice(&[b'\\', letter]);
        }
    }
}

#[cfg(test)]
mod tests {
    use almanac_engine::store::postgres::split;

    use super::*;

    #[test]
    fn statements_and_options_are_read() {
        let read = |sql: &str| copied(&split(sql)[0]);
        let shown = |sql: &str| {
            let Copied { query, start, format } = read(sql).unwrap();
            (query, start, format.is_csv, format.has_header, char::from(format.delimiter), format.null)
        };
        assert_eq!(
            shown("COPY (SELECT f(1), ')' FROM t) TO STDOUT"),
            ("SELECT f(1), ')' FROM t".to_owned(), 6, false, false, '\t', "\\N".to_owned())
        );
        assert_eq!(
            shown("copy samples(value, timestamp) to stdout with (format csv, header, delimiter ';', null 'x''y')"),
            ("SELECT value, timestamp FROM samples".to_owned(), 5, true, true, ';', "x'y".to_owned())
        );
        let older = shown("COPY public.samples TO STDOUT CSV HEADER DELIMITER AS '|'");
        assert_eq!((older.0.as_str(), older.2, older.3, older.4), ("SELECT * FROM public.samples", true, true, '|'));
        assert!(!shown("COPY t TO STDOUT (HEADER false)").3);
        for refused in [
            "COPY samples FROM STDIN",
            "COPY samples TO '/tmp/x'",
            "COPY (SELECT 1 TO STDOUT",
            "COPY TO STDOUT",
            "COPY t TO STDOUT (FORMAT binary)",
            "COPY t TO STDOUT (DELIMITER 'ab')",
            "COPY t TO STDOUT (FORCE_QUOTE *)",
            "COPY t TO PROGRAM 'x'",
            "COPY",
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn values_are_quoted_and_escaped() {
        let values: [Option<&[u8]>; 5] = [Some(b"a,b"), None, Some(b""), Some(b"x\"\n"), Some(b"\\t")];
        let of = |sql: &str| copied(&split(sql)[0]).unwrap().format;
        let csv = of("COPY t TO STDOUT CSV").line(values.into_iter());
        assert_eq!(csv, b"\"a,b\",,\"\",\"x\"\"\n\",\\t\n"[..]);
        let text = of("COPY t TO STDOUT").line(values.into_iter());
        assert_eq!(text, b"a,b\t\\N\t\tx\"\\n\t\\\\t\n"[..]);
        let row = [&2_i32.to_be_bytes()[..], b"ab", &(-1_i32).to_be_bytes(), &0_i32.to_be_bytes()].concat();
        assert_eq!(of("COPY t TO STDOUT").row(&row), b"ab\t\\N\t\n"[..]);
    }
}
