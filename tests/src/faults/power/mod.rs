//! Power cuts: the shim records every change of the store's files, and the harness starts the service on what a disk may have at any moment.
//!
//! One recording gives as many cuts as there is time for. A disk may keep only what was synced, or any pages of what was not,
//! or parts of those pages; folder entries likewise. `disk` is the model of the disk, `journal` reads the recording, `cuts`
//! records, cuts and judges, `kept` writes what failed into a folder and judges it again.

mod cuts;
mod disk;
mod journal;
mod kept;

pub(super) use cuts::{after_failed_sync, power_cuts, replay};
