//! Facts of a watched database, which its advisors share.

use almanac_models::Timestamp;

use super::DatabaseSpec;
use crate::{
    advise::{FetchError, Need, Sources},
    database::{Catalogue, Workload},
};

/// Span of the workload that advice rests on, in milliseconds: a week, so that every day of it counts.
const SPAN_MS: i64 = 7 * 86_400_000;
/// Least observed span, in seconds.
const LEAST_SECONDS: f64 = 300.0;

/// Facts of a watched database.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseFacts {
    /// Newest catalogue.
    pub catalogue: Catalogue,
    /// When the catalogue was read.
    pub read_at: Timestamp,
    /// Statements and writes of the last week.
    pub workload: Workload,
}

impl DatabaseFacts {
    /// Reads what the collector stored.
    ///
    /// # Errors
    /// [`FetchError::Missing`] when nothing, or too little, was observed; [`FetchError::Store`].
    pub fn fetch(from: &Sources<'_>, spec: &DatabaseSpec, now: Timestamp) -> Result<Self, FetchError> {
        let missing = |missing: String, remedy: &str| FetchError::Missing(Need { missing, remedy: remedy.to_owned() });
        let Some((mut catalogue, read_at)) = from.store.database_catalogue(&spec.name)? else {
            return Err(missing(
                format!("no snapshot of the database {} was read yet", spec.name),
                "wait for the first snapshot, or see the service's log: the address, the role or its rights may be wrong \
                 (docs/databases.md)",
            ));
        };
        catalogue.sum_partitions();
        let workload = from.store.database_workload(&spec.name, now.plus_millis(-SPAN_MS), now)?;
        let seconds = workload.seconds.unwrap_or(0.0);
        if !(seconds >= LEAST_SECONDS) {
            return Err(missing(
                format!("{} was observed for {seconds:.0} s; {LEAST_SECONDS:.0} s are needed", spec.name),
                "wait",
            ));
        }
        if workload.statements.is_empty() {
            return Err(missing(
                format!("no statement of {} is known", spec.name),
                "CREATE EXTENSION pg_stat_statements, with it in shared_preload_libraries, and run \
                 docs/advisors/database-grants.sql",
            ));
        }
        Ok(Self { catalogue, read_at, workload })
    }
}
