//! Six policies on one history, side by side.

use crate::{
    advise::scaling::{
        Coverage, DemandHistory, LastWeek, PolicyFigures, PoolRules, Predictive, PredictiveOptions, Reactive,
        ScalingError, StaticPeak, Trace, follow, oracle_plan, score, simulate,
    },
    calendar::Zone,
};

/// How a comparison is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompareOptions {
    /// Replicas that are ready at the first row.
    pub initial: u32,
    /// The first so many milliseconds are history, not scored.
    pub warmup_ms: i64,
    /// Length of the day that demand follows.
    pub day_ms: i64,
    /// How long the reactive rule waits before it scales in.
    pub stabilization_ms: i64,
    /// Cost of unserved demand against idle capacity; none: see [`Predictive`].
    pub unserved_cost_ratio: Option<f64>,
    /// The clocks that days follow; none: those of UTC.
    pub zone: Option<Zone>,
}

/// Six policies on one history.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Rows of the history.
    pub steps: usize,
    /// The first scored instant.
    pub scored_from_ms: i64,
    /// The advisor's rule.
    pub predictive: PolicyFigures,
    /// The rule of the Kubernetes autoscaler.
    pub reactive: PolicyFigures,
    /// The reactive rule with its target moved until it spends what the predictive one spends.
    pub same_cost: PolicyFigures,
    /// That target.
    pub same_cost_target: f64,
    /// Last week's demand.
    pub last_week: PolicyFigures,
    /// The warm-up's peak.
    pub static_peak: PolicyFigures,
    /// The fewest replicas that never fall short.
    pub oracle: PolicyFigures,
    /// What the predictive rule asked for and had.
    pub trace: Trace,
    /// The same of the reactive rule.
    pub reactive_trace: Trace,
    /// The same of the reactive rule at the same cost.
    pub same_cost_trace: Trace,
    /// How the forecast stood at the end.
    pub coverage: Coverage,
}

/// Replays `history` under every policy.
///
/// # Errors
/// [`ScalingError::Warmup`] when the warm-up leaves nothing to score; those of [`PoolRules::check`].
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
    let reactive_at = |target_utilization: f64| {
        let mut policy = Reactive::new(PoolRules { target_utilization, ..*rules }, options.stabilization_ms);
        simulate(history, rules, options.initial, &mut policy)
    };
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
    /// The predictive rule's options at steps of `step_ms`.
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

/// The target at which the reactive rule spends nearest to `hours`, found by halving: a higher target spends less.
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
