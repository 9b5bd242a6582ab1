//! A configuration section of an advisor. It parses tables into specifications and reports the path of an invalid
//! value.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::signal;

/// An array of tables in the configuration, one for each thing to advise on.
#[derive(Debug)]
pub struct Section<S> {
    /// Name, such as `workload` for `[[workload]]`.
    pub name: &'static str,
    /// Required keys.
    pub required: &'static [&'static str],
    read: fn(Value) -> Result<S, serde_path_to_error::Error<serde_json::Error>>,
}

/// An invalid table of a section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SectionError {
    /// Index of the table in its section.
    pub table: usize,
    /// Keys from the table to the invalid value; array indices as numbers.
    pub path: Vec<String>,
    /// The error and a valid value.
    pub message: String,
    /// Whether the value itself is invalid. False: it contradicts another value.
    pub is_content: bool,
}

impl<S: DeserializeOwned> Section<S> {
    /// Creates the section of this name; serde parses its tables.
    #[must_use]
    pub const fn new(name: &'static str, required: &'static [&'static str]) -> Self {
        Self { name, required, read: read_table::<S> }
    }
}

fn read_table<S: DeserializeOwned>(table: Value) -> Result<S, serde_path_to_error::Error<serde_json::Error>> {
    serde_path_to_error::deserialize(table)
}

impl<S> Section<S> {
    /// Parses one table.
    ///
    /// # Errors
    /// [`SectionError`] with the path of the invalid value.
    pub fn read(&self, idx: usize, table: &Value) -> Result<S, SectionError> {
        // Unknown keys and wrong types are reported before a missing key: a misspelt key causes both.
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

/// Checks that an expression, if given, is PromQL.
///
/// # Errors
/// The parser's message.
pub fn check_expr(expr: Option<&str>) -> Result<(), String> {
    let Some(expr) = expr else { return Ok(()) };
    signal::parse(expr).map(drop).map_err(|error| super::error_chain(&error))
}
