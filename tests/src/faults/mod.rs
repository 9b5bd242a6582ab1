//! `make faults`: kills the real service at random points of its work, and compares what it has afterwards with what it
//! acknowledged.
//!
//! `model` knows what was acknowledged, `service` starts and kills the binary, `load` works on it meanwhile, `kills` runs and
//! judges. Every run has a seed; what fails prints it. The seed gives the same samples and
//! times; where a kill meets the work depends on the machine too.

mod kills;
mod load;
mod model;
mod service;

pub use kills::{Options, Totals, kills};
