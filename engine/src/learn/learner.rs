//! Fits the signals that are due and scores new values between fits. The scheduler calls it with the current time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use almanac_models::Timestamp;

use super::fit::{
    FitExecutor, FitJob, FitOptions, FitResult, Scorer, ThreadExecutor, detector, run_pool, unfitted_row,
};
use super::grid::{SignalGrid, by_step, evaluate};
use super::schedule::is_due;
use super::{FitError, LearnError, LearnOptions, LearnReport, Progress, ScoreReport, SignalSpec};
use crate::store::{
    Store,
    rows::{AnomalyRow, RowFilter, SignalFilter, SignalRow, SignalStatus},
};

/// Number of signals whose values are in memory at the same time.
const FIT_BATCH: usize = 32;

/// Fits signals on schedule and scores new values between fits.
///
/// ```
/// use almanac_engine::{
///     learn::{LearnOptions, Learner, SignalSpec},
///     series::Labels,
///     store::{SampleBatch, Store, StoreOptions, rows::{RowFilter, SignalOrigin}},
/// };
/// use almanac_models::{Horizon, Step, Timestamp};
///
/// let folder = tempfile::tempdir()?;
/// let store = Store::open(&folder.path().join("metrics.duckdb"), StoreOptions::default())?;
/// let series = store.resolve(&Labels::from_pairs([("__name__", "queue_depth")])?)?;
/// let mut batch = SampleBatch::default();
/// for hour in 0..14 * 24_i64 {
///     let depth = 50.0 + 20.0 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin() + (hour * 7 % 5) as f64;
///     batch.push(series, hour * 3_600_000, depth);
/// }
/// store.append(batch)?.wait()?;
///
/// let spec = SignalSpec {
///     name: "queue".into(),
///     expr: "queue_depth".into(),
///     step: Step::from_millis(3_600_000)?,
///     seasons: None,
///     horizon: Horizon::try_new(48)?,
///     origin: SignalOrigin::Configured,
/// };
/// let mut learner = Learner::new(store.clone(), LearnOptions::default());
/// let now = Timestamp::from_millis(14 * 86_400_000 - 3_600_000);
/// assert_eq!(learner.learn_due(&[spec], now, &|_| {})?.fitted, 1);
/// assert_eq!(store.forecasts(&RowFilter::default())?.len(), 48);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Learner {
    store: Store,
    options: LearnOptions,
    executor: Arc<dyn FitExecutor>,
    specs: HashMap<String, SignalSpec>,
    scorers: HashMap<String, Scorer>,
    /// Time of the last fit attempt of each signal, successful or not.
    attempted: HashMap<String, Timestamp>,
    /// Signals whose forecast drifted since their last fit.
    drifted: HashSet<String>,
}

impl Learner {
    /// Creates a learner that runs fits on `options.threads` threads. Signals that an earlier process fitted into the
    /// same store are not fitted again until they are due.
    #[must_use]
    pub fn new(store: Store, options: LearnOptions) -> Self {
        let executor = Arc::new(ThreadExecutor::new(options.threads));
        Self {
            store,
            options,
            executor,
            specs: HashMap::new(),
            scorers: HashMap::new(),
            attempted: HashMap::new(),
            drifted: HashSet::new(),
        }
    }

    /// Replaces the executor of fits; the default runs them on threads of this process.
    #[must_use]
    pub fn with_executor(self, executor: Arc<dyn FitExecutor>) -> Self {
        Self { executor, ..self }
    }

    /// Fits the signals that are due at `now`, 32 at a time, and stores their rows. Calls `progress` after each signal.
    /// A signal that cannot be fitted is listed in the report, and its row contains the reason.
    ///
    /// # Errors
    /// [`LearnError::Store`] if rows cannot be read or written. No other error ends the run.
    pub fn learn_due(
        &mut self,
        specs: &[SignalSpec],
        now: Timestamp,
        progress: &dyn Fn(Progress),
    ) -> Result<LearnReport, LearnError> {
        self.specs = specs.iter().map(|spec| (spec.name.clone(), spec.clone())).collect();
        self.scorers.retain(|name, _| self.specs.contains_key(name));
        let rows: HashMap<String, SignalRow> =
            self.store.signals(&SignalFilter::default())?.into_iter().map(|row| (row.signal.clone(), row)).collect();
        let due: Vec<&SignalSpec> = specs
            .iter()
            .filter(|spec| {
                let (row, attempted) = (rows.get(&spec.name), self.attempted.get(&spec.name).copied());
                is_due(spec, row, attempted, self.drifted.contains(&spec.name), now, &self.options)
            })
            .collect();
        let mut report = LearnReport { current: specs.len() - due.len(), ..LearnReport::default() };
        let mut done = 0;
        let mut advance = |signal: &str| {
            done += 1;
            progress(Progress { done, total: due.len(), signal: signal.to_owned() });
        };
        for (step, group) in by_step(&due) {
            let grid = SignalGrid::until(now, step, self.options.history_points);
            for batch in group.chunks(FIT_BATCH) {
                let (jobs, failures) = self.prepare(batch, grid, &rows, now)?;
                for (spec, error) in failures {
                    advance(&spec.name);
                    self.store_outcome(spec, Err(error), &rows, now, &mut report)?;
                }
                // A job without an outcome counts as a failed fit, so that the signal is tried again later.
                let lost = |job: &FitJob| Err(FitError::Lost { signal: job.spec.name.clone() });
                let mut outcomes: Vec<Result<FitResult, FitError>> = jobs.iter().map(lost).collect();
                self.executor.execute(&jobs, &mut |idx, outcome| {
                    advance(&jobs[idx].spec.name);
                    outcomes[idx] = outcome;
                });
                for (job, outcome) in jobs.iter().zip(outcomes) {
                    self.store_outcome(&job.spec, outcome.map_err(LearnError::from), &rows, now, &mut report)?;
                }
            }
        }
        Ok(report)
    }

    /// Evaluates a batch of signals on one grid. Returns a job for each signal that could be evaluated, and an error
    /// for each that could not.
    fn prepare<'a>(
        &self,
        batch: &[&'a SignalSpec],
        grid: SignalGrid,
        rows: &HashMap<String, SignalRow>,
        now: Timestamp,
    ) -> Result<(Vec<FitJob>, FailedSignals<'a>), LearnError> {
        let (store, carry_points) = (&self.store, self.options.carry_points);
        let mut evaluated: Vec<(&SignalSpec, Result<Vec<f64>, LearnError>)> = Vec::with_capacity(batch.len());
        run_pool(
            self.options.threads,
            batch,
            |spec| evaluate(store, &spec.expr, grid, carry_points),
            |idx, outcome| {
                let spec = batch[idx];
                let panicked = || Err(LearnError::Panicked { signal: spec.name.clone() });
                evaluated.push((spec, outcome.unwrap_or_else(panicked)));
            },
        );
        let (mut jobs, mut failures) = (Vec::with_capacity(evaluated.len()), Vec::new());
        for (spec, outcome) in evaluated {
            match outcome {
                Ok(values) => jobs.push(FitJob {
                    spec: spec.clone(),
                    start: Timestamp::from_millis(grid.start_ms),
                    values,
                    // Stored scores of the same expression are kept, so that a refit does not rewrite them.
                    scored_until: match rows.get(&spec.name) {
                        Some(row) if is_same(row, spec) => self.last_scored(&spec.name)?,
                        _ => None,
                    },
                    now,
                    options: self.fit_options(),
                }),
                Err(error) => failures.push((spec, error)),
            }
        }
        Ok((jobs, failures))
    }

    /// Stores the outcome of one signal's fit and counts it in `report`.
    fn store_outcome(
        &mut self,
        spec: &SignalSpec,
        outcome: Result<FitResult, LearnError>,
        rows: &HashMap<String, SignalRow>,
        now: Timestamp,
        report: &mut LearnReport,
    ) -> Result<(), LearnError> {
        self.attempted.insert(spec.name.clone(), now);
        self.drifted.remove(&spec.name);
        let result = match outcome {
            Ok(result) => result,
            Err(error) => {
                let row = failure_row(spec, rows.get(&spec.name), &error);
                if row.status == SignalStatus::Learning {
                    report.waiting += 1;
                } else {
                    report.failed.push((spec.name.clone(), error.chain()));
                }
                self.store.put_signals(&[row])?;
                return Ok(());
            }
        };
        // The signal's row is written last: a signal with the status `ready` always has a forecast.
        self.store.put_forecasts(&result.forecasts)?;
        if !result.anomalies.is_empty() {
            self.store.put_anomalies(&result.anomalies)?;
        }
        self.store.put_signals(std::slice::from_ref(&result.signal))?;
        report.fitted += 1;
        match result.scorer {
            Some(scorer) => self.scorers.insert(spec.name.clone(), scorer),
            // A result from another process has no detector state; the next scoring run rebuilds it.
            None => self.scorers.remove(&spec.name),
        };
        Ok(())
    }

    /// Returns the time of a signal's last stored score.
    fn last_scored(&self, signal: &str) -> Result<Option<Timestamp>, LearnError> {
        if let Some(scorer) = self.scorers.get(signal) {
            return Ok(Some(Timestamp::from_millis(scorer.last_ms())));
        }
        let filter = RowFilter { signals: vec![signal.to_owned()], ..RowFilter::default() };
        Ok(self.store.anomalies(&filter)?.last().map(|row| row.timestamp))
    }

    /// Scores values newer than the last run, for the signals of the last [`Self::learn_due`]. After a restart the
    /// detector state of a signal is first rebuilt from its samples, without a refit.
    ///
    /// # Errors
    /// [`LearnError::Store`] if rows cannot be read or written. A signal that cannot be evaluated is listed in the
    /// report.
    pub fn score_new(&mut self, now: Timestamp) -> Result<ScoreReport, LearnError> {
        let mut report = ScoreReport::default();
        let ready =
            self.store.signals(&SignalFilter { status: Some(SignalStatus::Ready), ..SignalFilter::default() })?;
        let mut rows = Vec::new();
        for row in ready {
            let Some(spec) = self.specs.get(&row.signal).cloned() else { continue };
            match self.score_signal(&spec, &row, now) {
                Ok(new) => {
                    report.signals += usize::from(!new.is_empty());
                    report.values += new.len();
                    report.anomalies += new.iter().filter(|row| row.score > 1.0).count();
                    rows.extend(new);
                }
                Err(LearnError::Store(error)) => return Err(LearnError::Store(error)),
                Err(error) => report.failed.push((spec.name.clone(), error.chain())),
            }
            if self.scorers.get(&spec.name).is_some_and(Scorer::has_drifted) && self.drifted.insert(spec.name.clone()) {
                report.drifted.push(spec.name.clone());
            }
        }
        if !rows.is_empty() {
            self.store.put_anomalies(&rows)?;
        }
        Ok(report)
    }

    fn score_signal(
        &mut self,
        spec: &SignalSpec,
        row: &SignalRow,
        now: Timestamp,
    ) -> Result<Vec<AnomalyRow>, LearnError> {
        let known = self.scorers.contains_key(&spec.name);
        let scored_until = if known { None } else { self.last_scored(&spec.name)? };
        if !known {
            // The detector learns from the whole history again; scores up to `scored_until` are already stored.
            let start = SignalGrid::until(now, spec.step, self.options.history_points).start_ms;
            let scorer = self.rebuild_scorer(spec, row, start)?;
            self.scorers.insert(spec.name.clone(), scorer);
        }
        let Some(scorer) = self.scorers.get_mut(&spec.name) else { return Ok(Vec::new()) };
        let Some(grid) = SignalGrid::after(scorer.last_ms(), now, spec.step) else { return Ok(Vec::new()) };
        let values = evaluate(&self.store, &spec.expr, grid, self.options.carry_points)?;
        // Points after the last value are left for the next run, because samples may arrive late.
        let seen = values.iter().rposition(|v| v.is_finite()).map_or(0, |idx| idx + 1);
        let mut new = scorer.push(spec, &values[..seen]);
        new.retain(|row| scored_until.is_none_or(|until| row.timestamp > until));
        Ok(new)
    }

    /// Creates a scorer that starts at `start_ms`, from the stored seasons and forecast.
    fn rebuild_scorer(&self, spec: &SignalSpec, row: &SignalRow, start_ms: i64) -> Result<Scorer, LearnError> {
        let detector = detector(spec, &row.seasons_ms, &self.fit_options());
        let before = start_ms.saturating_sub(spec.step.millis());
        let mut scorer = Scorer::new(detector, before, self.options.calendar.clone());
        let filter =
            RowFilter { signals: vec![spec.name.clone()], start: row.fitted_at, latest: true, ..RowFilter::default() };
        scorer.set_forecast(&self.store.forecasts(&filter)?);
        Ok(scorer)
    }

    fn fit_options(&self) -> FitOptions {
        let LearnOptions { history_points, min_points, scored_points, calendar, .. } = self.options.clone();
        FitOptions { history_points, min_points, scored_points, calendar }
    }

    /// Returns the options.
    #[must_use]
    pub fn options(&self) -> &LearnOptions {
        &self.options
    }
}

/// Signals that could not be evaluated, with the reason.
type FailedSignals<'a> = Vec<(&'a SignalSpec, LearnError)>;

/// Whether a stored row has the expression and the step of `spec`.
fn is_same(row: &SignalRow, spec: &SignalSpec) -> bool {
    row.expr == spec.expr && row.step_ms == spec.step.millis()
}

/// Returns the row of a signal whose fit failed. The figures of an earlier model of the same expression stay.
fn failure_row(spec: &SignalSpec, before: Option<&SignalRow>, error: &LearnError) -> SignalRow {
    let same = before.filter(|row| is_same(row, spec));
    let mut row = same.cloned().unwrap_or_else(|| unfitted_row(spec));
    row.origin = spec.origin;
    row.status = match error {
        LearnError::Fit(FitError::TooFew { points, .. }) => {
            row.points = *points as u64;
            SignalStatus::Learning
        }
        _ => SignalStatus::Failed,
    };
    row.reason = Some(error.chain());
    row
}
