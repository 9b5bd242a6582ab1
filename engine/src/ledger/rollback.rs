//! The proposal to go back on a recommendation that was applied and did not keep its promise.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{Measured, Promise};
use crate::store::rows::{Effect, RecommendationRow, State};

/// Where the evidence of a proposal to go back names what it goes back on.
const REVERTS: &str = "reverts";

/// Whether a recommendation proposes to go back on another.
pub(super) fn is_rollback(row: &RecommendationRow) -> bool {
    row.evidence.get(REVERTS).is_some()
}

/// The proposal to go back on `row`, which was applied and did not keep its promise.
///
/// It promises what the setting before did, with an interval as wide as the measurement's. `None` where the advisor knew of no
/// setting before.
pub(super) fn rollback(
    row: &RecommendationRow,
    promise: &Promise,
    measured: &Measured,
    id: String,
    now: Timestamp,
) -> Option<RecommendationRow> {
    let Effect { metric, unit, lower, upper, level, .. } = &row.effect;
    let (before, patch) = (promise.before?, promise.way_back.clone()?);
    let reach = (measured.upper - measured.lower) / 2.0;
    let evidence = json!({
        REVERTS: row.id,
        "promised": {"value": row.effect.value, "lower": lower, "upper": upper},
        "realised": {"value": measured.value, "lower": measured.lower, "upper": measured.upper},
        "broken": measured.broken,
    });
    let terms = promise.terms_before.clone().unwrap_or_else(|| own_terms(&promise.terms));
    let back = Promise { terms, ..Promise::default() };
    let broken = measured.broken.as_ref().map_or(String::new(), |broken| format!("; {broken}"));
    Some(RecommendationRow {
        kind: row.kind,
        target: row.target.clone(),
        current: row.proposed.clone(),
        proposed: row.current.clone(),
        valid_from: now,
        valid_until: None,
        effect: Effect {
            metric: metric.clone(),
            unit: unit.clone(),
            value: before,
            lower: before - reach,
            upper: before + reach,
            level: *level,
        },
        confidence: *level,
        reason: format!(
            "Go back to the setting of {} before {}, which promised {metric} of {lower:.4} to {upper:.4} and gave {:.4} ({:.4} to {:.4}){broken}",
            row.target, row.id, measured.value, measured.lower, measured.upper
        ),
        evidence: back.write(evidence).ok()?,
        patch,
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        replaces: Some(row.id.clone()),
        id,
    })
}

/// The terms without the way back, which is that of the proposal: rows of older releases have both in one object.
fn own_terms(terms: &Value) -> Value {
    let mut terms = terms.clone();
    if let Value::Object(fields) = &mut terms {
        for name in ["before", "way_back"] {
            fields.remove(name);
        }
    }
    terms
}
