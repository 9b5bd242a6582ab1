//! The registry of series, held in memory: labels as numbers of interned strings, and for each label
//! and value the list of its series.

mod registry;
mod symbols;

pub(super) use registry::Registry;
