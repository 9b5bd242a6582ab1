use std::io::Write;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::http::shared::iso;

/// Writes one value as JSON. NaN and infinities are null; instants are RFC 3339 in UTC; what JSON has no kind of value
/// for is text.
pub(super) fn write_json(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), arrow::error::ArrowError> {
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
        // Sums of whole numbers come as decimals without decimals.
        DataType::Decimal128(..) => {
            out.extend_from_slice(array.as_primitive::<Decimal128Type>().value_as_string(row).as_bytes())
        }
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

/// One value as plain text, as it stands in CSV: nested values are JSON, NULL is nothing.
pub(super) fn text(array: &ArrayRef, row: usize) -> Result<String, arrow::error::ArrowError> {
    if array.is_null(row) {
        return Ok(String::new());
    }
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Timestamp(unit, _) => match millis(array, *unit, row) {
            Some(millis) => iso(millis),
            None => shown(array, row)?,
        },
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
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

/// Milliseconds of an instant, when it is whole in milliseconds.
fn millis(array: &ArrayRef, unit: TimeUnit, row: usize) -> Option<i64> {
    use arrow::datatypes::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    let whole = |value: i64, per_milli: i64| (value % per_milli == 0).then_some(value / per_milli);
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row).checked_mul(1000),
        TimeUnit::Millisecond => Some(array.as_primitive::<TimestampMillisecondType>().value(row)),
        TimeUnit::Microsecond => whole(array.as_primitive::<TimestampMicrosecondType>().value(row), 1000),
        TimeUnit::Nanosecond => whole(array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000),
    }
}

fn shown(array: &ArrayRef, row: usize) -> Result<String, arrow::error::ArrowError> {
    let options = FormatOptions::default();
    ArrayFormatter::try_new(array, &options)?.value(row).try_to_string()
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

// Writing to memory cannot fail; were it to, the value would be missing and the body no JSON.
fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        let _ = serde_json::to_writer(out, &value);
    } else {
        out.extend_from_slice(b"null");
    }
}

pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}
