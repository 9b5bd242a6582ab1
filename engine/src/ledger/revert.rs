use almanac_models::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Measured;
use crate::store::rows::{Effect, Patch, RecommendationRow, State};

/// Where an advisor's evidence says what the metric of its effect is at the present setting, and how to come back to it.
pub(crate) const BEFORE: &str = "before";
pub(crate) const WAY_BACK: &str = "way_back";
/// Where an advisor's evidence says by what an applied proposal is measured, and the present setting likewise.
pub(crate) const RULE: &str = "rule";
pub(crate) const RULE_BEFORE: &str = "rule_before";
/// Where an advisor's evidence says at what price its metric counts what runs short.
pub(crate) const ABOVE_COST: &str = "above_cost";
/// What of the evidence holds for the way back as well.
const KEPT: [&str; 2] = ["on_write", ABOVE_COST];
/// Where the evidence of a proposal to revert names what it reverts.
const REVERTS: &str = "reverts";

/// Whether a recommendation proposes to go back on another.
pub(super) fn is_revert(row: &RecommendationRow) -> bool {
    row.evidence.get(REVERTS).is_some()
}

/// The proposal to go back on `row`, which was applied and did not keep its promise.
///
/// What it promises is what the setting before did, as wide as the measurement; the way back is the one that the advisor laid down
/// when it spoke. `None` where the advisor knew of no setting before.
pub(super) fn revert(
    row: &RecommendationRow,
    measured: &Measured,
    id: String,
    now: Timestamp,
) -> Option<RecommendationRow> {
    let Effect { metric, unit, lower, upper, level, .. } = &row.effect;
    let before = row.evidence.get(BEFORE).and_then(Value::as_f64)?;
    let reach = (measured.upper - measured.lower) / 2.0;
    let patch = row.evidence.get(WAY_BACK).and_then(|patch| Patch::deserialize(patch).ok())?;
    let mut evidence = json!({
        REVERTS: row.id,
        "promised": {"value": row.effect.value, "lower": lower, "upper": upper},
        "realised": {"value": measured.value, "lower": measured.lower, "upper": measured.upper},
        "broken": measured.broken,
        RULE: row.evidence.get(RULE_BEFORE),
    });
    if let Value::Object(evidence) = &mut evidence {
        evidence.extend(KEPT.iter().filter_map(|name| Some(((*name).to_owned(), row.evidence.get(*name)?.clone()))));
    }
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
            "{}: go back to what was before {}, which promised {metric} of {lower:.4} to {upper:.4} and gave {:.4} ({:.4} to {:.4}){broken}",
            row.target, row.id, measured.value, measured.lower, measured.upper
        ),
        evidence,
        patch,
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        replaces: Some(row.id.clone()),
        id,
    })
}
