//! Implements the `Advisor` trait for the rows of a statement; the work is done in `fetch`, `decide` and `measure`.

use almanac_models::Timestamp;

use super::{BatchSpec, decide::decide, fetch::BatchFacts, measure::measure, pictures::pictures, terms::BatchTerms};
use crate::{
    advise::{Advisor, Applied, FetchError, Metric, Outcome, Setting, Sources, picture::Picture},
    ledger::{Difference, Direction, Measured},
    store::rows::RecommendationRow,
};

/// Time of statements for each row that they write.
pub(super) const TIME_PER_ROW: Metric = Metric { name: "statement_time_per_row", unit: "s", better: Direction::Lower };

/// Advisor on the rows of a statement.
#[derive(Debug)]
pub struct Batches;

impl Advisor for Batches {
    const KIND: &'static str = "batch";
    const TITLE: &'static str = "Rows of a statement";
    const TARGET: &'static str = "batch";
    const EFFECTS: &'static [Metric] = &[TIME_PER_ROW];
    const CONFIDENCE_MIN: f64 = 0.5;
    type Spec = BatchSpec;
    type Facts = BatchFacts;
    type Terms = BatchTerms;

    fn fetch(from: &Sources<'_>, spec: &BatchSpec, _: &str, now: Timestamp) -> Result<BatchFacts, FetchError> {
        BatchFacts::fetch(from, spec, now)
    }

    fn decide(spec: &BatchSpec, _: &str, facts: &BatchFacts, now: Timestamp) -> Outcome<BatchTerms> {
        decide(spec, facts, now)
    }

    /// Sizes within a quarter are the same: the time of a row hardly differs.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        let rows = |setting: &Setting<'_>| setting.proposed.get("rows").and_then(serde_json::Value::as_f64);
        match (rows(new), rows(old)) {
            (Some(new), Some(old)) if (new / old - 1.0).abs() <= 0.25 => Difference::None,
            _ => Difference::Distinct,
        }
    }

    fn measure(
        from: &Sources<'_>,
        _: Option<&BatchSpec>,
        applied: &Applied<BatchTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        measure(from.store, &applied.terms, applied.at, now)
    }
    fn pictures(
        _: &Sources<'_>,
        _: Option<&BatchSpec>,
        row: &RecommendationRow,
        _: Timestamp,
    ) -> Result<Vec<Picture>, FetchError> {
        Ok(pictures(row))
    }
}
