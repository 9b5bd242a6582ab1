//! Unquotes strings: resolves the escapes of Go in `"…"` and `'…'`; strings in backticks have none.

/// Resolves the escapes of the text between the quotes `quote`.
///
/// # Errors
/// Byte position of a wrong escape within `inner`, its length, and the correction.
pub(super) fn unquoted(inner: &str, quote: char) -> Result<String, (usize, usize, String)> {
    if quote == '`' || !inner.contains('\\') {
        return Ok(inner.to_owned());
    }
    // Hexadecimal and octal escapes are bytes; several of them may encode one character.
    let mut bytes = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(next) = inner[at..].chars().next() {
        if next != '\\' {
            bytes.extend_from_slice(&inner.as_bytes()[at..at + next.len_utf8()]);
            at += next.len_utf8();
            continue;
        }
        let escape = &inner[at + 1..];
        let length = match escape.chars().next() {
            Some('a') => simple(&mut bytes, 0x07),
            Some('b') => simple(&mut bytes, 0x08),
            Some('f') => simple(&mut bytes, 0x0c),
            Some('n') => simple(&mut bytes, b'\n'),
            Some('r') => simple(&mut bytes, b'\r'),
            Some('t') => simple(&mut bytes, b'\t'),
            Some('v') => simple(&mut bytes, 0x0b),
            Some('\\') => simple(&mut bytes, b'\\'),
            Some(c @ ('"' | '\'')) if c == quote => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                Some(1)
            }
            Some('x') => digits(escape, 1, 2, 16).and_then(|code| u8::try_from(code).ok()).map(|byte| {
                bytes.push(byte);
                3
            }),
            Some('0'..='7') => digits(escape, 0, 3, 8).and_then(|code| u8::try_from(code).ok()).map(|byte| {
                bytes.push(byte);
                3
            }),
            Some(c @ ('u' | 'U')) => {
                let count = if c == 'u' { 4 } else { 8 };
                digits(escape, 1, count, 16).and_then(char::from_u32).map(|character| {
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    count + 1
                })
            }
            _ => None,
        };
        let Some(length) = length else {
            let shown = escape.chars().next().map_or(1, |c| 1 + c.len_utf8());
            let message = "this is not a valid escape; write \\\\ for a backslash, or the text in backticks";
            return Err((at, shown, message.to_owned()));
        };
        at += 1 + length;
    }
    String::from_utf8(bytes).map_err(|_| (0, inner.len(), "the escapes are not valid UTF-8".to_owned()))
}

/// Adds the byte of a one-letter escape; returns the length of the escape.
fn simple(bytes: &mut Vec<u8>, byte: u8) -> Option<usize> {
    bytes.push(byte);
    Some(1)
}

/// Parses `count` digits at the byte `from`.
fn digits(escape: &str, from: usize, count: usize, radix: u32) -> Option<u32> {
    let digits = escape.get(from..from + count)?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { u32::from_str_radix(digits, radix).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_go() {
        let check = |inner: &str, quote: char, expected: Option<&str>| {
            assert_eq!(unquoted(inner, quote).ok().as_deref(), expected, "{inner}");
        };
        check(r"a\\.b", '"', Some(r"a\.b"));
        check(r"\d", '`', Some(r"\d"));
        check(r"\d", '"', None);
        check(r#"\"\n\t"#, '"', Some("\"\n\t"));
        check(r"\'", '"', None);
        check(r"\'", '\'', Some("'"));
        check(r"\x41\101\u00e9\U0001F600", '"', Some("AAé😀"));
        check(r"\xc3\xa9", '"', Some("é"));
        check(r"\xff", '"', None);
        check(r"\400", '"', None);
        check(r"\x4", '"', None);
        check(r"\ud800", '"', None);
    }
}
