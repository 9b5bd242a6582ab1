//! The scraper: when to fetch which page, and what samples a page, or its absence, makes.
//!
//! The client that fetches is passed in; nothing here opens a connection or reads a clock.

mod client;
mod plan;
mod target;

#[cfg(test)]
mod tests;

pub use client::{Fetched, Page, ScrapeClient, ScrapeRequest};
pub use plan::{ScrapeTarget, scrape_offset_ms};
pub use target::{ScrapeReport, Scraper};
