use almanac_models::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Measured;
use crate::store::rows::{Effect, Patch, RecommendationRow, State};

/// Where an advisor's evidence says what the metric of its effect is at the present setting, and how to come back to it.
pub(crate) const BEFORE: &str = "before";
pub(crate) const WAY_BACK: &str = "way_back";
/// Where the evidence of a proposal to revert names what it reverts.
const REVERTS: &str = "reverts";

/// Whether a recommendation proposes to go back on another.
pub(super) fn is_revert(row: &RecommendationRow) -> bool {
    row.evidence.get(REVERTS).is_some()
}

/// The proposal to go back on `row`, which was applied and did not keep its promise.
///
/// What it promises is what the setting before did, as wide as the measurement; the way back is the one that the advisor laid down
/// when it spoke.
pub(super) fn revert(row: &RecommendationRow, measured: &Measured, id: String, now: Timestamp) -> RecommendationRow {
    let Effect { metric, unit, lower, upper, level, .. } = &row.effect;
    let before = row.evidence.get(BEFORE).and_then(Value::as_f64).unwrap_or(row.effect.value);
    let reach = (measured.upper - measured.lower) / 2.0;
    let patch = row.evidence.get(WAY_BACK).and_then(|patch| Patch::deserialize(patch).ok());
    let broken = measured.broken.as_ref().map_or(String::new(), |broken| format!("; {broken}"));
    RecommendationRow {
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
            "{}: go back to what was before {}, which promised {metric} of {lower:.4} to {upper:.4} and gave {:.4} ({:.4} to {:.4}){broken}",
            row.target, row.id, measured.value, measured.lower, measured.upper
        ),
        evidence: json!({
            REVERTS: row.id,
            "promised": {"value": row.effect.value, "lower": lower, "upper": upper},
            "realised": {"value": measured.value, "lower": measured.lower, "upper": measured.upper},
            "broken": measured.broken,
        }),
        patch: patch
            .unwrap_or_else(|| Patch { format: "almanac/setting+json".to_owned(), body: row.current.to_string() }),
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        replaces: Some(row.id.clone()),
        id,
    }
}
