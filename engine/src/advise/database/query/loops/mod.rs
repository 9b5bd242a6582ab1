//! Statements that run once for each row: reads of a loop, writes of a loop, inserts of one row.

mod insert;
mod read;
mod several;
mod write;

pub(super) use insert::find as row_by_row_insert;
pub(super) use several::find as n_plus_one;
