//! Reads what is measured from a recommendation, as `almanac review database --format json` and the HTTP API write it.

use serde_json::Value;

use super::rewrite::{self, Rewrite};
use crate::database::statement::{parse, quote};

/// A recommendation to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Id of the recommendation.
    pub id: String,
    /// Its target, `database:index`.
    pub target: String,
    /// Table of the index as `schema.name`; empty for a rewritten statement that needs none.
    pub table: String,
    /// Name of the index, without its schema; empty for a rewritten statement that needs none.
    pub index: String,
    /// Whether the table is partitioned, so that nothing is done concurrently.
    pub is_partitioned: bool,
    /// The change.
    pub action: Action,
    /// Statements whose times are measured.
    pub statements: Vec<Target>,
    /// Another statement, with the same placeholders, whose rows are compared with those of the first one.
    pub alternative: Option<String>,
}

/// The change that a recommendation proposes.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Create an index.
    Create {
        /// Its statement, without a semicolon.
        statement: String,
        /// Extension that it needs.
        extension: Option<String>,
        /// Predicate of a partial index.
        predicate: Option<String>,
        /// Whether it has an expression, so that its statistics need ANALYZE.
        has_expression: bool,
        /// Whether it serves patterns with a fixed beginning alone.
        serves_prefixes: bool,
    },
    /// Drop an index.
    Drop,
    /// Send another statement.
    Rewrite(Rewrite),
}

/// A statement whose times are measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Fingerprint of the family.
    pub family: String,
    /// Normalised statement.
    pub statement: String,
    /// Executions in the observed span; weights the statement.
    pub calls: f64,
    /// Mean time of an execution in production, in milliseconds.
    pub mean_ms: f64,
    /// Predicted mean time, in milliseconds; none: no change is predicted.
    pub expected_ms: Option<f64>,
}

/// Why a recommendation cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// A field is missing or has another form.
    #[error(
        "recommendation {id:?} has no {field}; expected the JSON that almanac review database or almanac recommend writes"
    )]
    Field {
        /// The recommendation.
        id: String,
        /// The field.
        field: &'static str,
    },
    /// It is of another kind.
    #[error("recommendation {id:?} is of kind {kind}; the kinds index and query can be measured on a copy")]
    Kind {
        /// The recommendation.
        id: String,
        /// Its kind.
        kind: String,
    },
    /// Its results cannot be compared.
    #[error("recommendation {id:?} cannot be measured: {reason}")]
    Query {
        /// The recommendation.
        id: String,
        /// Reason.
        reason: String,
    },
    /// Its statement does something else.
    #[error(
        "recommendation {id:?} proposes {statement:?}; only CREATE INDEX CONCURRENTLY (of a partitioned table CREATE INDEX … ON ONLY) \
         and DROP INDEX are run, for one index with a name, on the table of the recommendation"
    )]
    Statement {
        /// The recommendation.
        id: String,
        /// Its statement.
        statement: String,
    },
}

/// Reads a recommendation. `known`: further statements of the database, of which those that read its table are measured as
/// well when an index is dropped.
///
/// # Errors
/// [`SubjectError`].
pub fn subject(recommendation: &Value, known: &[Target]) -> Result<Subject, SubjectError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let id = text(&recommendation["id"]).or_else(|| text(&recommendation["target"])).unwrap_or_default();
    let missing = |field: &'static str| SubjectError::Field { id: id.clone(), field };
    let kind = text(&recommendation["kind"]).ok_or_else(|| missing("kind"))?;
    if kind == "query" {
        return rewrite::subject(recommendation, id);
    }
    if kind != "index" {
        return Err(SubjectError::Kind { id, kind });
    }
    let proposed = &recommendation["proposed"];
    let statement = text(&proposed["statement"]).ok_or_else(|| missing("proposed.statement"))?;
    let statement = statement.trim().trim_end_matches(';').trim().to_owned();
    let table = text(&proposed["table"]).ok_or_else(|| missing("proposed.table"))?;
    let other = || SubjectError::Statement { id: id.clone(), statement: statement.clone() };
    // A file may come from anywhere: nothing but one statement on one index is run.
    if statement.contains(';') {
        return Err(other());
    }
    let is_partitioned = !statement.contains(" INDEX CONCURRENTLY ");
    let created =
        statement.strip_prefix("CREATE INDEX ").map(|rest| rest.strip_prefix("CONCURRENTLY ").unwrap_or(rest));
    let dropped = statement.strip_prefix("DROP INDEX ").map(|rest| rest.strip_prefix("CONCURRENTLY ").unwrap_or(rest));
    let (action, index) = if let Some(rest) = created {
        let (name, behind) = identifier(rest).ok_or_else(other)?;
        // In production the indexes of partitions are built one by one and attached; in a copy in one statement.
        let behind = match (is_partitioned, behind.trim_start().strip_prefix("ON ONLY ")) {
            (true, Some(rest)) => format!("ON {rest}"),
            (false, None) => behind.trim_start().to_owned(),
            _ => return Err(other()),
        };
        let behind = behind.as_str();
        let built = if is_partitioned { format!("CREATE INDEX {} {behind}", quote(&name)) } else { statement.clone() };
        // An index without this name, or of another schema, would not be found when it is to be removed.
        if !is_on(behind, &table) {
            return Err(other());
        }
        let keys = behind.split_once('(').map_or("", |(_, keys)| keys);
        let predicate = text(&proposed["where"]);
        if predicate.as_deref().is_some_and(|predicate| parse(&format!("SELECT 1 WHERE {predicate}")).is_err()) {
            return Err(other());
        }
        let extension = text(&proposed["extension"]);
        if extension.as_deref().is_some_and(|name| !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) {
            return Err(other());
        }
        let has_expression = keys.starts_with('(') || keys.contains(", (");
        let serves_prefixes = behind.contains("_pattern_ops");
        (Action::Create { statement: built, extension, predicate, has_expression, serves_prefixes }, name)
    } else if let Some(rest) = dropped {
        let (first, behind) = identifier(rest).ok_or_else(other)?;
        let (name, behind) = match behind.strip_prefix('.') {
            Some(rest) => identifier(rest).ok_or_else(other)?,
            None => (first, behind),
        };
        // A second name would be dropped as well.
        if !behind.trim().is_empty() {
            return Err(other());
        }
        (Action::Drop, name)
    } else {
        return Err(other());
    };
    let mut statements = targets(recommendation);
    if action == Action::Drop {
        let name = table.rsplit('.').next().unwrap_or(&table).to_owned();
        for target in known {
            if words(&target.statement).any(|word| word == name)
                && !statements.iter().any(|own| own.family == target.family)
            {
                statements.push(Target { expected_ms: None, ..target.clone() });
            }
        }
    }
    statements.sort_by(|a, b| (b.calls * b.mean_ms).total_cmp(&(a.calls * a.mean_ms)));
    let target = text(&recommendation["target"]).unwrap_or_default();
    Ok(Subject { id, target, table, index, is_partitioned, action, statements, alternative: None })
}

/// Returns the statements in the evidence of a recommendation.
pub(super) fn targets(recommendation: &Value) -> Vec<Target> {
    let read = |row: &Value| {
        Some(Target {
            family: row["family"].as_str()?.to_owned(),
            statement: row["statement"].as_str()?.to_owned(),
            calls: row["calls"].as_f64()?,
            mean_ms: row["mean_ms"].as_f64()?,
            expected_ms: row["expected_ms"].as_f64(),
        })
    };
    recommendation["evidence"]["statements"].as_array().into_iter().flatten().filter_map(read).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether a text is `ON table …` with the table `schema.name`; the schema may be missing in the text.
fn is_on(text: &str, table: &str) -> bool {
    let Some((first, rest)) = text.trim_start().strip_prefix("ON ").and_then(identifier) else { return false };
    match rest.strip_prefix('.').and_then(identifier) {
        Some((name, _)) => table == format!("{first}.{name}"),
        None => table.split_once('.').map_or(table, |(_, name)| name) == first,
    }
}

/// Splits an identifier off a text. As in PostgreSQL, one without quotes is in lower case.
fn identifier(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut chars = rest.char_indices().peekable();
        while let Some((idx, c)) = chars.next() {
            if c != '"' {
                name.push(c);
            } else if chars.next_if(|(_, next)| *next == '"').is_some() {
                name.push('"');
            } else {
                return Some((name, rest.get(idx + 1..)?));
            }
        }
        return None;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (!name.is_empty()).then(|| (name.to_ascii_lowercase(), rest))
}

impl Subject {
    /// Returns whether an index is built or dropped.
    #[must_use]
    pub fn has_index(&self) -> bool {
        !self.index.is_empty()
    }

    /// Returns the statement that builds the index, and the extension that it needs; none: no index is built.
    #[must_use]
    pub fn built(&self) -> Option<(&str, Option<&str>)> {
        match &self.action {
            Action::Create { statement, extension, .. } => Some((statement, extension.as_deref())),
            Action::Rewrite(rewrite) => rewrite.index.as_deref().map(|statement| (statement, None)),
            Action::Drop => None,
        }
    }
}

impl Target {
    /// Returns every statement in the evidence of recommendations, each family once.
    #[must_use]
    pub fn all(recommendations: &[Value]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for target in recommendations.iter().flat_map(targets) {
            if !all.iter().any(|known| known.family == target.family) {
                all.push(target);
            }
        }
        all
    }
}
