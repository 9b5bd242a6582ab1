//! Recommends settings of a PostgreSQL server, of a database and of tables that measurements show to matter.
//!
//! `facts` adds sessions, reads and hours to the facts that all advisors on databases share. `memory` decides on `work_mem` and
//! `shared_buffers`, `tables` on autovacuum and the fill factor, `server` on `max_connections` and `random_page_cost`; `change`
//! writes a change with its inverse, and `measure` measures it. A setting without evidence has no verdict.

mod advisor;
mod change;
mod decide;
mod facts;
mod measure;
mod memory;
mod server;
mod tables;
mod terms;

pub use advisor::Settings;
pub use facts::{HourOfFamily, HourOfTable, Reads, Sessions, SettingsFacts};
pub use terms::{FamilyBefore, SettingsTerms};

#[cfg(test)]
mod tests;
