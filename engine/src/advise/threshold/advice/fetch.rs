//! Reads a rule's signal and the incidents of its time from the store.

use almanac_models::Timestamp;

use crate::{
    advise::threshold::{Instance, ThresholdError},
    series::Labels,
    signal::{self, EvalLimits, RangeSeries},
    store::{
        Store,
        rows::{EventFilter, Incident, IncidentVerdict},
    },
};

/// Default evaluation interval of Prometheus, for groups that set none.
pub(super) const INTERVAL_MS: i64 = 60_000;
/// Maximum number of evaluations that are read: two weeks at a minute.
pub(super) const EVALUATIONS_MAX: i64 = 20_160;

/// A rule's signal at the rule's evaluations, and the incidents of that time.
pub(in crate::advise::threshold) struct RuleHistory {
    pub(in crate::advise::threshold) aligned: AlignedSignal,
    /// All incidents of that time that were real, of every target.
    pub(in crate::advise::threshold) incidents: Vec<Incident>,
    /// Time of the last evaluation, epoch milliseconds.
    pub(in crate::advise::threshold) end_ms: i64,
}

impl RuleHistory {
    /// Reads the last `evaluations` up to `now`. Their times are multiples of the step, so that the same samples give
    /// the same result at any `now` within a step.
    ///
    /// # Errors
    /// [`ThresholdError`] when the signal cannot be evaluated or the store cannot be read.
    pub(in crate::advise::threshold) fn fetch(
        store: &Store,
        signal: &str,
        step_ms: i64,
        evaluations: i64,
        now: Timestamp,
    ) -> Result<Self, ThresholdError> {
        let end_ms = now.millis().div_euclid(step_ms) * step_ms;
        let start_ms = end_ms.saturating_sub((evaluations - 1).saturating_mul(step_ms));
        let query = signal::parse(signal)?;
        let max_steps = usize::try_from(2 * evaluations).unwrap_or(usize::MAX);
        let limits = EvalLimits { max_steps, ..EvalLimits::background() };
        let mut series = signal::range(store, &query, start_ms, end_ms, step_ms, &limits)?;
        // Rules compare numbers.
        series.retain(|one| !one.timestamps.is_empty());
        let aligned = AlignedSignal::align(&series, step_ms, end_ms);
        let first = aligned.timestamps.first().map(|first| Timestamp::from_millis(*first));
        let filter = EventFilter { start: first, end: Some(now), ..EventFilter::default() };
        let mut incidents = if first.is_some() { store.incidents(&filter)? } else { Vec::new() };
        incidents.retain(|incident| incident.verdict == IncidentVerdict::Real);
        Ok(Self { aligned, incidents, end_ms })
    }
}

/// The elements of a signal at common evaluation times, from the first one at which any element has a value.
pub(in crate::advise::threshold) struct AlignedSignal {
    pub(in crate::advise::threshold) timestamps: Vec<i64>,
    /// Values of each element, as many as `timestamps`; NaN = missing.
    pub(in crate::advise::threshold) values: Vec<Vec<f64>>,
    /// Labels of the elements, as many as `values`.
    pub(in crate::advise::threshold) labels: Vec<Labels>,
}

impl AlignedSignal {
    fn align(series: &[RangeSeries], step_ms: i64, end_ms: i64) -> Self {
        let Some(first_ms) = series.iter().filter_map(|one| one.timestamps.first()).min().copied() else {
            return Self { timestamps: Vec::new(), values: Vec::new(), labels: Vec::new() };
        };
        let timestamps: Vec<i64> =
            std::iter::successors(Some(first_ms), |at| Some(at + step_ms)).take_while(|at| *at <= end_ms).collect();
        let values = series
            .iter()
            .map(|one| {
                let mut values = vec![f64::NAN; timestamps.len()];
                for (at_ms, value) in one.timestamps.iter().zip(&one.values) {
                    let slot = usize::try_from((at_ms - first_ms) / step_ms).ok().and_then(|idx| values.get_mut(idx));
                    if let Some(slot) = slot {
                        *slot = *value;
                    }
                }
                values
            })
            .collect();
        Self { timestamps, values, labels: series.iter().map(|one| one.labels.clone()).collect() }
    }

    pub(in crate::advise::threshold) fn instances(&self) -> Vec<Instance<'_>> {
        self.values.iter().map(|values| Instance { timestamps: &self.timestamps, values }).collect()
    }
}
