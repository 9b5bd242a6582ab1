//! Formats single cells of SQL results as JSON and as text.

use std::io::Write;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::{DateTime, SecondsFormat};

use crate::http::shared::iso;

/// Writes one value as JSON.
///
/// NaN and infinities are the strings "NaN", "Infinity" and "-Infinity", which imports and casts accept. Instants are
/// RFC 3339 in UTC. Types without a JSON counterpart are strings.
pub(crate) fn write_json(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), arrow::error::ArrowError> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => out.extend_from_slice(b"null"),
        DataType::Boolean => out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" }),
        DataType::Int8 => display(out, array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => display(out, array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => display(out, array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => display(out, array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => display(out, array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => display(out, array.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => display(out, array.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => display(out, array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => float(out, f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(out, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => out.extend_from_slice(decimal(array, row).as_bytes()),
        DataType::List(_) => list(&array.as_list::<i32>().value(row), out)?,
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row), out)?,
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row), out)?,
        DataType::Struct(_) => {
            let record = array.as_struct();
            out.push(b'{');
            for (idx, (name, column)) in record.column_names().iter().zip(record.columns()).enumerate() {
                if idx > 0 {
                    out.push(b',');
                }
                string(out, name);
                out.push(b':');
                write_json(column, row, out)?;
            }
            out.push(b'}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            out.push(b'{');
            for entry in 0..entries.len() {
                if entry > 0 {
                    out.push(b',');
                }
                string(out, &text(keys, entry)?);
                out.push(b':');
                write_json(values, entry, out)?;
            }
            out.push(b'}');
        }
        _ => string(out, &text(array, row)?),
    }
    Ok(())
}

/// Formats one value as a CSV cell: nested values are JSON, NULL is empty.
pub(crate) fn text(array: &ArrayRef, row: usize) -> Result<String, arrow::error::ArrowError> {
    if array.is_null(row) {
        return Ok(String::new());
    }
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Timestamp(unit, _) => instant(array, *unit, row),
        DataType::Float64 => number(array.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            if value.is_finite() { value.to_string() } else { number(value.into()) }
        }
        DataType::Decimal128(..) => decimal(array, row),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..) => {
            let mut out = Vec::new();
            write_json(array, row, &mut out)?;
            String::from_utf8_lossy(&out).into_owned()
        }
        _ => shown(array, row)?,
    })
}

/// Formats a decimal. `DuckDB` returns sums of integers as decimals of scale 0, which may exceed the type's precision.
fn decimal(array: &ArrayRef, row: usize) -> String {
    let decimals = array.as_primitive::<Decimal128Type>();
    if decimals.scale() == 0 { decimals.value(row).to_string() } else { decimals.value_as_string(row) }
}

/// Formats an instant as RFC 3339 in UTC with milliseconds, or with more digits where needed. `DuckDB` stores infinite
/// instants as ±`i64::MAX`.
fn instant(array: &ArrayRef, unit: TimeUnit, row: usize) -> String {
    use arrow::datatypes::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    let (value, per_second) = match unit {
        TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1),
        TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
        TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
        TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000_000),
    };
    if value == i64::MAX || value == -i64::MAX {
        return if value > 0 { "infinity" } else { "-infinity" }.to_owned();
    }
    // Euclidean division: instants before 1970 have a non-negative fraction too.
    let fraction = value.rem_euclid(per_second);
    let per_milli = (per_second / 1_000).max(1);
    if fraction % per_milli == 0 {
        return iso(value.div_euclid(per_second).saturating_mul(1_000).saturating_add(fraction * 1_000 / per_second));
    }
    let nanos = u32::try_from(fraction * (1_000_000_000 / per_second)).unwrap_or(0);
    DateTime::from_timestamp(value.div_euclid(per_second), nanos)
        .map_or_else(|| value.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Formats a value by arrow's formatter, and the values that it rejects here: infinite dates, and the time 24:00:00.
fn shown(array: &ArrayRef, row: usize) -> Result<String, arrow::error::ArrowError> {
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(array, &options)?.value(row).try_to_string();
    match array.data_type() {
        DataType::Date32 if text.is_err() => {
            let days = array.as_primitive::<Date32Type>().value(row);
            Ok(if days > 0 { "infinity" } else { "-infinity" }.to_owned())
        }
        DataType::Time64(_) if text.is_err() => Ok("24:00:00".to_owned()),
        _ => text,
    }
}

fn list(items: &ArrayRef, out: &mut Vec<u8>) -> Result<(), arrow::error::ArrowError> {
    out.push(b'[');
    for idx in 0..items.len() {
        if idx > 0 {
            out.push(b',');
        }
        write_json(items, idx, out)?;
    }
    out.push(b']');
    Ok(())
}

// Writing to a `Vec` cannot fail, so the results here and below are ignored.
fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        let _ = serde_json::to_writer(out, &value);
    } else {
        string(out, &number(value));
    }
}

/// Formats a number; non-finite ones as in JSON.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        value.to_string()
    }
}

/// Writes a string as JSON.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}
