//! Values of columns and parameters, as text and in PostgreSQL's binary form.

mod array;
mod binary;
mod cell;
mod parameter;
mod row;
mod text;

pub(super) use parameter::{declared_type, declared_value, oid_of, parameter};
pub(super) use row::{Column, encode_row};
