//! An entry of the log about one execution of a statement.

use serde_json::{Map, Value};

use crate::database::{
    plan::Plan,
    statement::{family, literals, normalize},
    workload::{ParameterValues, StatementUse},
};

/// Longest value of a parameter that is kept, in bytes.
const VALUE_MAX: usize = 512;

/// One execution of a statement, as the log reports it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timed {
    /// Database, if the format has it.
    pub database: Option<String>,
    /// Duration, in milliseconds.
    pub duration_ms: f64,
    /// Text of the statement, with its literals.
    pub text: String,
    /// Values of the placeholders `$1`, `$2`, … in this order; none is NULL.
    pub parameters: Vec<Option<String>>,
    /// Object that `auto_explain` printed as JSON.
    pub plan: Option<Map<String, Value>>,
}

impl Timed {
    /// Reads the message of an entry and its detail. None: it is not about the duration of a statement.
    pub(super) fn read(message: &str, detail: Option<&str>) -> Option<Self> {
        let rest = message.strip_prefix("duration: ")?;
        let (duration, rest) = rest.split_once(" ms")?;
        let duration_ms = duration.trim().parse::<f64>().ok().filter(|ms| ms.is_finite() && *ms >= 0.0)?;
        let rest = rest.trim_start();
        if let Some(plan) = rest.strip_prefix("plan:") {
            let mut objects = serde_json::Deserializer::from_str(plan.trim_start()).into_iter::<Map<String, Value>>();
            let plan = objects.next()?.ok()?;
            let text = plan.get("Query Text")?.as_str()?.to_owned();
            let values = plan.get("Query Parameters").and_then(Value::as_str).map(parameters).unwrap_or_default();
            return Some(Self { duration_ms, text, parameters: values, plan: Some(plan), database: None });
        }
        // `statement: …`, or `execute name: …` of the extended protocol; `parse` and `bind` are not executions.
        let (kind, text) = rest.split_once(": ")?;
        if kind != "statement" && !kind.starts_with("execute ") {
            return None;
        }
        let detail = detail.and_then(|detail| {
            let detail = detail.trim_start();
            detail.strip_prefix("parameters: ").or_else(|| detail.strip_prefix("Parameters: "))
        });
        let parameters = detail.map(parameters).unwrap_or_default();
        Some(Self { duration_ms, text: text.trim().to_owned(), parameters, plan: None, database: None })
    }

    /// Returns the plan, if the entry has one; conditions keep their literals only if `literals` is true.
    #[must_use]
    pub fn plan(&self, literals: bool) -> Option<Plan> {
        Plan::read(self.plan.as_ref()?, Some(&self.text), Some(self.duration_ms), literals)
    }

    /// Returns the execution as a statement of one call, with the values of its placeholders in the normalised text if
    /// `values` is true.
    #[must_use]
    pub fn statement(&self, values: bool) -> StatementUse {
        // A plan may come without the values of its placeholders (before PostgreSQL 16); literals are numbered after them.
        let mut seen: Vec<(usize, Option<String>)> = Vec::new();
        if values {
            seen.extend(self.parameters.iter().enumerate().map(|(idx, value)| (idx + 1, value.clone())));
            seen.extend(literals(&self.text).into_iter().map(|(number, value)| (number, Some(value))));
        }
        let value = |(number, value): (usize, Option<String>)| {
            let text = value.map_or_else(|| "NULL".to_owned(), |value| value.chars().take(VALUE_MAX).collect());
            ParameterValues { number, seen: 1.0, values: vec![(text, 1.0)] }
        };
        StatementUse {
            family: family(&self.text),
            statement: normalize(&self.text),
            calls: 1.0,
            total_ms: self.duration_ms,
            longest_ms: Some(self.duration_ms),
            parameters: seen.into_iter().map(value).collect(),
            ..StatementUse::default()
        }
    }
}

/// Reads `$1 = 'a', $2 = NULL`; a quote in a value is doubled. Stops at the first form that it does not know.
#[must_use]
pub fn parameters(text: &str) -> Vec<Option<String>> {
    let mut rest = text.trim_start();
    let mut values = Vec::new();
    while let Some((number, after)) = rest.strip_prefix('$').and_then(|rest| rest.split_once(" = ")) {
        if number.parse() != Ok(values.len() + 1) {
            break;
        }
        let (value, after) = match after.strip_prefix('\'') {
            Some(quoted) => {
                let Some((value, after)) = unquote(quoted) else { break };
                (Some(value), after)
            }
            None => {
                let end = after.find(", $").unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (Some(value.trim_end().to_owned()).filter(|value| value != "NULL"), after)
            }
        };
        values.push(value);
        rest = after.strip_prefix(", ").unwrap_or("");
    }
    values
}

/// Splits a text behind an opening quote into the value and the rest behind the closing quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, after)),
        }
    }
}
