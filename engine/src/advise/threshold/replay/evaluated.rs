//! Replays a rule that needs PromQL evaluation: a guard on another series, a function, an offset. Called by `rules` for
//! every rule that is not a plain selector.

use super::{
    recommended::RecommendedFile,
    report::{RuleReplay, SignalHistory, ThresholdOptions, report},
    score::{incidents_of, median_step, time_at_share},
    source::FileSource,
};
use crate::{
    advise::threshold::{
        Instance, LabelledIncident, Rule, RuleSpec,
        bounds::{AllowedBounds, Objective, decide_and_score},
    },
    signal,
};

/// Replays a rule whose signal must be evaluated, with all its elements in one score. Also returns the recording rules
/// of the recommendation.
///
/// # Errors
/// The reason for the list of kept rules.
pub(super) fn replay_evaluated(
    spec: &RuleSpec,
    source: &FileSource<'_>,
    options: &ThresholdOptions,
    output: &mut RecommendedFile,
) -> Result<(RuleReplay, Vec<Rule>), String> {
    let query = signal::parse(&spec.condition.signal).map_err(|error| error.to_string())?;
    let read = source.read_by(&query);
    let span = |history: &&SignalHistory| Some((*history.timestamps.first()?, *history.timestamps.last()?));
    let none = || format!("no series of the file matches {}", spec.condition.signal);
    let start_ms = read.iter().filter_map(span).map(|span| span.0).min().ok_or_else(none)?;
    let end_ms = read.iter().filter_map(span).map(|span| span.1).max().ok_or_else(none)?;
    let step_ms = read.iter().map(|history| median_step(&history.timestamps)).max().unwrap_or(0).max(1);
    let elements = source
        .range(&query, (start_ms, end_ms), step_ms)
        .map_err(|error| format!("its signal cannot be evaluated: {error}"))?;
    // All elements are aligned to the same evaluation times; missing values are NaN.
    let timestamps: Vec<i64> =
        std::iter::successors(Some(start_ms), |at| Some(at + step_ms)).take_while(|at| *at <= end_ms).collect();
    let values: Vec<Vec<f64>> = elements
        .iter()
        .map(|element| {
            let mut values = vec![f64::NAN; timestamps.len()];
            for (at_ms, value) in element.timestamps.iter().zip(&element.values) {
                let idx = usize::try_from((at_ms - start_ms) / step_ms).ok();
                if let Some(slot) = idx.and_then(|idx| values.get_mut(idx)) {
                    *slot = *value;
                }
            }
            values
        })
        .collect();
    let instances: Vec<Instance<'_>> =
        values.iter().map(|values| Instance { timestamps: &timestamps, values }).collect();
    let split_ms = time_at_share(&instances, options.split).filter(|_| timestamps.len() >= 4);
    let split_ms = split_ms.ok_or_else(|| format!("{} has no value in this file", spec.condition.signal))?;
    let incidents = incidents_of_all(&read);
    // A band needs a learned signal, which an expression over a file is not.
    let allowed = AllowedBounds { hourly: options.moving_bounds, band: false, objective: Objective::of(spec) };
    let signal_text = format!("{} {}", spec.condition.signal, spec.alert);
    let judged = decide_and_score(&instances, incidents.as_deref(), &spec.setting(), split_ms, &signal_text, allowed);
    let decision = &judged.decision;
    let (expr, recording) = match &decision.moving {
        Some(moving) => moving.rules(&spec.condition, &spec.rule, "", &output.bound_name(&spec.alert)),
        None if decision.changed => (spec.condition.with_bound(decision.setting.bound), Vec::new()),
        None => (spec.expr.clone(), Vec::new()),
    };
    let name = spec.condition.signal.clone();
    let replay = report(spec, name, split_ms, &instances, incidents.is_some(), judged, expr, &spec.condition);
    Ok((replay, recording))
}

/// Merges the incidents of several series, ascending and disjoint; `None` when no series is labelled.
fn incidents_of_all(read: &[&SignalHistory]) -> Option<Vec<LabelledIncident>> {
    let mut all: Option<Vec<LabelledIncident>> = None;
    for history in read {
        let Some(labels) = history.incident.as_deref() else { continue };
        all.get_or_insert_default().extend(incidents_of(&history.timestamps, labels));
    }
    let mut all = all?;
    all.sort_by_key(|incident| incident.start_ms);
    all.dedup_by(|later, earlier| {
        let one = later.start_ms <= earlier.end_ms;
        if one {
            earlier.end_ms = earlier.end_ms.max(later.end_ms);
        }
        one
    });
    Some(all)
}
