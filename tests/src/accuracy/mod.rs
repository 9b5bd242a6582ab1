//! The bench of accuracy: every model on the public sets, as others score them, beside what others have published.

pub mod forecasters;
pub mod grid;
mod parallel;
pub mod published;
mod report;
pub mod scorers;
mod sections;
mod table;

pub use parallel::{Done, each};
pub use report::Report;
pub use sections::{SECTIONS, Section, Settings};
pub use table::Table;
