//! Specification of a watched database in the configuration. Its collector and its advisors share it.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Deserializer, de};

use crate::{
    advise::{
        AdvisorSpec,
        kit::{Section, duration_text, millis},
    },
    database::memory,
};

/// Shortest interval between snapshots, in milliseconds.
const EVERY_MIN_MS: i64 = 5_000;
/// Default interval between snapshots: a minute.
const EVERY_MS: i64 = 60_000;
/// Default span without a scan after which an index counts as unused: 30 days.
const UNUSED_AFTER_MS: i64 = 30 * 86_400_000;

/// Address of a database. It may have a password, so that no log line, error or debug output shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Wraps an address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Returns the address, to connect to it; it must not reach a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    /// Reads a text. The error does not repeat the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = serde_json::Value::deserialize(deserializer)?;
        match text.as_str().map(str::trim) {
            Some("") => {
                Err(de::Error::custom("the address is empty; write one like postgres://almanac@127.0.0.1:5432/app"))
            }
            Some(text) => Ok(Self::new(text)),
            None => Err(de::Error::custom(
                "an address is a text like postgres://almanac@127.0.0.1:5432/app; write it in quotes",
            )),
        }
    }
}

/// A watched PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSpec {
    /// Name in labels, tables and recommendations.
    pub name: String,
    /// Address; none: the environment or `url_file` has it.
    pub url: Option<DatabaseUrl>,
    /// File with the address.
    pub url_file: Option<PathBuf>,
    /// Interval between snapshots, in milliseconds.
    #[serde(rename = "every", deserialize_with = "millis")]
    pub every_ms: i64,
    /// Log of the server, with durations and plans of statements.
    pub log: Option<PathBuf>,
    /// Address of a copy, where hypothetical indexes and measurements run.
    pub copy: Option<DatabaseUrl>,
    /// Memory of the server, such as `16GB`; none: it is unknown to SQL.
    pub memory: Option<String>,
    /// Span without a scan after which an index counts as unused, in milliseconds.
    #[serde(rename = "unused_after", deserialize_with = "millis")]
    pub unused_after_ms: i64,
    /// Whether normalised texts of statements are kept; without them only fingerprints are.
    pub statements: bool,
    /// Whether values may leave the database: common values of columns, and parameters of statements.
    pub literals: bool,
}

impl Default for DatabaseSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: None,
            url_file: None,
            every_ms: EVERY_MS,
            log: None,
            copy: None,
            memory: None,
            unused_after_ms: UNUSED_AFTER_MS,
            statements: true,
            literals: false,
        }
    }
}

impl AdvisorSpec for DatabaseSpec {
    fn section() -> Option<Section<Self>> {
        Some(Section::new("database", &["name"]))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !self.name.chars().all(is_plain) {
            return Err("a name has letters, digits, _ and -; it becomes a label and part of an environment variable"
                .to_owned());
        }
        if self.every_ms < EVERY_MIN_MS {
            return Err(format!("every is {}; at least 5s are needed between snapshots", duration_text(self.every_ms)));
        }
        if self.unused_after_ms < 3_600_000 {
            return Err(format!("unused_after is {}; write at least 1h", duration_text(self.unused_after_ms)));
        }
        if self.url.is_some() && self.url_file.is_some() {
            return Err("url and url_file are both given; write one".to_owned());
        }
        if let Some(memory) =
            self.memory.as_deref().filter(|text| memory::bytes(text, 1.0).is_none_or(|bytes| bytes < 1e6))
        {
            return Err(format!("memory is {memory:?}; write the memory of the server like 16GB"));
        }
        if self.literals && !self.statements {
            return Err("literals = true needs statements = true: values belong to texts of statements".to_owned());
        }
        Ok(())
    }

    fn explain(&self) -> String {
        let kept = match (self.statements, self.literals) {
            (false, _) => "Only fingerprints of statements are kept.",
            (true, false) => "Texts of statements are kept without their values.",
            (true, true) => "Texts of statements are kept, and values of columns and parameters.",
        };
        let log = self.log.as_ref().map_or_else(String::new, |path| {
            format!(" Durations and plans of statements come from the log {}.", path.display())
        });
        format!(
            "Reads every {} counters of statements, tables, indexes and locks, and every 10 minutes the catalogue, with the rights of \
             pg_read_all_stats (docs/advisors/database-grants.sql) and the extension pg_stat_statements. {kept}{log}",
            duration_text(self.every_ms)
        )
    }
}

impl DatabaseSpec {
    /// Creates a database of this name with the default of every other key.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Returns the name of the environment variable with the address: `ALMANAC_DATABASE_APP_URL` of the database `app`.
    #[must_use]
    pub fn variable(&self) -> String {
        let name: String =
            self.name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        format!("ALMANAC_DATABASE_{name}_URL")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::advise::read_specs;

    #[test]
    fn a_section_has_defaults_and_its_address_is_not_shown() {
        let tables =
            [json!({"name": "app-1", "url": "postgres://a:secret@h/app", "every": "10s"}), json!({"name": "b"})];
        let specs = read_specs::<DatabaseSpec>(&tables, None).unwrap();
        assert_eq!(
            (specs[0].every_ms, specs[1].every_ms, specs[1].literals, specs[1].statements),
            (10_000, 60_000, false, true)
        );
        assert_eq!(specs[0].variable(), "ALMANAC_DATABASE_APP_1_URL");
        assert!(!format!("{specs:?} {}", specs[0].explain()).contains("secret"), "{specs:?}");
    }

    #[test]
    fn an_invalid_section_says_what_would_be_right() {
        let check = |table: serde_json::Value, expected: &str| {
            let message = read_specs::<DatabaseSpec>(&[table], None).unwrap_err().message;
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("secret"), "{message}");
        };
        check(json!({"name": "a b"}), "letters, digits, _ and -");
        check(json!({"name": "a", "every": "1s"}), "at least 5s");
        check(json!({"name": "a", "memory": "16 potatoes"}), "like 16GB");
        check(json!({"name": "a", "url": 5}), "an address is a text");
        check(json!({"name": "a", "url": ["secret"]}), "an address is a text");
        check(json!({"name": "a", "url": "postgres://secret", "url_file": "f"}), "write one");
        check(json!({"name": "a", "statements": false, "literals": true}), "needs statements = true");
        check(json!({"url": "postgres://secret"}), "missing field `name`");
    }
}
