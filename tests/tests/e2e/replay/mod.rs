//! `almanac replay`, its figures recomputed as a stranger would from the page that describes the formats.

mod rightsizing;
mod scaling;
mod shims;
mod threshold;
mod ttl;
