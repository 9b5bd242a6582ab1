//! A change of one setting: the statements that make it, and those that take it back.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{facts::SettingsFacts, terms::SettingsTerms};
use crate::{
    advise::{Metric, Outcome, Proposal, Rollback, kit::Interval},
    database::{Table, statement::quote},
    store::rows::Patch,
};

/// Span for which a proposal is valid without being renewed, in milliseconds.
const VALID_MS: i64 = 86_400_000;
/// Statement that makes the server read its files again.
const RELOAD: &str = "SELECT pg_reload_conf();\n";

/// Where a setting is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scope<'a> {
    /// For new sessions of this database.
    Database(&'a str),
    /// For the server; in force after a reload.
    Server,
    /// For the server; in force after a restart.
    Restart,
    /// For one table.
    Table(&'a Table),
    /// For one statement, in its transaction: the application changes.
    Statement(&'a str),
    /// In a connection pool: the application changes.
    Pool,
}

/// A change of one setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change<'a> {
    /// Name of the setting or storage parameter.
    pub(super) name: &'a str,
    /// Where it is changed.
    pub(super) scope: Scope<'a>,
    /// Present value; none: the default.
    pub(super) present: Option<String>,
    /// Value that the rollback sets; none: it resets the setting.
    pub(super) restore: Option<String>,
    /// Proposed value.
    pub(super) value: String,
}

/// What a change promises, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    /// Promised metric.
    pub(super) metric: Metric,
    /// Promised effect.
    pub(super) effect: Interval,
    /// Value of the metric at the present setting.
    pub(super) baseline: f64,
    /// Confidence, in [0, 1].
    pub(super) confidence: f64,
    /// Reason, in one sentence.
    pub(super) reason: String,
    /// Figures for readers.
    pub(super) evidence: Value,
    /// Further facts for a reader, each one sentence.
    pub(super) notes: Vec<String>,
    /// How the change is measured.
    pub(super) terms: SettingsTerms,
    /// How the present setting is measured; none: in the same way.
    pub(super) terms_before: Option<SettingsTerms>,
}

impl Change<'_> {
    /// Returns the statement that makes the change, without a semicolon.
    pub(super) fn statement(&self) -> String {
        self.set(&self.value)
    }

    fn set(&self, value: &str) -> String {
        let (name, text) = (self.name, literal(value));
        match self.scope {
            Scope::Database(database) => format!("ALTER DATABASE {} SET {name} = {text}", quote(database)),
            Scope::Server | Scope::Restart => format!("ALTER SYSTEM SET {name} = {text}"),
            Scope::Table(table) => format!("ALTER TABLE {} SET ({name} = {value})", table.qualified()),
            Scope::Statement(_) => format!("SET LOCAL {name} = {text}"),
            Scope::Pool => format!("{name} = {value}"),
        }
    }

    fn reset(&self) -> String {
        let name = self.name;
        match self.scope {
            Scope::Database(database) => format!("ALTER DATABASE {} RESET {name}", quote(database)),
            Scope::Server | Scope::Restart => format!("ALTER SYSTEM RESET {name}"),
            Scope::Table(table) => format!("ALTER TABLE {} RESET ({name})", table.qualified()),
            Scope::Statement(_) => format!("-- leave out SET LOCAL {name}"),
            Scope::Pool => "-- connect without the pool".to_owned(),
        }
    }

    /// Returns what makes the change.
    pub(super) fn patch(&self) -> Patch {
        self.patch_of(self.set(&self.value))
    }

    /// Returns what takes it back.
    pub(super) fn way_back(&self) -> Patch {
        self.patch_of(self.restore.as_ref().map_or_else(|| self.reset(), |value| self.set(value)))
    }

    fn patch_of(&self, statement: String) -> Patch {
        let (format, body) = match self.scope {
            Scope::Server => ("sql", format!("{statement};\n{RELOAD}")),
            Scope::Restart => ("sql", format!("{statement};\n-- in force after a restart of the server\n")),
            Scope::Database(_) | Scope::Table(_) => ("sql", format!("{statement};\n")),
            Scope::Statement(of) => ("text", format!("BEGIN;\n{statement};\n{of};\nCOMMIT;\n")),
            Scope::Pool => ("text", format!("{statement}\n")),
        };
        Patch { format: format.to_owned(), body }
    }

    /// Returns the scope as a word.
    fn scope_name(&self) -> &'static str {
        match self.scope {
            Scope::Database(_) => "database",
            Scope::Server | Scope::Restart => "server",
            Scope::Table(_) => "table",
            Scope::Statement(_) => "statement",
            Scope::Pool => "pool",
        }
    }

    /// Returns the proposal of the change.
    pub(super) fn propose(&self, case: Case, facts: &SettingsFacts, now: Timestamp) -> Outcome<SettingsTerms> {
        let mut notes = case.notes;
        match self.scope {
            Scope::Restart => notes.push("The server must be restarted for it.".to_owned()),
            Scope::Database(_) => {
                notes.push(
                    "New sessions have it; a pool's sessions keep the present value until they are opened again."
                        .to_owned(),
                );
            }
            Scope::Server | Scope::Table(_) | Scope::Statement(_) | Scope::Pool => {}
        }
        let mut evidence = json!({
            "basis": "measured",
            "observed_seconds": facts.database.workload.seconds,
            "notes": notes,
        });
        if let (Some(evidence), Value::Object(further)) = (evidence.as_object_mut(), case.evidence) {
            evidence.extend(further);
        }
        let table = match self.scope {
            Scope::Table(table) => Some(table.key()),
            _ => None,
        };
        Outcome::Propose(Box::new(Proposal {
            current: json!({"setting": self.name, "value": self.present, "table": table}),
            proposed: json!({
                "statement": self.statement(),
                "setting": self.name,
                "value": self.value,
                "scope": self.scope_name(),
                "table": table,
                "restart": matches!(self.scope, Scope::Restart),
            }),
            valid_until: Some(now.plus_millis(VALID_MS)),
            metric: case.metric,
            effect: case.effect,
            confidence: case.confidence,
            reason: case.reason,
            evidence,
            terms: case.terms,
            rollback: Some(Rollback { baseline: case.baseline, patch: self.way_back(), terms: case.terms_before }),
            patch: self.patch(),
        }))
    }
}

/// Writes a value as `SET` takes it: a number as it is, any other text in quotes.
fn literal(value: &str) -> String {
    if value.parse::<f64>().is_ok() { value.to_owned() } else { format!("'{}'", value.replace('\'', "''")) }
}
