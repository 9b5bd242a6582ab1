//! Commands that describe the program and its configuration: completions, man pages, and what a configuration does.

pub mod check_config;
pub mod completions;
pub mod man;
mod sections;
mod visible;
