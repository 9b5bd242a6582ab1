//! Values in PostgreSQL's binary form.

use arrow::{array::ArrayRef, error::ArrowError};
use bytes::{BufMut, BytesMut};

use super::{
    cell::{self, Decimal, Instant},
    text,
};

/// Days and microseconds from 1970 to 2000, where PostgreSQL's times start.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Appends a value that is not NULL, as a type of PostgreSQL.
pub(super) fn write(array: &ArrayRef, row: usize, oid: u32, out: &mut BytesMut) -> Result<(), ArrowError> {
    let wrong = || ArrowError::CastError(format!("a value of type {} cannot be sent as type {oid}", array.data_type()));
    match oid {
        16 => out.put_u8(text::bool(array, row).ok_or_else(wrong)?.into()),
        17 => out.put_slice(cell::bytes(array, row).ok_or_else(wrong)?),
        20 => out.put_i64(cell::int(array, row).ok_or_else(wrong)?),
        26 => out.put_u32(cell::int(array, row).and_then(|value| value.try_into().ok()).ok_or_else(wrong)?),
        21 => out.put_i16(cell::int(array, row).and_then(|value| value.try_into().ok()).ok_or_else(wrong)?),
        23 => out.put_i32(cell::int(array, row).and_then(|value| value.try_into().ok()).ok_or_else(wrong)?),
        #[expect(clippy::cast_possible_truncation, reason = "the value was a single before")]
        700 => out.put_f32(cell::float(array, row).ok_or_else(wrong)? as f32),
        701 => out.put_f64(cell::float(array, row).ok_or_else(wrong)?),
        1082 => out.put_i32(days(cell::days(array, row).ok_or_else(wrong)?)),
        1083 => out.put_i64(cell::time(array, row).ok_or_else(wrong)?),
        1114 | 1184 => out.put_i64(instant(cell::instant(array, row).ok_or_else(wrong)?)),
        1186 => {
            let value = cell::interval(array, row).ok_or_else(wrong)?;
            out.put_i64(value.micros);
            out.put_i32(value.days);
            out.put_i32(value.months);
        }
        1700 => numeric(cell::decimal(array, row).ok_or_else(wrong)?, out),
        // Texts and JSON are the same in both forms.
        _ => {
            let mut shown = String::new();
            text::write(array, row, oid, &mut shown)?;
            out.put_slice(shown.as_bytes());
        }
    }
    Ok(())
}

/// Days since 2000; dates out of range are infinite, as the largest and smallest number.
fn days(days: i32) -> i32 {
    if days == i32::MAX || days == -i32::MAX {
        return if days > 0 { i32::MAX } else { i32::MIN };
    }
    days.saturating_sub(EPOCH_DAYS)
}

fn instant(at: Instant) -> i64 {
    match at {
        Instant::At(at) => at.saturating_sub(EPOCH_MICROS),
        Instant::Infinity => i64::MAX,
        Instant::MinusInfinity => i64::MIN,
    }
}

/// Digits of a group of a `numeric`, which has base 10,000.
const GROUP: usize = 4;

/// Writes a decimal: number of groups, weight of the first one, sign, digits after the point, groups.
fn numeric(value: Decimal, out: &mut BytesMut) {
    let scale = usize::from(value.scale);
    let digits = format!("{:0width$}", value.value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let whole = whole.trim_start_matches('0');
    // Both parts are filled up to whole groups, away from the point.
    let whole = format!("{}{whole}", "0".repeat(whole.len().next_multiple_of(GROUP) - whole.len()));
    let fraction = format!("{fraction}{}", "0".repeat(scale.next_multiple_of(GROUP) - scale));
    let group = |group: &[u8]| group.iter().fold(0_i16, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    let mut groups: Vec<i16> = [whole.as_bytes(), fraction.as_bytes()].concat().chunks(GROUP).map(group).collect();
    let mut weight = i16::try_from(whole.len() / GROUP).unwrap_or(0) - 1;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= i16::try_from(leading).unwrap_or(0);
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    out.put_i16(i16::try_from(groups.len()).unwrap_or(0));
    out.put_i16(weight);
    out.put_u16(if value.value < 0 { 0x4000 } else { 0 });
    out.put_u16(value.scale.into());
    groups.iter().for_each(|group| out.put_i16(*group));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected bytes are those of `numeric_send` of PostgreSQL 15.
    #[test]
    fn decimals_have_the_bytes_of_postgres() {
        let check = |value: i128, scale: u8, expected: &[u16]| {
            let mut out = BytesMut::new();
            numeric(Decimal { value, scale }, &mut out);
            let found: Vec<u16> = out.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            assert_eq!(found, expected, "{value} {scale}");
        };
        check(0, 0, &[0, 0, 0, 0]);
        check(0, 2, &[0, 0, 0, 2]);
        check(1, 0, &[1, 0, 0, 0, 1]);
        check(-10_000, 0, &[1, 1, 0x4000, 0, 1]);
        check(12_345_678, 3, &[3, 1, 0, 3, 1, 2345, 6780]);
        check(5, 6, &[1, 0xfffe, 0, 6, 500]);
        check(-15, 1, &[2, 0, 0x4000, 1, 1, 5000]);
        check(99_999_999, 0, &[2, 1, 0, 0, 9999, 9999]);
    }
}
