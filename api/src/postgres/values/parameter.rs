//! Values of parameters, which clients send as text or in binary form.

use almanac_engine::store::{
    SqlParam,
    postgres::{ParamKind, ParamType},
};
use chrono::{DateTime, Days, NaiveTime};
use std::{borrow::Cow, fmt::Write};

/// Microseconds and days from 1970 to 2000, where PostgreSQL's times start.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: u64 = 10_957;

/// Returns the type of a parameter that a client declares with this type; `None` for an open or unknown one.
pub(in crate::postgres) fn declared_type(oid: u32) -> Option<ParamType> {
    let (kind, is_list) = match oid {
        16 => (ParamKind::Bool, false),
        21 => (ParamKind::SmallInt, false),
        23 => (ParamKind::Int, false),
        20 => (ParamKind::BigInt, false),
        26 => (ParamKind::Oid, false),
        700 => (ParamKind::Real, false),
        701 => (ParamKind::Double, false),
        1700 => (ParamKind::Numeric, false),
        19 | 25 | 1042 | 1043 | 114 | 3802 | 2950 => (ParamKind::Text, false),
        1082 => (ParamKind::Date, false),
        1083 => (ParamKind::Time, false),
        1114 => (ParamKind::Timestamp, false),
        1184 => (ParamKind::TimestampTz, false),
        1186 => (ParamKind::Interval, false),
        1000 => (ParamKind::Bool, true),
        1005 => (ParamKind::SmallInt, true),
        1007 => (ParamKind::Int, true),
        1016 => (ParamKind::BigInt, true),
        1028 => (ParamKind::Oid, true),
        1021 => (ParamKind::Real, true),
        1022 => (ParamKind::Double, true),
        1231 => (ParamKind::Numeric, true),
        1009 | 1015 | 1003 | 2951 => (ParamKind::Text, true),
        1182 => (ParamKind::Date, true),
        1115 => (ParamKind::Timestamp, true),
        1185 => (ParamKind::TimestampTz, true),
        _ => return None,
    };
    Some(ParamType { kind, is_list })
}

/// Returns the type in PostgreSQL of a parameter.
pub(in crate::postgres) fn oid_of(found: ParamType) -> u32 {
    let (one, list) = match found.kind {
        ParamKind::Bool => (16, 1000),
        ParamKind::SmallInt => (21, 1005),
        ParamKind::Int => (23, 1007),
        ParamKind::BigInt => (20, 1016),
        ParamKind::Oid => (26, 1028),
        ParamKind::Real => (700, 1021),
        ParamKind::Double => (701, 1022),
        ParamKind::Numeric => (1700, 1231),
        ParamKind::Text => (25, 1009),
        ParamKind::Date => (1082, 1182),
        ParamKind::Time => (1083, 1183),
        ParamKind::Timestamp => (1114, 1115),
        ParamKind::TimestampTz => (1184, 1185),
        ParamKind::Interval => (1186, 1187),
    };
    if found.is_list { list } else { one }
}

/// Returns a binary value of a type that the client declares in the form of the type that it has here: JSONB is text after
/// its version, a UUID has sixteen bytes.
pub(in crate::postgres) fn declared_value(declared: Option<u32>, bytes: &[u8]) -> Cow<'_, [u8]> {
    match (declared, bytes) {
        (Some(3802), [1, rest @ ..]) => Cow::Borrowed(rest),
        (Some(2950), bytes) if bytes.len() == 16 => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let parts =
                [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default().to_owned());
            Cow::Owned(parts.join("-").into_bytes())
        }
        (_, bytes) => Cow::Borrowed(bytes),
    }
}

/// Reads a value of a type. The statement casts it, so that most values are passed on as texts.
///
/// # Errors
/// What is wrong with the value.
pub(in crate::postgres) fn parameter(bytes: &[u8], found: ParamType, is_binary: bool) -> Result<SqlParam, String> {
    if !is_binary {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
        return Ok(SqlParam::Text(if found.is_list { list_of_text(text)? } else { text.to_owned() }));
    }
    if found.is_list { list_of_binary(bytes) } else { one_of_binary(bytes, found.kind) }
}

/// Returns the fixed number of bytes, or what is wrong.
fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("has {} bytes, expected {N}", bytes.len()))
}

fn one_of_binary(bytes: &[u8], kind: ParamKind) -> Result<SqlParam, String> {
    Ok(match kind {
        ParamKind::Bool => SqlParam::Bool(fixed::<1>(bytes)?[0] != 0),
        // The client's integer may be of another width than the column's.
        ParamKind::SmallInt | ParamKind::Int | ParamKind::BigInt => SqlParam::Int(match bytes.len() {
            2 => i16::from_be_bytes(fixed(bytes)?).into(),
            4 => i32::from_be_bytes(fixed(bytes)?).into(),
            _ => i64::from_be_bytes(fixed(bytes)?),
        }),
        ParamKind::Oid if bytes.len() == 4 => SqlParam::Int(u32::from_be_bytes(fixed(bytes)?).into()),
        ParamKind::Oid => SqlParam::Int(i64::from_be_bytes(fixed(bytes)?)),
        ParamKind::Real => SqlParam::Float(f32::from_be_bytes(fixed(bytes)?).into()),
        ParamKind::Double => SqlParam::Float(f64::from_be_bytes(fixed(bytes)?)),
        ParamKind::Text => {
            let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
            SqlParam::Text(text.to_owned())
        }
        ParamKind::Numeric => SqlParam::Text(numeric(bytes)?),
        ParamKind::Date => SqlParam::Text(date(i32::from_be_bytes(fixed(bytes)?))?),
        ParamKind::Time => SqlParam::Text(time(i64::from_be_bytes(fixed(bytes)?))?),
        ParamKind::Timestamp | ParamKind::TimestampTz => SqlParam::Text(timestamp(i64::from_be_bytes(fixed(bytes)?))?),
        ParamKind::Interval => {
            let all: [u8; 16] = fixed(bytes)?;
            let (micros, rest) = all.split_at(8);
            let (days, months) = rest.split_at(4);
            let micros = i64::from_be_bytes(fixed(micros)?);
            let (days, months) = (i32::from_be_bytes(fixed(days)?), i32::from_be_bytes(fixed(months)?));
            SqlParam::Text(format!("{months} months {days} days {micros} microseconds"))
        }
    })
}

fn date(days: i32) -> Result<String, String> {
    match days {
        i32::MAX => return Ok("infinity".to_owned()),
        i32::MIN => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let start = DateTime::UNIX_EPOCH.date_naive().checked_add_days(Days::new(EPOCH_DAYS));
    let distance = Days::new(days.unsigned_abs().into());
    let found = start
        .and_then(|start| if days < 0 { start.checked_sub_days(distance) } else { start.checked_add_days(distance) });
    found.map(|date| date.to_string()).ok_or_else(|| "is a date out of range".to_owned())
}

fn time(micros: i64) -> Result<String, String> {
    let seconds = u32::try_from(micros.div_euclid(1_000_000)).ok();
    let nanos = u32::try_from(micros.rem_euclid(1_000_000) * 1_000).ok();
    seconds
        .zip(nanos)
        .and_then(|(seconds, nanos)| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos))
        .map(|time| time.to_string())
        .ok_or_else(|| "is a time out of range".to_owned())
}

fn timestamp(micros: i64) -> Result<String, String> {
    match micros {
        i64::MAX => return Ok("infinity".to_owned()),
        i64::MIN => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let at = micros.checked_add(EPOCH_MICROS).and_then(DateTime::from_timestamp_micros);
    at.map(|at| at.naive_utc().to_string()).ok_or_else(|| "is a timestamp out of range".to_owned())
}

/// Reads a `numeric`: number of groups, weight of the first one, sign, digits after the point, groups of base 10,000.
fn numeric(bytes: &[u8]) -> Result<String, String> {
    let word = |idx: usize| bytes.get(2 * idx..2 * idx + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let cut = || "is a cut numeric".to_owned();
    let (groups, weight, sign, scale) =
        (word(0).ok_or_else(cut)?, word(1).ok_or_else(cut)?, word(2).ok_or_else(cut)?, word(3).ok_or_else(cut)?);
    let negative = match sign {
        0 => "",
        0x4000 => "-",
        _ => return Err("is NaN or infinite; pass it as double precision".to_owned()),
    };
    // The weight is signed.
    let weight = i64::from(i16::from_be_bytes(weight.to_be_bytes()));
    if weight.abs() > 100 || scale > 400 || groups > 200 {
        return Err("is a numeric with more digits than can be used".to_owned());
    }
    let group = |position: i64| -> Result<u16, String> {
        let idx = weight - position;
        match usize::try_from(idx).ok().filter(|idx| *idx < usize::from(groups)) {
            Some(idx) => word(4 + idx).filter(|group| *group < 10_000).ok_or_else(cut),
            None => Ok(0),
        }
    };
    let mut out = String::new();
    for position in (0..=weight.max(0)).rev() {
        let _ = write!(out, "{:04}", group(position)?);
    }
    let whole = out.trim_start_matches('0');
    let mut out = format!("{negative}{}", if whole.is_empty() { "0" } else { whole });
    let mut fraction = String::new();
    let mut position = -1;
    while fraction.len() < scale.into() {
        let _ = write!(fraction, "{:04}", group(position)?);
        position -= 1;
    }
    if scale > 0 {
        let _ = write!(out, ".{}", &fraction[..scale.into()]);
    }
    Ok(out)
}

/// Appends an item of a list as DuckDB reads it from a text.
fn push_item(out: &mut String, item: Option<&str>) {
    if out.len() > 1 {
        out.push_str(", ");
    }
    match item {
        None => out.push_str("NULL"),
        Some(item) => {
            let _ = write!(out, "\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""));
        }
    }
}

/// Converts `{1,NULL,"a b"}` to a list as DuckDB reads it.
fn list_of_text(text: &str) -> Result<String, String> {
    let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.ok_or_else(|| "is not a list like {1,2}".to_owned())?;
    let (mut out, mut item) = ("[".to_owned(), String::new());
    let (mut quoted, mut was_quoted, mut escaped) = (false, false, false);
    let mut finish = |item: &mut String, was_quoted: &mut bool| {
        let is_null = !*was_quoted && item.trim().eq_ignore_ascii_case("null");
        push_item(&mut out, (!is_null).then(|| if *was_quoted { item.as_str() } else { item.trim() }));
        item.clear();
        *was_quoted = false;
    };
    for letter in inner.chars() {
        match letter {
            _ if escaped => {
                item.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => finish(&mut item, &mut was_quoted),
            '{' | '}' if !quoted => return Err("is a list of lists, which is not offered".to_owned()),
            _ => item.push(letter),
        }
    }
    if quoted {
        return Err("is a list with an open quote".to_owned());
    }
    if !inner.trim().is_empty() {
        finish(&mut item, &mut was_quoted);
    }
    out.push(']');
    Ok(out)
}

fn list_of_binary(bytes: &[u8]) -> Result<SqlParam, String> {
    let cut = || "is a cut list".to_owned();
    let number = |at: usize| bytes.get(at..at + 4).and_then(|word| Some(i32::from_be_bytes(word.try_into().ok()?)));
    let dimensions = number(0).ok_or_else(cut)?;
    let oid = number(8).and_then(|oid| u32::try_from(oid).ok()).ok_or_else(cut)?;
    let mut out = "[".to_owned();
    if dimensions == 0 {
        return Ok(SqlParam::Text("[]".to_owned()));
    }
    if dimensions != 1 {
        return Err("is a list of lists, which is not offered".to_owned());
    }
    let item = declared_type(oid).filter(|item| !item.is_list);
    let item = item.ok_or_else(|| format!("is a list of type {oid}, which is not offered"))?;
    let mut at = 20;
    for _ in 0..number(12).ok_or_else(cut)? {
        let length = number(at).ok_or_else(cut)?;
        at += 4;
        let Ok(length) = usize::try_from(length) else {
            push_item(&mut out, None);
            continue;
        };
        let value = one_of_binary(bytes.get(at..at + length).ok_or_else(cut)?, item.kind)?;
        at += length;
        let shown = match value {
            SqlParam::Bool(value) => value.to_string(),
            SqlParam::Int(value) => value.to_string(),
            SqlParam::Float(value) => value.to_string(),
            SqlParam::Text(value) => value,
            SqlParam::Null => "NULL".to_owned(),
        };
        push_item(&mut out, Some(&shown));
    }
    out.push(']');
    Ok(SqlParam::Text(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], kind: ParamKind, is_list: bool, is_binary: bool) -> Result<String, String> {
        parameter(bytes, ParamType { kind, is_list }, is_binary).map(|value| match value {
            SqlParam::Text(text) => text,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn lists_are_converted() {
        let of = |value: &str| text(value.as_bytes(), ParamKind::Text, true, false);
        assert_eq!(of("{}").unwrap(), "[]");
        assert_eq!(of("{1, 2,NULL}").unwrap(), "[\"1\", \"2\", NULL]");
        assert_eq!(of(r#"{"a,b","NULL","\"\\"}"#).unwrap(), r#"["a,b", "NULL", "\"\\"]"#);
        for wrong in ["1", "{{1}}", "{\"", "{"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let list = [1_i32, 1, 23, 2, 1, 4, 7, -1].map(i32::to_be_bytes).concat();
        assert_eq!(text(&list, ParamKind::BigInt, true, true).unwrap(), "[\"7\", NULL]");
        for end in 0..list.len() {
            assert!(text(&list[..end], ParamKind::BigInt, true, true).is_err(), "{end}");
        }
    }

    #[test]
    fn binary_values_are_read() {
        let of = |bytes: &[u8], kind| text(bytes, kind, false, true);
        assert_eq!(of(&7_i16.to_be_bytes(), ParamKind::BigInt).unwrap(), "Int(7)");
        assert_eq!(of(&1.5_f64.to_be_bytes(), ParamKind::Double).unwrap(), "Float(1.5)");
        assert_eq!(of(&0_i64.to_be_bytes(), ParamKind::Timestamp).unwrap(), "2000-01-01 00:00:00");
        assert_eq!(of(&(-1_i32).to_be_bytes(), ParamKind::Date).unwrap(), "1999-12-31");
        assert_eq!(of(&i64::MAX.to_be_bytes(), ParamKind::Timestamp).unwrap(), "infinity");
        let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        assert_eq!(of(&words(&[3, 1, 0, 3, 1, 2345, 6780]), ParamKind::Numeric).unwrap(), "12345.678");
        assert_eq!(of(&words(&[1, 0xfffe, 0x4000, 6, 500]), ParamKind::Numeric).unwrap(), "-0.000005");
        assert_eq!(of(&words(&[0, 0, 0, 0]), ParamKind::Numeric).unwrap(), "0");
        for wrong in [&[][..], &[1], &[0; 7], &[0xff; 8], &[0x7f; 8]] {
            assert!(of(wrong, ParamKind::Numeric).is_err(), "{wrong:?}");
        }
        assert!(of(&[1, 2, 3], ParamKind::Int).is_err() && of(&[0xff], ParamKind::Text).is_err());
    }
}
