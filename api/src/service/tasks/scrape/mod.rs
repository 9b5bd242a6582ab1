//! Scraping: one task a target, on the target's own grid of moments.

mod client;
mod run;

pub(super) use run::start;
