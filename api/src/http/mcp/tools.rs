//! The tools: name, description, arguments, and the route that answers.

mod arguments;
mod list;

pub(super) use arguments::{Argument, Arguments, Kind};
pub(super) use list::TOOLS;

use almanac_models::Timestamp;
use serde_json::{Map, Value, json};

use super::inside::Call;

/// A tool that reads.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What it answers and when to use it, for a language model.
    pub(super) description: &'static str,
    pub(super) arguments: &'static [Argument],
    /// The route as the router writes it; its scope is the tool's.
    pub(super) route: &'static str,
    /// Returns the call of the route.
    pub(super) call: fn(&Arguments<'_>, Timestamp) -> Result<Call, String>,
}

impl Tool {
    /// Returns the JSON Schema of the arguments.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let properties: Map<String, Value> =
            self.arguments.iter().map(|argument| (argument.name.to_owned(), argument.schema())).collect();
        let required: Vec<&str> =
            self.arguments.iter().filter(|argument| argument.is_required).map(|argument| argument.name).collect();
        let schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false
        });
        if let Value::Object(schema) = schema { schema } else { Map::new() }
    }
}
