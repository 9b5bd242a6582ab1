//! Outages of event counts, for series whose single values are too small for a band: a likelihood ratio against the
//! rate of the hour.

mod deficit;
mod rate;

pub(super) use deficit::CountDeficit;
