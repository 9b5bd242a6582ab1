//! Starts the program, sends requests to it and stops it; executes notebooks and the commands of a page.

mod notebooks;
mod page;
mod program;
mod server;

pub(crate) use notebooks::{execute_notebook, notebook_python, project, venv_python};
pub(crate) use page::follow_getting_started;
pub(crate) use program::{Ended, almanac, almanac_after, run};
pub(crate) use server::{Reply, Server};
