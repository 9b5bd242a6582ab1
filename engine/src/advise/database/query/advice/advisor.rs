//! Implements the `Advisor` trait for queries; the work is done in `decide` and `measure`.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{decide::verdicts, facts::QueryFacts, measure::measure, terms::QueryTerms};
use crate::{
    advise::{Advisor, Applied, FetchError, Metric, Outcome, Setting, Sources, database::DatabaseSpec},
    ledger::{Difference, Direction, Measured},
};

/// Time of statements that a change saves.
pub(super) const STATEMENT_TIME: Metric = Metric { name: "statement_time", unit: "s/day", better: Direction::Higher };

/// Advisor on the queries of a database. Its targets are the database, and `database:pattern/family` for each finding.
#[derive(Debug)]
pub struct Queries;

impl Advisor for Queries {
    const KIND: &'static str = "query";
    const TITLE: &'static str = "Queries";
    const TARGET: &'static str = "query";
    const EFFECTS: &'static [Metric] = &[STATEMENT_TIME];
    const CONFIDENCE_MIN: f64 = 0.3;
    type Spec = DatabaseSpec;
    type Facts = QueryFacts;
    type Terms = QueryTerms;

    fn fetch(from: &Sources<'_>, spec: &DatabaseSpec, _: &str, now: Timestamp) -> Result<QueryFacts, FetchError> {
        QueryFacts::fetch(from, spec, now)
    }

    fn decide(spec: &DatabaseSpec, target: &str, facts: &QueryFacts, now: Timestamp) -> Outcome<QueryTerms> {
        let found = verdicts(spec, facts, now).into_iter().find(|(found, _)| found == target);
        found.map_or_else(|| Outcome::keep("the pattern is not found any more"), |(_, outcome)| outcome)
    }

    fn decide_all(
        spec: &DatabaseSpec,
        _: &str,
        facts: &QueryFacts,
        now: Timestamp,
    ) -> Vec<(String, Outcome<QueryTerms>)> {
        verdicts(spec, facts, now)
    }

    /// Two proposals with one statement and the same needs are the same; their figures move with the load.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        let content = |setting: &Setting<'_>| {
            let part = |name: &str| setting.proposed.get(name).cloned();
            (part("statement"), part("needs"), part("change"))
        };
        if content(new) == content(old) { Difference::None } else { Difference::Distinct }
    }

    /// A dismissed proposal is made again when the statement changes.
    fn basis(current: &Value) -> Value {
        current.get("statement").cloned().unwrap_or(Value::Null)
    }

    fn measure(
        from: &Sources<'_>,
        _: Option<&DatabaseSpec>,
        applied: &Applied<QueryTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        measure(from.store, &applied.terms, applied.at, now)
    }
}
