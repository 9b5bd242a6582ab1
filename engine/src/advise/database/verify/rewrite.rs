//! Reads what is measured of a recommendation of kind `query`: another statement, its values, and the index that it needs.

use std::hash::Hasher;

use serde_json::Value;
use siphasher::sip::SipHasher13;

use super::subject::{Action, Subject, SubjectError, Target};
use crate::{
    advise::database::query::{Check, Parameter},
    database::statement::{parse, quote},
};

/// Beginning of the name of an index that a rewritten statement needs; it is removed at the end.
const INDEX: &str = "almanac_verify";
/// Calls of a loop when the recommendation does not say how many a request has.
const CALLS: f64 = 20.0;
/// Most calls of a loop that are run.
const MOST_CALLS: f64 = 100.0;

/// A statement in place of another one, or of the calls of a loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewrite {
    /// Statement after the change.
    pub statement: String,
    /// Where the value of each placeholder comes from.
    pub parameters: Vec<Parameter>,
    /// How the results are compared.
    pub check: Check,
    /// Statement and placeholders of the first page, for pages.
    pub first: Option<(String, Vec<Parameter>)>,
    /// Names of output columns that the statement has and the one before has not.
    pub added: Vec<String>,
    /// Executions before that one execution replaces; 1 outside loops.
    pub calls: usize,
    /// Statement that builds the index that it needs, without a semicolon.
    pub index: Option<String>,
}

/// Reads a recommendation of kind `query`.
///
/// # Errors
/// [`SubjectError::Field`], [`SubjectError::Query`].
pub(super) fn subject(recommendation: &Value, id: String) -> Result<Subject, SubjectError> {
    let proposed = &recommendation["proposed"];
    let missing = |field: &'static str| SubjectError::Field { id: id.clone(), field };
    let refused = |reason: &str| SubjectError::Query { id: id.clone(), reason: reason.to_owned() };
    let before = recommendation["current"]["statement"].as_str().ok_or_else(|| missing("current.statement"))?;
    let statement = proposed["statement"].as_str();
    let Needs { index, name, table, extension } = needs(&proposed["needs"]).map_err(|reason| refused(&reason))?;
    let target = target(recommendation, before);
    let check: Option<Check> = serde_json::from_value(proposed["check"].clone()).ok();
    let action = match (check, index) {
        // The statement stays, and what it needs makes it faster.
        (None, Some(index)) if statement == Some(before) => Action::Create {
            statement: index,
            extension,
            predicate: None,
            // Trigrams and expressions have statistics of their own.
            has_expression: true,
            serves_prefixes: false,
        },
        (None | Some(Check::Difference), _) => return Err(refused("it proposes no statement with the same results")),
        (Some(Check::Written), _) => {
            return Err(refused("it changes rows, and what is in them afterwards is not compared"));
        }
        (Some(_), Some(_)) if extension.is_some() => {
            return Err(refused("it needs an extension; install it in the copy first"));
        }
        (Some(check), index) => {
            let statement = statement.ok_or_else(|| missing("proposed.statement"))?;
            let parameters = |value: &Value| -> Option<Vec<Parameter>> { serde_json::from_value(value.clone()).ok() };
            let first = &proposed["first_page"];
            let first = match first["statement"].as_str() {
                Some(text) => {
                    let own =
                        parameters(&first["parameters"]).ok_or_else(|| missing("proposed.first_page.parameters"))?;
                    Some((text.to_owned(), own))
                }
                None if check == Check::Pages => return Err(missing("proposed.first_page")),
                None => None,
            };
            let calls = recommendation["evidence"]["calls_of_a_loop"].as_f64().unwrap_or(CALLS).clamp(2.0, MOST_CALLS);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let calls = if check == Check::Loop { calls.round() as usize } else { 1 };
            Action::Rewrite(Rewrite {
                statement: statement.to_owned(),
                parameters: parameters(&proposed["parameters"]).ok_or_else(|| missing("proposed.parameters"))?,
                check,
                first,
                added: serde_json::from_value(proposed["added_columns"].clone()).unwrap_or_default(),
                calls,
                index,
            })
        }
    };
    Ok(Subject {
        target: recommendation["target"].as_str().unwrap_or_default().to_owned(),
        table,
        index: name,
        is_partitioned: false,
        action,
        statements: vec![target],
        alternative: proposed["alternative"]["statement"].as_str().map(str::to_owned),
        id,
    })
}

/// Returns the statement with what it costs, and what it is expected to cost.
fn target(recommendation: &Value, before: &str) -> Target {
    let evidence = &recommendation["evidence"];
    let (calls, mean_ms) =
        (evidence["calls_per_day"].as_f64().unwrap_or(1.0), evidence["mean_ms"].as_f64().unwrap_or(0.0));
    // The effect is in seconds a day.
    let expected = |saved: f64| (mean_ms - saved * 1000.0 / calls.max(1e-9)).max(0.0);
    Target {
        family: evidence["families"][0].as_str().unwrap_or("statement").to_owned(),
        statement: before.to_owned(),
        calls,
        mean_ms,
        expected_ms: recommendation["effect"]["value"].as_f64().filter(|_| mean_ms > 0.0).map(expected),
    }
}

/// What a statement needs in the database.
#[derive(Default)]
struct Needs {
    /// Statement that builds the index.
    index: Option<String>,
    /// Name of the index; empty without one.
    name: String,
    /// Its table as `schema.name`.
    table: String,
    extension: Option<String>,
}

/// Returns the statement that builds the needed index, its name and table, and the needed extension.
///
/// A file may come from anywhere: nothing but one index on one table is built.
fn needs(needs: &Value) -> Result<Needs, String> {
    let mut found = Needs::default();
    for need in needs.as_array().into_iter().flatten() {
        if let Some(name) = need["extension"].as_str() {
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err("the extension that it needs has no plain name".to_owned());
            }
            found.extension = Some(name.to_owned());
            continue;
        }
        let (Some(table), Some(method)) = (need["table"].as_str(), need["method"].as_str()) else {
            return Err("what it needs is no index and no extension".to_owned());
        };
        if found.index.is_some() {
            return Err("it needs several indexes; measure those of kind index with --keep first".to_owned());
        }
        let keys: Vec<&str> = need["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (schema, name) = table.split_once('.').unwrap_or(("public", table));
        let definition = format!("ON {}.{} USING {} ({})", quote(schema), quote(name), quote(method), keys.join(", "));
        // Another definition has another name, so that an index that was kept is not taken for this one.
        let mut hasher = SipHasher13::new();
        hasher.write(definition.as_bytes());
        let own = format!("{INDEX}_{:016x}", hasher.finish());
        let statement = format!("CREATE INDEX CONCURRENTLY {own} {definition}");
        let is_one = !statement.contains(';') && parse(&statement).is_ok();
        if keys.is_empty() || !is_one {
            return Err("the index that it needs cannot be read".to_owned());
        }
        (found.index, found.name, found.table) = (Some(statement), own, format!("{schema}.{name}"));
    }
    Ok(found)
}
