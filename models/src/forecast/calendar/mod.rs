//! Irregular days: holidays, and days that daylight saving makes longer or shorter.

mod clock;
mod holidays;
mod local;

pub(in crate::forecast) use clock::LocalClock;
pub(in crate::forecast) use holidays::{Holidays, shifted, without};
pub(in crate::forecast) use local::LocalSeries;
