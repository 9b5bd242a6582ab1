//! Signals of rules in force that trend towards their bounds.

use almanac_models::Timestamp;

use super::{advise::INTERVAL_MS, fetch::History};
use crate::{
    advise::threshold::{Breach, RuleSpec, ThresholdError, time_to_breach},
    store::Store,
};

/// Evaluations that a trend is looked for in, over two weeks: one each twenty minutes.
const EVALUATIONS: i64 = 1_008;
const STEP_MS: i64 = 1_200_000;
/// Evaluations without a value after which an element is gone.
const GONE: usize = 3;

/// A signal that will pass the bound of a rule, if it goes on as it does.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedBreach {
    /// The alert's name.
    pub alert: String,
    /// The rule's expression.
    pub expr: String,
    /// Labels of the element that will pass.
    pub element: String,
    /// When.
    pub breach: Breach,
}

/// The elements of a rule's signal that trend towards its bound, the soonest first; looked for in the last two weeks, or in as many
/// evaluations where the group's are further apart.
///
/// # Errors
/// [`ThresholdError`] when the signal cannot be evaluated.
pub fn expected_breaches(
    store: &Store,
    spec: &RuleSpec,
    now: Timestamp,
) -> Result<Vec<ExpectedBreach>, ThresholdError> {
    let step_ms = spec.interval_ms.unwrap_or(INTERVAL_MS).max(STEP_MS);
    let history = History::fetch(store, &spec.condition.signal, step_ms, EVALUATIONS, now)?;
    let mut found: Vec<ExpectedBreach> = history
        .grid
        .instances()
        .iter()
        .zip(&history.grid.labels)
        .filter_map(|(instance, labels)| {
            // What has gone breaches nothing.
            let last = instance.values.iter().rposition(|value| value.is_finite())?;
            if last + GONE < instance.values.len() {
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
