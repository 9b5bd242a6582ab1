//! `almanac demo`: a temporary store, recorded telemetry in through the usual way, learned, advised on and printed; then
//! a service over it.
//!
//! The recording's day lasts ten minutes, so every length of time that belongs to a day is scaled with it: start-up,
//! history and horizon of scaling, times-to-live.

mod cards;
mod command;
mod pace;
mod settings;
mod stages;

#[cfg(test)]
pub(crate) use cards::recommendation as card;
pub use command::{Args, run};
#[cfg(test)]
pub(crate) use pace::Pace;
