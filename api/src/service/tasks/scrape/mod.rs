//! Scraping: one task per target, at instants that are fixed by the target's interval and offset.

mod client;
mod run;

pub(super) use run::start;
