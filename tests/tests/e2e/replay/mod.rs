//! `almanac replay`: its figures are recomputed independently from the documented formats.

mod rightsizing;
mod scaling;
mod shims;
mod threshold;
mod ttl;
