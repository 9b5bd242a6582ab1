//! Registry of series in memory: labels as pairs of interned strings, and an inverted index from label and value to
//! series.

mod order;
mod registry;
mod select;
mod symbols;

pub(super) use registry::Registry;
pub(super) use select::select;
