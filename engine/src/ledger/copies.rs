//! Notes measurements on a copy in the evidence and the reason of a recommendation.

use serde_json::{Value, json};

use crate::store::rows::RecommendationRow;

/// Remark in the reason of a recommendation that may be measured on a copy; the summary of the measurement replaces it.
pub const NOT_MEASURED: &str = "estimated from statistics, not yet measured on a copy";
/// Field of the evidence with the figures and their summary.
const COPY: &str = "copy";
/// Value of `basis`.
const BASIS: &str = "measured_on_copy";

/// Notes a measurement.
pub(super) fn note(row: &mut RecommendationRow, figures: Value, summary: &str) {
    write(row, json!({"summary": summary, "figures": figures}));
}

/// Keeps the measurement of the old row in the one that renews it.
pub(super) fn carry(old: &RecommendationRow, row: &mut RecommendationRow) {
    if old.evidence.get("basis").is_some_and(|basis| basis == BASIS)
        && let Some(copy) = old.evidence.get(COPY)
    {
        write(row, copy.clone());
    }
}

fn write(row: &mut RecommendationRow, copy: Value) {
    let before = row.evidence[COPY]["summary"].as_str().map(remark);
    let now = copy["summary"].as_str().map(remark).unwrap_or_default();
    // A second measurement replaces the first one.
    for known in before.iter().map(String::as_str).chain([NOT_MEASURED]) {
        row.reason = row.reason.replace(known, &now);
    }
    if let Value::Object(evidence) = &mut row.evidence {
        evidence.insert("basis".to_owned(), json!(BASIS));
        evidence.insert(COPY.to_owned(), copy);
    }
}

fn remark(summary: &str) -> String {
    format!("measured on a copy: {summary}")
}
