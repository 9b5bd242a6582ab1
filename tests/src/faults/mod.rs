//! `make faults`: drives the real service while its disk, its memory, its clock, its senders or its process fail, and compares what it has with
//! what it acknowledged.
//!
//! `harness` knows what was acknowledged, starts and stops the binary, and works on it; each scenario is a module, `run` lists them. Every run has a
//! seed; what fails prints it. The seed gives the same samples and times; where a fault meets the work depends on the machine too.

mod calls;
mod clocks;
mod disks;
mod harness;
mod kills;
mod memory;
mod power;
mod run;
mod senders;
mod series;

use std::path::Path;

pub use calls::{Outcome, count, fail};
pub use run::{Options, SCENARIOS, Scenario, Table};

/// Judges a power cut again whose recording a failure has kept in `folder`.
///
/// # Errors
/// What fails again, or a folder that was not kept by a failure.
pub fn replay(almanac: &Path, folder: &Path) -> Result<(), String> {
    power::replay(almanac, folder)
}
