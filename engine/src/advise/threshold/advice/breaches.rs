//! Lists the signals of rules in force that trend towards their bounds.

use almanac_models::Timestamp;

use super::fetch::{INTERVAL_MS, RuleHistory};
use crate::{
    advise::threshold::{Breach, RuleSpec, ThresholdError, time_to_breach},
    store::Store,
};

/// Number of evaluations that a trend is fitted to, and their least distance: two weeks at twenty minutes.
const EVALUATIONS: i64 = 1_008;
const STEP_MS: i64 = 1_200_000;
/// Maximum number of missing evaluations at the end; an element with more has disappeared.
const MISSING_MAX: usize = 3;

/// A signal that will pass the bound of a rule if its trend continues.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedBreach {
    /// The alert's name.
    pub alert: String,
    /// The rule's expression.
    pub expr: String,
    /// Labels of the element.
    pub element: String,
    /// Expected time of the breach.
    pub breach: Breach,
}

/// Returns the elements of a rule's signal that trend towards its bound, the soonest first. The trend is fitted to the
/// last two weeks, or to the same number of evaluations when the group's interval is longer than twenty minutes.
///
/// # Errors
/// [`ThresholdError`] when the signal cannot be evaluated.
pub fn expected_breaches(
    store: &Store,
    spec: &RuleSpec,
    now: Timestamp,
) -> Result<Vec<ExpectedBreach>, ThresholdError> {
    let step_ms = spec.interval_ms.unwrap_or(INTERVAL_MS).max(STEP_MS);
    let history = RuleHistory::fetch(store, &spec.condition.signal, step_ms, EVALUATIONS, now)?;
    let mut found: Vec<ExpectedBreach> = history
        .aligned
        .instances()
        .iter()
        .zip(&history.aligned.labels)
        .filter_map(|(instance, labels)| {
            // An element that has disappeared cannot breach.
            let last = instance.values.iter().rposition(|value| value.is_finite())?;
            if last + MISSING_MAX < instance.values.len() {
                return None;
            }
            let breach = time_to_breach(instance, spec.condition.comparison, spec.condition.bound)?;
            Some(ExpectedBreach {
                alert: spec.alert.clone(),
                expr: spec.expr.clone(),
                element: labels.to_string(),
                breach,
            })
        })
        .collect();
    found.sort_by_key(|expected| expected.breach.expected_ms);
    Ok(found)
}
