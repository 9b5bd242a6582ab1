use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use almanac_models::{
    Timestamp,
    anomaly::{DetectorOptions, OnlineDetector},
};

use super::fit::{Learned, blank_row, fit};
use super::frame::{Grid, align, by_step, evaluate};
use super::schedule::is_due;
use super::score::Scorer;
use super::{LearnError, LearnOptions, LearnReport, Progress, ScoreReport, SignalSpec};
use crate::store::{
    Store,
    rows::{RowFilter, SignalFilter, SignalRow, SignalStatus},
};

/// Signals that are laid into one frame and held in memory at a time.
const BATCH: usize = 32;

/// Learns signals on schedule, and scores new values in between.
#[derive(Debug)]
pub struct Learner {
    store: Store,
    options: LearnOptions,
    specs: HashMap<String, SignalSpec>,
    scorers: HashMap<String, Scorer>,
    tried: HashMap<String, Timestamp>,
    drifted: HashSet<String>,
}

impl Learner {
    /// A learner over `store` that has learned nothing in this process; rows of earlier ones count.
    #[must_use]
    pub fn new(store: Store, options: LearnOptions) -> Self {
        Self {
            store,
            options,
            specs: HashMap::new(),
            scorers: HashMap::new(),
            tried: HashMap::new(),
            drifted: HashSet::new(),
        }
    }

    /// Fits the signals that are due at `now`, 32 at a time, and stores what was learned of them. `progress` is told
    /// after each signal. A signal that cannot be fitted is in the report and in its row's `reason`.
    ///
    /// # Errors
    /// [`LearnError::Store`] when rows can be neither read nor written; nothing else ends the run.
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
                let (row, tried) = (rows.get(&spec.name), self.tried.get(&spec.name).copied());
                is_due(spec, row, tried, self.drifted.contains(&spec.name), now, &self.options)
            })
            .collect();
        let mut report = LearnReport { current: specs.len() - due.len(), ..LearnReport::default() };
        let mut done = 0;
        for (step, group) in by_step(&due) {
            let grid = Grid::until(now, step, self.options.history_points);
            for batch in group.chunks(BATCH) {
                let (jobs, failures) = self.prepare(batch, grid, &rows)?;
                let (options, store) = (self.options.clone(), self.store.clone());
                let mut told = |spec: &SignalSpec| {
                    done += 1;
                    progress(Progress { done, total: due.len(), signal: spec.name.clone() });
                };
                let mut outcomes: Vec<(&SignalSpec, Result<Learned, LearnError>)> = Vec::new();
                for (spec, error) in failures {
                    told(spec);
                    outcomes.push((spec, Err(error)));
                }
                let learn = |job: &Job| fit(job.spec, grid.start_ms, &job.y, job.scored_until, now, &options);
                run_pool(options.threads, &jobs, learn, |idx, outcome| {
                    let spec = jobs[idx].spec;
                    told(spec);
                    outcomes.push((spec, outcome.unwrap_or_else(|| Err(panicked(spec)))));
                });
                for (spec, outcome) in outcomes {
                    self.tried.insert(spec.name.clone(), now);
                    self.drifted.remove(&spec.name);
                    match outcome {
                        Ok(learned) => {
                            keep(&store, &learned)?;
                            report.fitted += 1;
                            if let Some(scorer) = learned.scorer {
                                self.scorers.insert(spec.name.clone(), scorer);
                            }
                        }
                        Err(error) => {
                            let row = failure(spec, rows.get(&spec.name), &error);
                            if row.status == SignalStatus::Learning {
                                report.waiting += 1;
                            } else {
                                report.failed.push((spec.name.clone(), error.chain()));
                            }
                            store.put_signals(&[row])?;
                        }
                    }
                }
            }
        }
        Ok(report)
    }

    /// Evaluates a batch of signals and lays them into one frame.
    fn prepare<'a>(
        &self,
        batch: &[&'a SignalSpec],
        grid: Grid,
        rows: &HashMap<String, SignalRow>,
    ) -> Result<(Vec<Job<'a>>, Failures<'a>), LearnError> {
        let store = &self.store;
        let mut evaluated = Vec::with_capacity(batch.len());
        run_pool(
            self.options.threads,
            batch,
            |spec| evaluate(store, &spec.expr, grid),
            |idx, outcome| {
                evaluated.push((batch[idx], outcome.unwrap_or_else(|| Err(panicked(batch[idx])))));
            },
        );
        let (mut specs, mut columns, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for (spec, outcome) in evaluated {
            match outcome {
                Ok(points) => {
                    specs.push(spec);
                    columns.push(points);
                }
                Err(error) => failures.push((spec, error)),
            }
        }
        let mut jobs = Vec::with_capacity(specs.len());
        for (spec, y) in specs.into_iter().zip(align(grid, &columns, self.options.carry_points)?) {
            let same =
                rows.get(&spec.name).is_some_and(|row| row.expr == spec.expr && row.step_ms == spec.step.millis());
            let scored_until = if same { self.last_scored(&spec.name)? } else { None };
            jobs.push(Job { spec, y, scored_until });
        }
        Ok((jobs, failures))
    }

    /// The instant of the last score stored of a signal.
    fn last_scored(&self, signal: &str) -> Result<Option<i64>, LearnError> {
        if let Some(scorer) = self.scorers.get(signal) {
            return Ok(Some(scorer.last_ms()));
        }
        let filter = RowFilter { signals: vec![signal.to_owned()], ..RowFilter::default() };
        Ok(self.store.anomalies(&filter)?.last().map(|row| row.timestamp.millis()))
    }

    /// Scores what came since the last run, for the signals of the last [`Self::learn_due`]. After a restart the state
    /// of a signal is first rebuilt from its samples, without a refit.
    ///
    /// # Errors
    /// [`LearnError::Store`] when rows can be neither read nor written; a signal that cannot be evaluated is in the
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
    ) -> Result<Vec<crate::store::rows::AnomalyRow>, LearnError> {
        let known = self.scorers.contains_key(&spec.name);
        let scored_until = if known { None } else { self.last_scored(&spec.name)? };
        if !known {
            let start = Grid::until(now, spec.step, self.options.history_points).start_ms;
            let scorer = self.rebuilt(spec, row, start)?;
            self.scorers.insert(spec.name.clone(), scorer);
        }
        let Some(scorer) = self.scorers.get_mut(&spec.name) else { return Ok(Vec::new()) };
        let Some(grid) = Grid::after(scorer.last_ms(), now, spec.step) else { return Ok(Vec::new()) };
        let points = evaluate(&self.store, &spec.expr, grid)?;
        let columns = align(grid, std::slice::from_ref(&points), self.options.carry_points)?;
        let y = columns.first().map_or(&[][..], Vec::as_slice);
        // What has no value yet may still get one: samples come a little late.
        let seen = y.iter().rposition(|v| v.is_finite()).map_or(0, |idx| idx + 1);
        let mut new = scorer.push(spec, &y[..seen]);
        new.retain(|row| scored_until.is_none_or(|until| row.timestamp.millis() > until));
        Ok(new)
    }

    /// A scorer that begins at `start_ms` with the seasons and the forecast that stand in the store.
    fn rebuilt(&self, spec: &SignalSpec, row: &SignalRow, start_ms: i64) -> Result<Scorer, LearnError> {
        let step_ms = spec.step.millis();
        let seasons = row.seasons_ms.iter().filter_map(|ms| usize::try_from(ms / step_ms).ok()).collect();
        let detector = OnlineDetector::new(DetectorOptions {
            seasons: Some(seasons),
            step: Some(spec.step),
            window: self.options.history_points.min(20_160),
            ..DetectorOptions::default()
        });
        let mut scorer = Scorer::new(detector, start_ms.saturating_sub(step_ms), self.options.calendar.clone());
        let filter =
            RowFilter { signals: vec![spec.name.clone()], start: row.fitted_at, latest: true, ..RowFilter::default() };
        scorer.watch(&self.store.forecasts(&filter)?);
        Ok(scorer)
    }

    /// The options in force.
    #[must_use]
    pub fn options(&self) -> &LearnOptions {
        &self.options
    }
}

/// A signal that waits to be fitted.
#[derive(Debug)]
struct Job<'a> {
    spec: &'a SignalSpec,
    y: Vec<f64>,
    scored_until: Option<i64>,
}

/// Signals that could not be evaluated.
type Failures<'a> = Vec<(&'a SignalSpec, LearnError)>;

fn panicked(spec: &SignalSpec) -> LearnError {
    LearnError::Panicked { signal: spec.name.clone() }
}

/// Stores what was learned of one signal; its row last, so that a row that says ready has its forecast.
fn keep(store: &Store, learned: &Learned) -> Result<(), LearnError> {
    store.put_forecasts(&learned.forecasts)?;
    if !learned.anomalies.is_empty() {
        store.put_anomalies(&learned.anomalies)?;
    }
    store.put_signals(std::slice::from_ref(&learned.signal))?;
    Ok(())
}

/// The row of a signal that was not fitted: what stood before stays beside the reason.
fn failure(spec: &SignalSpec, before: Option<&SignalRow>, error: &LearnError) -> SignalRow {
    let same = before.filter(|row| row.expr == spec.expr && row.step_ms == spec.step.millis());
    let mut row = same.cloned().unwrap_or_else(|| blank_row(spec));
    row.origin = spec.origin;
    row.status = match error {
        LearnError::TooFew { points, .. } => {
            row.points = *points as u64;
            SignalStatus::Learning
        }
        _ => SignalStatus::Failed,
    };
    row.reason = Some(error.chain());
    row
}

/// Does `work` on each item on at most `threads` threads; `take` gets each outcome on this thread as it comes, `None`
/// when the work panicked.
fn run_pool<I: Sync, O: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> O + Sync,
    mut take: impl FnMut(usize, Option<O>),
) {
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let idx = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(idx) else { return };
                    let outcome = catch_unwind(AssertUnwindSafe(|| work(item))).ok();
                    if sender.send((idx, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (idx, outcome) in outcomes {
            take(idx, outcome);
        }
    });
}
