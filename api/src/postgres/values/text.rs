//! Values as text, in the notation of PostgreSQL's `DateStyle` ISO and `IntervalStyle` postgres.

use std::fmt::Write;

use arrow::{array::ArrayRef, error::ArrowError};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Timelike};

use super::cell::{self, Decimal, Instant, Interval};
use crate::http::{cell_json, cell_text};

/// Appends a value that is not NULL as text, as a type of PostgreSQL.
pub(super) fn write(array: &ArrayRef, row: usize, oid: u32, out: &mut String) -> Result<(), ArrowError> {
    let done = match oid {
        16 => bool(array, row).map(|value| out.push(if value { 't' } else { 'f' })),
        17 => cell::bytes(array, row).map(|bytes| hex(bytes, out)),
        20 | 21 | 23 | 26 | 1700 => cell::decimal(array, row).map(|value| decimal(value, out)),
        700 | 701 => cell::float(array, row).map(|value| float(value, oid == 700, out)),
        1082 => cell::days(array, row).map(|days| date(days, out)),
        1083 => cell::time(array, row).map(|micros| time(micros, out)),
        1114 | 1184 => cell::instant(array, row).map(|at| instant(at, oid == 1184, out)),
        1186 => cell::interval(array, row).map(|value| interval(value, out)),
        114 => {
            let mut json = Vec::new();
            cell_json(array, row, &mut json)?;
            out.push_str(&String::from_utf8_lossy(&json));
            Some(())
        }
        _ => None,
    };
    if done.is_none() {
        out.push_str(&cell_text(array, row)?);
    }
    Ok(())
}

pub(super) fn bool(array: &ArrayRef, row: usize) -> Option<bool> {
    use arrow::array::{Array, AsArray};
    (array.data_type() == &arrow::datatypes::DataType::Boolean).then(|| array.as_boolean().value(row))
}

fn hex(bytes: &[u8], out: &mut String) {
    out.push_str("\\x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

pub(super) fn decimal(value: Decimal, out: &mut String) {
    let Decimal { value, scale } = value;
    if scale == 0 {
        let _ = write!(out, "{value}");
        return;
    }
    let digits = format!("{:0width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let _ = write!(out, "{}{whole}.{fraction}", if value < 0 { "-" } else { "" });
}

fn float(value: f64, is_single: bool, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else if is_single {
        #[expect(clippy::cast_possible_truncation, reason = "the value was a single before")]
        let single = value as f32;
        push_number(&single.to_string(), &format!("{single:e}"), 6, out);
    } else {
        push_number(&value.to_string(), &format!("{value:e}"), 15, out);
    }
}

/// Writes a number without an exponent if that is from -4 to below `most`, as PostgreSQL does for the shortest digits; else
/// with a sign and at least two digits of the exponent.
fn push_number(plain: &str, scientific: &str, most: i32, out: &mut String) {
    let parts = scientific.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)));
    match parts.filter(|(_, exponent)| !(-4..most).contains(exponent)) {
        None => out.push_str(plain),
        Some((digits, exponent)) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(out, "{digits}e{sign}{:02}", exponent.abs());
        }
    }
}

fn date(days: i32, out: &mut String) {
    let (distance, start) = (Days::new(days.unsigned_abs().into()), DateTime::UNIX_EPOCH.date_naive());
    let found = if days < 0 { start.checked_sub_days(distance) } else { start.checked_add_days(distance) };
    match found {
        Some(found) => {
            day(found, out);
            era(found, out);
        }
        None => out.push_str(if days > 0 { "infinity" } else { "-infinity" }),
    }
}

/// Writes a day; the year before year 1 is 1 BC.
fn day(date: NaiveDate, out: &mut String) {
    let year = if date.year() > 0 { date.year() } else { 1 - date.year() };
    let _ = write!(out, "{year:04}-{:02}-{:02}", date.month(), date.day());
}

fn era(date: NaiveDate, out: &mut String) {
    if date.year() <= 0 {
        out.push_str(" BC");
    }
}

fn time(micros: i64, out: &mut String) {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    push_fraction(fraction, out);
}

/// Writes a fraction of a second in microseconds without trailing zeros.
fn push_fraction(micros: i64, out: &mut String) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

fn instant(at: Instant, has_zone: bool, out: &mut String) {
    let at = match at {
        Instant::Infinity => return out.push_str("infinity"),
        Instant::MinusInfinity => return out.push_str("-infinity"),
        Instant::At(at) => at,
    };
    let Some(found) = DateTime::from_timestamp_micros(at).map(|at| at.naive_utc()) else {
        return out.push_str(if at > 0 { "infinity" } else { "-infinity" });
    };
    day(found.date(), out);
    out.push(' ');
    clock(found, out);
    if has_zone {
        out.push_str("+00");
    }
    era(found.date(), out);
}

fn clock(at: NaiveDateTime, out: &mut String) {
    let _ = write!(out, "{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    push_fraction(i64::from(at.nanosecond() / 1_000), out);
}

fn interval(value: Interval, out: &mut String) {
    let start = out.len();
    let (years, months) = (value.months / 12, value.months % 12);
    // A part after a negative one has a sign.
    let mut follows_negative = false;
    for (number, name) in [(years, "year"), (months, "mon"), (value.days, "day")] {
        if number != 0 {
            let space = if out.len() > start { " " } else { "" };
            let sign = if follows_negative && number > 0 { "+" } else { "" };
            let plural = if number == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{sign}{number} {name}{plural}");
            follows_negative = number < 0;
        }
    }
    if value.micros != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if value.micros < 0 {
            out.push('-');
        } else if follows_negative {
            out.push('+');
        }
        time(i64::try_from(value.micros.unsigned_abs()).unwrap_or(i64::MAX), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn instants_dates_and_times_are_written_as_postgres_does() {
        let at = |micros| shown(|out| instant(Instant::At(micros), false, out));
        assert_eq!(at(1_795_419_624_385_000), "2026-11-23 07:40:24.385");
        assert_eq!(at(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(at(-62_167_219_200_000_000), "0001-01-01 00:00:00 BC");
        assert_eq!(at(253_402_300_800_000_000), "10000-01-01 00:00:00");
        assert_eq!(shown(|out| instant(Instant::At(0), true, out)), "1970-01-01 00:00:00+00");
        assert_eq!(shown(|out| instant(Instant::MinusInfinity, true, out)), "-infinity");
        assert_eq!(shown(|out| date(-1, out)), "1969-12-31");
        assert_eq!(shown(|out| date(i32::MAX, out)), "infinity");
        assert_eq!(shown(|out| time(86_400_000_000, out)), "24:00:00");
    }

    #[test]
    fn numbers_and_intervals_are_written_as_postgres_does() {
        let of = |value, scale| shown(|out| decimal(Decimal { value, scale }, out));
        assert_eq!(
            (of(-5, 2), of(12_345, 2), of(i128::MAX, 0)),
            ("-0.05".into(), "123.45".into(), i128::MAX.to_string())
        );
        let of = |value| shown(|out| float(value, false, out));
        assert_eq!(
            (of(0.1), of(-0.0), of(1e300), of(f64::NAN)),
            ("0.1".into(), "-0".into(), "1e+300".into(), "NaN".into())
        );
        assert_eq!(
            (of(1e15), of(999_999_999_999_999.0), of(1e-4), of(-1.5e-5)),
            ("1e+15".into(), "999999999999999".into(), "0.0001".into(), "-1.5e-05".into())
        );
        let of = |value| shown(|out| float(f64::from(value), true, out));
        assert_eq!((of(0.1_f32), of(100_000.0), of(1e6)), ("0.1".into(), "100000".into(), "1e+06".into()));
        let of = |months, days, micros| shown(|out| interval(Interval { months, days, micros }, out));
        assert_eq!(of(14, -3, 3_661_500_000), "1 year 2 mons -3 days +01:01:01.5");
        assert_eq!(of(-14, 3, -14_706_000_000), "-1 years -2 mons +3 days -04:05:06");
        assert_eq!(
            (of(0, 0, 0), of(0, 1, 0), of(0, 0, -1_000_000)),
            ("00:00:00".into(), "1 day".into(), "-00:00:01".into())
        );
    }
}
