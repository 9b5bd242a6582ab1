//! Reads the history of a workload from the store. Called by `advisor` and `measure`.

use almanac_models::Timestamp;

use super::{ScalingError, WorkloadSpec};
use crate::{
    advise::kit::{DemandHistory, HistoryError, align, grid, one_series, usable},
    store::Store,
};

/// History of a workload: its demand, and replicas, CPU and latency at the same instants if configured.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadHistory {
    /// Demand of the workload at every step.
    pub demand: DemandHistory,
    /// Demand for each further resource at every step, in the order of the specification; NaN if unknown.
    pub resources: Vec<Vec<f64>>,
    /// Ready replicas at every step; NaN if unknown.
    pub replicas: Option<Vec<f64>>,
    /// Mean CPU use of a replica as a share of its limit, at every step; NaN if unknown.
    pub cpu: Option<Vec<f64>>,
    /// Response time at every step; NaN if unknown.
    pub latency: Option<Vec<f64>>,
}

/// Reads the history of a workload up to `now`.
///
/// Steps are multiples of the step length, so that overlapping reads agree. The history starts with the first demand
/// for any resource; steps without demand are missing values.
///
/// # Errors
/// [`ScalingError::History`].
pub fn fetch(store: &Store, spec: &WorkloadSpec, now: Timestamp) -> Result<WorkloadHistory, ScalingError> {
    let points = |expr: &str| one_series(store, expr, spec.step_ms, spec.history_ms, now);
    let demand = points(&spec.demand)?;
    let others = spec.resources.iter().map(|resource| points(&resource.demand));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let all = || others.iter().chain([&demand]);
    let first = all().filter_map(|points| points.first()).map(|point| point.0).min();
    let last = all().filter_map(|points| points.last()).map(|point| point.0).max();
    let Some((first_ms, last_ms)) = first.zip(last) else {
        return Err(HistoryError::TooShort { points: 0, needed: 2 }.into());
    };
    let timestamps = grid(first_ms, last_ms, spec.step_ms);
    let values = align(&demand, &timestamps);
    let resources = others.iter().map(|points| usable(points, &timestamps)).collect();
    let beside = |expr: &Option<String>| -> Result<Option<Vec<f64>>, ScalingError> {
        let Some(expr) = expr else { return Ok(None) };
        Ok(Some(align(&points(expr)?, &timestamps)))
    };
    Ok(WorkloadHistory {
        replicas: beside(&spec.replicas)?,
        cpu: beside(&spec.cpu)?,
        latency: beside(&spec.latency)?,
        resources,
        demand: DemandHistory::try_new(timestamps, values)?,
    })
}
