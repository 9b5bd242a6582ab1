//! The scraper: schedules targets and converts pages, or their absence, to samples.
//!
//! The HTTP client is passed in. No code here opens a connection or reads a clock.

mod client;
mod plan;
mod protobuf;
mod target;

#[cfg(test)]
mod tests;

pub use client::{Fetched, Page, ScrapeClient, ScrapeRequest};
pub use plan::{ScrapeTarget, scrape_offset_ms};
pub use target::{ScrapeReport, Scraper};
