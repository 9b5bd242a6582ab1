//! Starts the program, talks to it and ends it.

mod program;
mod server;

pub(crate) use program::{almanac, run};
pub(crate) use server::{Reply, Server};
