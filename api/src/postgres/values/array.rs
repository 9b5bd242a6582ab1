//! Arrays: lists of values as PostgreSQL's arrays of one dimension, as text and in binary form.

use arrow::{
    array::{Array, ArrayRef},
    error::ArrowError,
};
use bytes::{BufMut, BytesMut};

use super::{binary, text};

/// Returns the type of the items of an array type; `None` for other types.
pub(super) fn item_type(oid: u32) -> Option<u32> {
    Some(match oid {
        1000 => 16,
        1001 => 17,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1016 => 20,
        1002 => 18,
        1028 => 26,
        1021 => 700,
        1022 => 701,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1187 => 1186,
        1231 => 1700,
        _ => return None,
    })
}

/// Appends a list as text: `{1,NULL,"a b"}`.
pub(super) fn write_text(items: &ArrayRef, oid: u32, out: &mut String) -> Result<(), ArrowError> {
    out.push('{');
    for idx in 0..items.len() {
        if idx > 0 {
            out.push(',');
        }
        if items.is_null(idx) {
            out.push_str("NULL");
            continue;
        }
        let mut item = String::new();
        text::write(items, idx, oid, &mut item)?;
        let is_plain = !item.is_empty()
            && !item.eq_ignore_ascii_case("null")
            && !item.contains(|c: char| c.is_whitespace() || "{},\"\\".contains(c));
        if is_plain {
            out.push_str(&item);
        } else {
            out.push('"');
            out.push_str(&item.replace('\\', "\\\\").replace('"', "\\\""));
            out.push('"');
        }
    }
    out.push('}');
    Ok(())
}

/// Appends a list in binary form: dimensions, whether there is a NULL, type, length and first index, items.
pub(super) fn write_binary(items: &ArrayRef, oid: u32, out: &mut BytesMut) -> Result<(), ArrowError> {
    let length = i32::try_from(items.len()).map_err(|_| ArrowError::CastError("a list is too long".to_owned()))?;
    out.put_i32(i32::from(length > 0));
    out.put_i32(i32::from(items.null_count() > 0));
    out.put_u32(oid);
    if length > 0 {
        out.put_i32(length);
        out.put_i32(1);
    }
    for idx in 0..items.len() {
        let start = out.len();
        out.put_i32(-1);
        if !items.is_null(idx) {
            binary::write(items, idx, oid, out)?;
            let size = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
            out[start..start + 4].copy_from_slice(&size.to_be_bytes());
        }
    }
    Ok(())
}
