//! Evaluates the calls of `promql` in SQL, as `/api/v1/query_range` does.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use almanac_engine::{
    learn::LearnedSource,
    signal::{self, EvalLimits, Feature},
    store::{EvaluatePromql, IsCancelled, PromqlCall, PromqlSeries, PromqlStep, Store},
};

use crate::{
    config::Config,
    http::{Clock, shared::parse_duration_ms},
};

/// Most samples of an evaluation.
const MAX_SAMPLES: usize = 20_000_000;
/// Interval between looks at the deadline and at a cancellation.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Evaluates expressions on a store and on what was learned from it.
#[derive(Debug)]
pub(crate) struct Expressions {
    store: Store,
    config: Arc<Config>,
    clock: Clock,
}

impl Expressions {
    /// Returns an evaluator with the features of the configuration.
    pub(crate) fn evaluator(store: Store, config: Arc<Config>, clock: Clock) -> Arc<dyn EvaluatePromql> {
        Arc::new(Self { store, config, clock })
    }
}

impl EvaluatePromql for Expressions {
    fn evaluate(
        &self,
        call: &PromqlCall,
        end: Instant,
        is_cancelled: &IsCancelled<'_>,
    ) -> Result<Vec<PromqlSeries>, String> {
        let step_ms = match &call.step {
            PromqlStep::Millis(millis) => Some(*millis),
            PromqlStep::Text(text) => parse_duration_ms(text),
        };
        let Some(step_ms) = step_ms.filter(|millis| *millis > 0) else {
            let given = match &call.step {
                PromqlStep::Millis(millis) => format!("{millis} ms"),
                PromqlStep::Text(text) => format!("{text:?}"),
            };
            return Err(format!("the step {given} is not a duration above 0, such as '1m' or INTERVAL 1 MINUTE"));
        };
        if call.until_ms < call.from_ms {
            return Err("until is before from".to_owned());
        }
        let query = signal::parse(&call.expr).map_err(|error| crate::chain(&error))?;
        self.config.promql.permit(&query)?;
        let limits = EvalLimits {
            max_samples: MAX_SAMPLES,
            delays_names: self.config.promql.enables(Feature::DelayedNameRemoval),
            ..EvalLimits::default()
        };
        let source = LearnedSource::new(self.store.clone(), self.clock.now());
        // A second thread stops the evaluation at the deadline or when it is cancelled; dropping `done` ends it.
        let (done, ended) = mpsc::channel::<()>();
        let cancel = limits.cancel.clone();
        let series = std::thread::scope(|scope| {
            scope.spawn(move || {
                while ended.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                    if Instant::now() >= end || is_cancelled() {
                        cancel.cancel();
                        return;
                    }
                }
            });
            let series = signal::range(&source, &query, call.from_ms, call.until_ms, step_ms, &limits);
            drop(done);
            series
        });
        let series = series.map_err(|error| {
            if Instant::now() >= end { "it did not finish in time".to_owned() } else { crate::chain(&error) }
        })?;
        let of = |series: signal::RangeSeries| PromqlSeries {
            labels: series.labels,
            timestamps: series.timestamps,
            values: series.values,
        };
        Ok(series.into_iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use almanac_engine::store::StoreOptions;

    use super::*;

    #[test]
    fn a_cancelled_evaluation_ends_long_before_its_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let expressions = Expressions::evaluator(store, Arc::default(), Clock::system());
        // Eleven thousand steps of ten thousand points each.
        let call = PromqlCall {
            expr: "sum_over_time(sin(vector(time()))[10000s:1s])".to_owned(),
            from_ms: 0,
            until_ms: 10_999_000,
            step: PromqlStep::Text("1s".to_owned()),
        };
        let end = Instant::now() + Duration::from_secs(600);
        let message = expressions.evaluate(&call, end, &|| true).unwrap_err();
        assert!(message.contains("cancelled"), "{message}");
    }
}
