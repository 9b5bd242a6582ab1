//! Version, extensions and rights on a watched database, and what follows from them.

use std::collections::HashMap;

use serde::Deserialize;

use super::error::ReadError;
use crate::database::catalogue::{Catalogue, Lack};

/// Oldest version that is read.
const OLDEST: u32 = 130_000;
/// Oldest version of `pg_stat_statements` that is read. A server that was upgraded by `pg_upgrade` may have an older one.
const STATEMENTS_OLDEST: (u32, u32) = (1, 8);

/// A watched server, as `SERVER` describes it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    /// `server_version_num`.
    pub version: u32,
    /// Name of the database.
    pub database: String,
    /// Role of the connection.
    pub role: String,
    /// Whether the server is a standby.
    pub in_recovery: bool,
    /// Whether the role has the rights of `pg_read_all_stats`.
    pub reads_all_stats: bool,
    /// Whether `pg_stat_statements` is not in `shared_preload_libraries`; its view is an error then.
    pub(super) statements_not_loaded: bool,
    pub(super) extensions: HashMap<String, (String, String)>,
    pub(super) statistics_function: bool,
    pub(super) tables: (u64, u64),
}

/// How the statistics of columns are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// By the function of the grant script, without values.
    Function,
    /// From `pg_stats`, for the tables that the role may read.
    View,
}

impl Server {
    /// Reads the answer to `SERVER`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(json: &str) -> Result<Self, ReadError> {
        serde_json::from_str(json).map_err(|source| ReadError { what: "the server", source })
    }

    /// Returns schema and version of an extension.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<(&str, &str)> {
        self.extensions.get(name).map(|(schema, version)| (schema.as_str(), version.as_str()))
    }

    /// Returns how the statistics of columns are read.
    #[must_use]
    pub fn access(&self) -> Access {
        if self.statistics_function { Access::Function } else { Access::View }
    }

    /// Returns the schema of `pg_stat_statements`; none if it is missing, not loaded, or older than 1.8.
    #[must_use]
    pub fn statements_schema(&self) -> Option<&str> {
        let (schema, version) = self.extension("pg_stat_statements")?;
        (at_least(version, STATEMENTS_OLDEST) && !self.statements_not_loaded).then_some(schema)
    }

    /// Whether `pg_stat_statements` counts its resets and evictions (version 1.9).
    #[must_use]
    pub fn has_statements_info(&self) -> bool {
        self.extension("pg_stat_statements").is_some_and(|(_, version)| at_least(version, (1, 9)))
    }

    /// Returns why the database cannot be read at all.
    #[must_use]
    pub fn refusal(&self) -> Option<Lack> {
        (self.version < OLDEST).then(|| {
            let (major, minor) = (self.version / 10_000, self.version / 100 % 100);
            Lack::new(
                format!("the server is PostgreSQL {major}.{minor}"),
                "versions 13 to 18 are read; upgrade the server",
            )
        })
    }

    /// Returns what the server or the role lacks, each with the command that supplies it.
    #[must_use]
    pub fn lacks(&self, literals: bool) -> Vec<Lack> {
        let mut lacks = Vec::new();
        let (role, database) = (crate::database::statement::quote(&self.role), &self.database);
        match self.extension("pg_stat_statements") {
            None => lacks.push(Lack::new(
                format!("database {database} has no extension pg_stat_statements, so statements are not seen"),
                "set shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, restart the server, and run CREATE \
                 EXTENSION pg_stat_statements in the database",
            )),
            Some((_, version)) if !at_least(version, STATEMENTS_OLDEST) => lacks.push(Lack::new(
                format!("pg_stat_statements has the old version {version}, so statements are not seen"),
                "ALTER EXTENSION pg_stat_statements UPDATE",
            )),
            Some(_) if self.statements_not_loaded => lacks.push(Lack::new(
                "the server has not loaded pg_stat_statements, so statements are not seen",
                "set shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, and restart the server",
            )),
            Some(_) => {}
        }
        if !self.reads_all_stats {
            lacks.push(Lack::new(
                format!("the role {role} does not see the statements and sessions of others"),
                format!("GRANT pg_read_all_stats TO {role}"),
            ));
        }
        let (all, readable) = self.tables;
        if readable < all && (literals || self.access() == Access::View) {
            let remedy = if literals {
                format!(
                    "GRANT pg_read_all_data TO {role} shows values too (PostgreSQL 14); on 13 grant SELECT on the tables"
                )
            } else {
                "run docs/advisors/database-grants.sql in the database; it shows the statistics without values"
                    .to_owned()
            };
            let what = if self.access() == Access::Function { "values in the statistics" } else { "statistics" };
            lacks.push(Lack::new(format!("the {what} of {} of {all} tables are not readable", all - readable), remedy));
        }
        lacks
    }

    /// Reads the answer to the statement of the catalogue.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn catalogue(&self, json: &str, literals: bool) -> Result<Catalogue, ReadError> {
        let mut catalogue: Catalogue =
            serde_json::from_str(json).map_err(|source| ReadError { what: "the catalogue", source })?;
        if !literals {
            let columns = catalogue.tables.iter_mut().flat_map(|table| &mut table.columns);
            for column in columns {
                let is_boolean = column.type_name == "boolean";
                if let Some(statistics) = &mut column.statistics {
                    statistics.bounds.clear();
                    if !is_boolean {
                        statistics.common_values.clear();
                    }
                }
            }
        }
        catalogue.lacks = self.lacks(literals);
        Ok(catalogue)
    }
}

/// Reads the answer to the statement of texts: `queryid` and text.
///
/// # Errors
/// [`ReadError`].
pub fn texts(json: Option<&str>) -> Result<Vec<(i64, String)>, ReadError> {
    json.map_or_else(|| Ok(Vec::new()), serde_json::from_str)
        .map_err(|source| ReadError { what: "the texts of statements", source })
}

/// Whether a version such as `1.10` is at least this one.
fn at_least(version: &str, (major, minor): (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
}
