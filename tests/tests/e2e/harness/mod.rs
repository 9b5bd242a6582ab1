//! Starts the program, sends requests to it and stops it; executes notebooks.

mod notebooks;
mod program;
mod server;

pub(crate) use notebooks::{execute_notebook, notebook_python, project};
pub(crate) use program::{Ended, almanac, almanac_after, run};
pub(crate) use server::{Reply, Server};
