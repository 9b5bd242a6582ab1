//! A section of the configuration that an advisor declares: reads its tables into specifications, and names the place of a mistake.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::signal;

/// An array of tables in the configuration, one for each thing that an advisor advises on.
#[derive(Debug)]
pub struct Section<S> {
    /// Its name, such as `workload` for `[[workload]]`.
    pub name: &'static str,
    /// Keys that must not be left out.
    pub required: &'static [&'static str],
    read: fn(Value) -> Result<S, serde_path_to_error::Error<serde_json::Error>>,
}

/// What is wrong with a table of a section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SectionError {
    /// Position of the table in its section.
    pub table: usize,
    /// The keys from the table to the value at fault; indices of arrays as numbers.
    pub path: Vec<String>,
    /// What is wrong and what would be right.
    pub message: String,
    /// Whether the value itself is wrong, rather than in contradiction to another one.
    pub is_content: bool,
}

impl<S: DeserializeOwned> Section<S> {
    /// The section of this name, whose tables serde reads.
    #[must_use]
    pub const fn new(name: &'static str, required: &'static [&'static str]) -> Self {
        Self { name, required, read: read_table::<S> }
    }
}

fn read_table<S: DeserializeOwned>(table: Value) -> Result<S, serde_path_to_error::Error<serde_json::Error>> {
    serde_path_to_error::deserialize(table)
}

impl<S> Section<S> {
    /// The specification in one table.
    ///
    /// # Errors
    /// [`SectionError`] with the path of the value at fault.
    pub fn read(&self, idx: usize, table: &Value) -> Result<S, SectionError> {
        let missing = self.required.iter().find(|key| table.get(**key).is_none());
        let content = |path: Vec<String>, message: String| SectionError { table: idx, path, message, is_content: true };
        let spec = (self.read)(table.clone()).map_err(|error| {
            let path = error.path().iter().map(ToString::to_string).filter(|key| key != "?").collect();
            content(path, error.inner().to_string())
        })?;
        match missing {
            Some(key) => Err(content(Vec::new(), format!("missing field `{key}`"))),
            None => Ok(spec),
        }
    }
}

/// Whether an expression, where there is one, is PromQL.
///
/// # Errors
/// What is wrong with it.
pub fn check_expr(expr: Option<&str>) -> Result<(), String> {
    let Some(expr) = expr else { return Ok(()) };
    signal::parse(expr).map(drop).map_err(|error| super::error_chain(&error))
}
