//! Builds the rollback of an applied recommendation that regressed.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{Measured, Promise};
use crate::store::rows::{Effect, RecommendationRow, State};

/// Field of a rollback's evidence with the id of the recommendation that it undoes.
const REVERTS: &str = "reverts";

/// Whether a recommendation is a rollback.
pub(super) fn is_rollback(row: &RecommendationRow) -> bool {
    row.evidence.get(REVERTS).is_some()
}

/// Returns the rollback of `row`, an applied recommendation that regressed.
///
/// It predicts the value of the previous setting, with an interval as wide as that of the measurement. `None` if the
/// promise has no previous setting.
pub(super) fn rollback(
    row: &RecommendationRow,
    promise: &Promise,
    measured: &Measured,
    id: String,
    now: Timestamp,
) -> Option<RecommendationRow> {
    let Effect { metric, unit, lower, upper, level, .. } = &row.effect;
    let (before, patch) = (promise.before?, promise.way_back.clone()?);
    let half_width = (measured.upper - measured.lower) / 2.0;
    let evidence = json!({
        REVERTS: row.id,
        "promised": {"value": row.effect.value, "lower": lower, "upper": upper},
        "realised": {"value": measured.value, "lower": measured.lower, "upper": measured.upper},
        "broken": measured.broken,
    });
    // The rollback is measured by the terms of the setting that it restores.
    let terms = promise.terms_before.clone().unwrap_or_else(|| own_terms(&promise.terms));
    let rollback_promise = Promise { terms, ..Promise::default() };
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
            lower: before - half_width,
            upper: before + half_width,
            level: *level,
        },
        confidence: *level,
        reason: format!(
            "Restore the setting of {} before {}: predicted {metric} was {lower:.4} to {upper:.4}, \
             measured {:.4} ({:.4} to {:.4}){broken}",
            row.target, row.id, measured.value, measured.lower, measured.upper
        ),
        evidence: rollback_promise.write(evidence).ok()?,
        patch,
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        evidence_at: now,
        replaces: Some(row.id.clone()),
        id,
    })
}

/// Returns the terms without `before` and `way_back`. Rows of older releases have these in the same object; they belong
/// to the regressed recommendation, not to its rollback.
fn own_terms(terms: &Value) -> Value {
    let mut terms = terms.clone();
    if let Value::Object(fields) = &mut terms {
        for name in ["before", "way_back"] {
            fields.remove(name);
        }
    }
    terms
}
