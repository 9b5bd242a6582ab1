//! Processes for work on what callers send: limited by the operating system, talked to through pipes, ended at a
//! deadline.
//!
//! A decoder or a database may take all memory, run for minutes or end its process on a small input. In a process of
//! its own it ends at worst that process.

pub(crate) mod frame;
pub(crate) mod limits;
mod process;

pub(crate) use process::{Pipes, Process};
