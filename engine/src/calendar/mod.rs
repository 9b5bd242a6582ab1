//! The calendar of signals: time zones, holidays, and steps of days, months and years. Never reads the present time.

mod spacing;
mod zone;

pub use spacing::Spacing;
pub use zone::{Calendar, NoDate, UnknownZone, Zone, parse_date};
