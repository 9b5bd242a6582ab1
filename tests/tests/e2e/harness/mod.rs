//! Starts the program, talks to it and ends it.

mod program;
mod server;

pub use program::{Ended, almanac, run};
pub use server::{Reply, Server};
