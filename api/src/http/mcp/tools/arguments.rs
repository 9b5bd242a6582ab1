//! Arguments of tools: their schemas, and how given ones are checked and read.

use std::fmt::Write;

use almanac_models::Timestamp;
use serde_json::{Map, Value, json};

use crate::http::rows::instant_text;

/// Type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::mcp) enum Kind {
    /// Text.
    Text,
    /// An instant: RFC 3339, `now`, `now-6h`, or epoch milliseconds.
    Time,
    /// A whole number of at least 1.
    Count,
    /// Several texts; one alone is accepted too.
    Texts,
}

/// Description of an argument.
#[derive(Debug)]
pub(in crate::http::mcp) struct Argument {
    pub(in crate::http::mcp) name: &'static str,
    pub(in crate::http::mcp) kind: Kind,
    pub(in crate::http::mcp) is_required: bool,
    pub(in crate::http::mcp) description: &'static str,
}

impl Argument {
    /// Returns the JSON Schema.
    pub(super) fn schema(&self) -> Value {
        match self.kind {
            Kind::Text | Kind::Time => json!({"type": "string", "description": self.description}),
            Kind::Count => json!({"type": "integer", "minimum": 1, "description": self.description}),
            Kind::Texts => json!({"type": "array", "items": {"type": "string"}, "description": self.description}),
        }
    }
}

/// Arguments of a call; each is known to the tool and has its type.
#[derive(Debug)]
pub(in crate::http::mcp) struct Arguments<'a>(&'a Map<String, Value>);

impl<'a> Arguments<'a> {
    /// Checks the arguments of a call. A null is as if left out.
    ///
    /// # Errors
    /// Which argument is unknown, missing or of another type, and what the tool accepts.
    pub(in crate::http::mcp) fn check(given: &'a Map<String, Value>, known: &[Argument]) -> Result<Self, String> {
        for (name, value) in given {
            let Some(argument) = known.iter().find(|argument| argument.name == name) else {
                return Err(format!("there is no argument {name:?}; {}", names(known)));
            };
            let (is_right, wanted) = match argument.kind {
                Kind::Text | Kind::Time => (value.is_string(), "a text"),
                Kind::Count => (value.as_u64().is_some_and(|count| count > 0), "a whole number of at least 1"),
                Kind::Texts => (
                    value.is_string() || value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
                    "a list of texts",
                ),
            };
            let is_time = argument.kind == Kind::Time && value.is_number();
            if !is_right && !is_time && !value.is_null() {
                return Err(format!("{name} {value} is not {wanted}"));
            }
        }
        let is_missing = |argument: &&Argument| {
            argument.is_required && given.get(argument.name).is_none_or(|value| value.is_null() || value == "")
        };
        match known.iter().find(is_missing) {
            Some(missing) => Err(format!("{} is missing: {}", missing.name, missing.description)),
            None => Ok(Self(given)),
        }
    }

    /// Returns a text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Returns a count.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    /// Returns the texts of a list.
    pub(super) fn texts(&self, name: &str) -> Vec<&'a str> {
        match self.0.get(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns an instant in epoch milliseconds.
    ///
    /// # Errors
    /// The text is not an instant.
    pub(super) fn time(&self, name: &str, now: Timestamp) -> Result<Option<i64>, String> {
        let text = match self.0.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return Ok(None),
        };
        instant_text(&text, name, now).map(|at| Some(at.millis())).map_err(|error| error.message().to_owned())
    }
}

fn names(known: &[Argument]) -> String {
    if known.is_empty() {
        return "the tool has none".to_owned();
    }
    let mut text = "the tool has ".to_owned();
    for (idx, argument) in known.iter().enumerate() {
        let _ = write!(text, "{}{}", if idx == 0 { "" } else { ", " }, argument.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_arguments_are_named_with_what_would_be_right() {
        let known = [
            Argument { name: "query", kind: Kind::Text, is_required: true, description: "PromQL expression" },
            Argument { name: "time", kind: Kind::Time, is_required: false, description: "" },
            Argument { name: "limit", kind: Kind::Count, is_required: false, description: "" },
            Argument { name: "match", kind: Kind::Texts, is_required: false, description: "" },
        ];
        let check = |given: Value, expected: Result<(), &str>| {
            let found = Arguments::check(given.as_object().unwrap(), &known).map(|_| ());
            assert_eq!(found, expected.map_err(str::to_owned), "{given}");
        };
        check(json!({"query": "up"}), Ok(()));
        check(json!({"query": "up", "time": 1, "limit": 3, "match": "up"}), Ok(()));
        check(json!({"query": "up", "time": null, "match": ["a", "b"]}), Ok(()));
        check(json!({}), Err("query is missing: PromQL expression"));
        check(json!({"query": ""}), Err("query is missing: PromQL expression"));
        check(json!({"query": null}), Err("query is missing: PromQL expression"));
        check(json!({"query": 1}), Err("query 1 is not a text"));
        check(json!({"query": "up", "limit": 0}), Err("limit 0 is not a whole number of at least 1"));
        check(json!({"query": "up", "limit": 1.5}), Err("limit 1.5 is not a whole number of at least 1"));
        check(json!({"query": "up", "match": [1]}), Err("match [1] is not a list of texts"));
        check(json!({"expr": "up"}), Err("there is no argument \"expr\"; the tool has query, time, limit, match"));
    }

    #[test]
    fn times_may_be_relative() {
        let now = Timestamp::from_millis(10_000_000);
        let check = |given: Value, expected: Result<Option<i64>, &str>| {
            let given = json!({"time": given});
            let found = Arguments(given.as_object().unwrap()).time("time", now);
            assert_eq!(found, expected.map_err(str::to_owned), "{given}");
        };
        check(json!("now-1h"), Ok(Some(6_400_000)));
        check(json!("1970-01-01T00:00:02Z"), Ok(Some(2_000)));
        check(json!(2_000), Ok(Some(2_000)));
        check(json!(null), Ok(None));
        check(
            json!("yesterday"),
            Err("time \"yesterday\" is not a time: write epoch milliseconds, RFC 3339, now or now-6h"),
        );
    }
}
