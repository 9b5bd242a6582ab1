//! The calendar that signals follow: time zones by name, holidays by date, and steps of days, months and years.

mod spacing;
mod zone;

pub use spacing::Spacing;
pub use zone::{Calendar, NoDate, UnknownZone, Zone, parse_date};
