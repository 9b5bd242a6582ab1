//! Documents written by benches: sections of tables measured on the public sets, with the commit and the hashes of the
//! data.

mod command;
mod parallel;
mod report;
mod settings;
mod table;

use std::error::Error;

pub use command::write;
pub use parallel::{Done, each};
pub use report::Report;
pub(crate) use report::commit;
pub use settings::Settings;
pub use table::{Table, number, percent};

/// Definition of a document that a bench writes.
#[derive(Debug, Clone, Copy)]
pub struct Paper {
    /// Name of the bench.
    pub bench: &'static str,
    /// Path of the document.
    pub file: &'static str,
    /// Title of the document.
    pub title: &'static str,
    /// Text before the sections.
    pub preface: &'static str,
    /// Sections in their order.
    pub sections: &'static [Section],
    /// Files of the data directory that the sections read.
    pub data: &'static [&'static str],
}

/// Section of a document.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Name for `--only`.
    pub name: &'static str,
    /// Measures and returns the section in Markdown.
    pub run: fn(&Settings) -> Result<String, Box<dyn Error>>,
}
