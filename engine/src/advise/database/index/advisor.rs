//! Implements the `Advisor` trait for indexes; the work is done in `decide` and `measure`.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{decide::verdicts, measure::measure, terms::IndexTerms};
use crate::{
    advise::{
        Advisor, Applied, FetchError, Metric, Outcome, Setting, Sources,
        database::{DatabaseFacts, DatabaseSpec},
    },
    ledger::{Difference, Direction, Measured},
};

/// Time of statements that an index saves, net of what writes lose.
pub(super) const STATEMENT_TIME: Metric = Metric { name: "statement_time", unit: "s/day", better: Direction::Higher };
/// Bytes that dropping an index frees.
pub(super) const INDEX_SIZE: Metric = Metric { name: "index_size", unit: "bytes", better: Direction::Higher };

/// Advisor on the indexes of a database. Its targets are the database, and `database:index` for each index.
#[derive(Debug)]
pub struct Indexes;

impl Advisor for Indexes {
    const KIND: &'static str = "index";
    const TITLE: &'static str = "Indexes";
    const TARGET: &'static str = "index";
    const EFFECTS: &'static [Metric] = &[STATEMENT_TIME, INDEX_SIZE];
    // An estimate that may be wrong by a factor of two must still save more than it promises to lose.
    const CONFIDENCE_MIN: f64 = 0.3;
    type Spec = DatabaseSpec;
    type Facts = DatabaseFacts;
    type Terms = IndexTerms;

    fn fetch(from: &Sources<'_>, spec: &DatabaseSpec, _: &str, now: Timestamp) -> Result<DatabaseFacts, FetchError> {
        DatabaseFacts::fetch(from, spec, now)
    }

    fn decide(spec: &DatabaseSpec, target: &str, facts: &DatabaseFacts, now: Timestamp) -> Outcome<IndexTerms> {
        let found = verdicts(spec, facts, now).into_iter().find(|(found, _)| found == target);
        found.map_or_else(|| Outcome::keep("nothing is recommended on this index any more"), |(_, outcome)| outcome)
    }

    fn decide_all(
        spec: &DatabaseSpec,
        _: &str,
        facts: &DatabaseFacts,
        now: Timestamp,
    ) -> Vec<(String, Outcome<IndexTerms>)> {
        verdicts(spec, facts, now)
    }

    /// Two proposals with one statement are the same; their families and figures move with the load.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        let statement = |setting: &Setting<'_>| setting.proposed.get("statement").cloned();
        if statement(new) == statement(old) { Difference::None } else { Difference::Distinct }
    }

    /// A dismissed proposal is made again when the table has other indexes; how it is read may change with the load.
    fn basis(current: &Value) -> Value {
        current.get("table").cloned().unwrap_or(Value::Null)
    }

    fn measure(
        from: &Sources<'_>,
        _: Option<&DatabaseSpec>,
        applied: &Applied<IndexTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        Ok(measure(from.store, &applied.terms, &applied.metric, applied.at, now)?)
    }
}
