//! Starts the program, sends requests to it and stops it.

mod program;
mod server;

pub(crate) use program::{almanac, almanac_after, run};
pub(crate) use server::{Reply, Server};
