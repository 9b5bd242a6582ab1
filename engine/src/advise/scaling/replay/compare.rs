//! Compares six policies on one history. Called by `decide` and by the command line.

use crate::{
    advise::scaling::{
        Coverage, DemandHistory, LastWeek, PolicyFigures, PoolRules, Predictive, PredictiveOptions, Reactive,
        ScalingError, StaticPeak, Trace, follow, oracle_plan, score, simulate,
    },
    calendar::Zone,
};

/// Options of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompareOptions {
    /// Ready replicas at the first row.
    pub initial: u32,
    /// Length of the unscored warm-up at the start, milliseconds.
    pub warmup_ms: i64,
    /// Length of the day that demand follows, milliseconds.
    pub day_ms: i64,
    /// Stabilisation of the reactive rule, milliseconds.
    pub stabilization_ms: i64,
    /// Cost of unserved demand relative to idle capacity; none: see [`Predictive`].
    pub unserved_cost_ratio: Option<f64>,
    /// Time zone of the days; none: UTC.
    pub zone: Option<Zone>,
}

/// Figures of six policies on one history.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Number of rows.
    pub steps: usize,
    /// First scored instant, epoch milliseconds.
    pub scored_from_ms: i64,
    /// The predictive rule, which is recommended.
    pub predictive: PolicyFigures,
    /// The rule of the Kubernetes autoscaler.
    pub reactive: PolicyFigures,
    /// The reactive rule with its target adjusted to the replica-hours of the predictive rule.
    pub same_cost: PolicyFigures,
    /// Target utilisation of `same_cost`.
    pub same_cost_target: f64,
    /// The rule that repeats last week's demand.
    pub last_week: PolicyFigures,
    /// A fixed pool for the peak of the warm-up.
    pub static_peak: PolicyFigures,
    /// The fewest replicas that never fall short.
    pub oracle: PolicyFigures,
    /// Wanted and ready replicas of the predictive rule.
    pub trace: Trace,
    /// The same for the reactive rule.
    pub reactive_trace: Trace,
    /// The same for the reactive rule at the same cost.
    pub same_cost_trace: Trace,
    /// Coverage of the forecast at the end.
    pub coverage: Coverage,
}

/// Replays `history` under every policy.
///
/// # Errors
/// [`ScalingError::Warmup`] and [`ScalingError::NoDemand`] when nothing can be scored; those of [`PoolRules::check`].
pub fn compare(
    history: &DemandHistory,
    rules: &PoolRules,
    options: &CompareOptions,
) -> Result<Comparison, ScalingError> {
    rules.check()?;
    let (Some(&first_ms), Some(&last_ms)) = (history.timestamps().first(), history.timestamps().last()) else {
        return Err(ScalingError::TooShort { points: 0, needed: 2 });
    };
    let scored_from_ms = first_ms.saturating_add(options.warmup_ms);
    if scored_from_ms > last_ms {
        return Err(ScalingError::Warmup { warmup_ms: options.warmup_ms, span_ms: last_ms - first_ms });
    }
    let scored = history.timestamps().iter().zip(history.observed()).filter(|(at_ms, _)| **at_ms >= scored_from_ms);
    if !scored.into_iter().any(|(_, observed)| *observed) {
        return Err(ScalingError::NoDemand);
    }
    let oracle_trace = follow(history, rules, &oracle_plan(history, rules));
    let oracle = score(history, rules, &oracle_trace, scored_from_ms, None);
    let judge = |trace: &Trace| score(history, rules, trace, scored_from_ms, Some(oracle.replica_hours));
    let reactive_at = |target_utilization: f64| trace_reactive(history, rules, options, target_utilization);
    let mut predictive_rule = Predictive::new(*rules, options.predictive(history.step_ms()));
    let trace = simulate(history, rules, options.initial, &mut predictive_rule);
    let predictive = judge(&trace);
    let reactive_trace = reactive_at(rules.target_utilization);
    let (same_cost_target, same_cost) = same_cost(predictive.replica_hours, |target| judge(&reactive_at(target)));
    let mut last_week = LastWeek::new(*rules, options.day_ms);
    let mut static_peak = StaticPeak::new(*rules, scored_from_ms);
    Ok(Comparison {
        steps: history.len(),
        scored_from_ms,
        predictive,
        reactive: judge(&reactive_trace),
        same_cost,
        same_cost_target,
        last_week: judge(&simulate(history, rules, options.initial, &mut last_week)),
        static_peak: judge(&simulate(history, rules, options.initial, &mut static_peak)),
        oracle,
        trace,
        reactive_trace,
        same_cost_trace: reactive_at(same_cost_target),
        coverage: predictive_rule.coverage(),
    })
}

impl CompareOptions {
    /// Returns the predictive rule's options for steps of `step_ms`.
    #[must_use]
    pub fn predictive(&self, step_ms: i64) -> PredictiveOptions {
        PredictiveOptions {
            step_ms,
            day_ms: self.day_ms,
            stabilization_ms: self.stabilization_ms,
            unserved_cost_ratio: self.unserved_cost_ratio,
            zone: self.zone,
        }
    }
}

/// Replays the reactive rule with a target utilisation of its own.
pub(in crate::advise::scaling) fn trace_reactive(
    history: &DemandHistory,
    rules: &PoolRules,
    options: &CompareOptions,
    target_utilization: f64,
) -> Trace {
    let mut policy = Reactive::new(PoolRules { target_utilization, ..*rules }, options.stabilization_ms);
    simulate(history, rules, options.initial, &mut policy)
}

/// Finds the target at which the reactive rule spends nearest to `hours`, by bisection: a higher target spends less.
fn same_cost(hours: f64, figures_at: impl Fn(f64) -> PolicyFigures) -> (f64, PolicyFigures) {
    // Beyond these targets the bounds on replicas decide.
    let (mut low, mut high) = (0.01_f64, 100.0_f64);
    let mut nearest = (1.0, figures_at(1.0));
    for _ in 0..36 {
        let target = (low * high).sqrt();
        let figures = figures_at(target);
        if (figures.replica_hours - hours).abs() < (nearest.1.replica_hours - hours).abs() {
            nearest = (target, figures);
        }
        if figures.replica_hours > hours { low = target } else { high = target }
    }
    nearest
}
