//! Samples and events come in: what is acknowledged is there, what is wrong is said and loses nothing.

mod crash;
mod events;
mod files;
mod proto;
mod remote_write;
mod scrape;
