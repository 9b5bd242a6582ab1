//! Starts the program, talks to it and ends it.

mod program;
mod server;

pub(crate) use program::{Ended, almanac, run};
pub(crate) use server::{Reply, Server};
