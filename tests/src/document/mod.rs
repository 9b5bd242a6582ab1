//! Documents that benches write: sections of tables measured on the public sets, with the commit and the data's hashes.

mod command;
mod parallel;
mod report;
mod settings;
mod table;

use std::error::Error;

pub use command::write;
pub use parallel::{Done, each};
pub use report::Report;
pub use settings::Settings;
pub use table::{Table, number, percent};

/// A document that a bench writes.
#[derive(Debug, Clone, Copy)]
pub struct Paper {
    /// The bench's name.
    pub bench: &'static str,
    /// Where the whole is kept.
    pub file: &'static str,
    /// Its first line.
    pub title: &'static str,
    /// What it says before its parts, lines joined.
    pub preface: &'static str,
    /// Its parts, in their order.
    pub sections: &'static [Section],
    /// Files of the data directory that the parts read.
    pub data: &'static [&'static str],
}

/// A part of a document.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The name by which `--only` chooses it.
    pub name: &'static str,
    /// Measures, and says what was found.
    pub run: fn(&Settings) -> Result<String, Box<dyn Error>>,
}
