//! Starts the program, talks to it and ends it.

mod program;
mod server;

pub(crate) use program::{almanac, almanac_after, run};
pub(crate) use server::{Reply, Server};
