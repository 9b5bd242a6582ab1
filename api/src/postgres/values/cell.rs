//! Reads single values of Arrow columns, whatever their width and unit.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        IntervalMonthDayNanoType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type,
    },
};

/// A whole number, or one with digits after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    /// The digits without the point.
    pub(super) value: i128,
    /// Digits after the point.
    pub(super) scale: u8,
}

/// An instant in microseconds since 1970, or an infinite one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instant {
    At(i64),
    Infinity,
    MinusInfinity,
}

/// A length of time; the parts have their own signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

/// Returns a whole number or a decimal; `None` for other types.
pub(super) fn decimal(array: &ArrayRef, row: usize) -> Option<Decimal> {
    let value: i128 = match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Decimal128(_, scale) => {
            let scale = u8::try_from(*scale).ok()?;
            return Some(Decimal { value: array.as_primitive::<Decimal128Type>().value(row), scale });
        }
        _ => return None,
    };
    Some(Decimal { value, scale: 0 })
}

/// Returns a whole number that fits into 64 bits.
pub(super) fn int(array: &ArrayRef, row: usize) -> Option<i64> {
    decimal(array, row).filter(|decimal| decimal.scale == 0).and_then(|decimal| i64::try_from(decimal.value).ok())
}

/// Returns a floating-point number.
pub(super) fn float(array: &ArrayRef, row: usize) -> Option<f64> {
    match array.data_type() {
        DataType::Float32 => Some(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
        _ => None,
    }
}

/// Returns an instant. DuckDB stores infinite ones as ±`i64::MAX`.
pub(super) fn instant(array: &ArrayRef, row: usize) -> Option<Instant> {
    let DataType::Timestamp(unit, _) = array.data_type() else { return None };
    let value = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row),
    };
    if value == i64::MAX || value == -i64::MAX {
        return Some(if value > 0 { Instant::Infinity } else { Instant::MinusInfinity });
    }
    Some(Instant::At(match unit {
        TimeUnit::Second => value.saturating_mul(1_000_000),
        TimeUnit::Millisecond => value.saturating_mul(1_000),
        TimeUnit::Microsecond => value,
        TimeUnit::Nanosecond => value.div_euclid(1_000),
    }))
}

/// Returns a date in days since 1970.
pub(super) fn days(array: &ArrayRef, row: usize) -> Option<i32> {
    matches!(array.data_type(), DataType::Date32).then(|| array.as_primitive::<Date32Type>().value(row))
}

/// Returns a time of day in microseconds.
pub(super) fn time(array: &ArrayRef, row: usize) -> Option<i64> {
    match array.data_type() {
        DataType::Time64(TimeUnit::Microsecond) => Some(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Time64(TimeUnit::Nanosecond) => Some(array.as_primitive::<Time64NanosecondType>().value(row) / 1_000),
        _ => None,
    }
}

/// Returns an interval.
pub(super) fn interval(array: &ArrayRef, row: usize) -> Option<Interval> {
    matches!(array.data_type(), DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)).then(|| {
        let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
        Interval { months: value.months, days: value.days, micros: value.nanoseconds / 1_000 }
    })
}

/// Returns the items of a list.
pub(super) fn items(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

/// Returns bytes.
pub(super) fn bytes(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(row)),
        _ => None,
    }
}
