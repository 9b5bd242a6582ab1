//! `almanac demo`: imports recorded telemetry into a temporary store, learns, prints recommendations, and serves the
//! store.
//!
//! A day of the first recording lasts ten minutes, so all durations that depend on the day are scaled: start-up, history and
//! horizon of scaling, times-to-live. The second recording, of the example application and its database, is in real time.

mod application;
mod cards;
mod command;
mod settings;
mod stages;
mod time_scale;

#[cfg(test)]
pub(crate) use cards::recommendation as card;
pub use command::{Args, run};
#[cfg(test)]
pub(crate) use time_scale::TimeScale;
