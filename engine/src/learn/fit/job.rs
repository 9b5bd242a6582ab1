//! A fit of one signal as owned, serialisable data. It reads neither store nor clock: equal jobs give equal results.

use almanac_models::{
    Level, Timestamp,
    anomaly::{DetectorOptions, OnlineDetector},
    forecast::{Accuracy, AutoForecaster, Fit, Forecast, Predict},
};
use serde::{Deserialize, Serialize};

use super::{FitError, Scorer, gaps};
use crate::{
    calendar::Calendar,
    learn::SignalSpec,
    store::rows::{AnomalyRow, ForecastRow, SignalRow, SignalStatus},
};

/// Maximum window of the online detector, in points: two weeks of minutes.
const DETECTOR_WINDOW: usize = 20_160;
/// Minimum coverage of the 80 % interval. Below it the forecast is marked as weak.
const COVERAGE_MIN: f64 = 0.6;
/// Maximum MASE. Above it the forecast is marked as weak.
const MASE_MAX: f64 = 3.0;

/// Options of a fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FitOptions {
    /// Number of points of history that a fit reads.
    pub history_points: usize,
    /// Minimum number of values.
    pub min_points: usize,
    /// Number of newest points whose scores are returned. Of older points anomalies only.
    pub scored_points: usize,
    /// Time zone and holidays of the signal.
    pub calendar: Calendar,
}

/// The values of one signal and everything else that its fit needs.
///
/// ```
/// use almanac_engine::{calendar::Calendar, learn::{FitJob, FitOptions, SignalSpec}, store::rows::SignalOrigin};
/// use almanac_models::{Horizon, Step, Timestamp};
///
/// let spec = SignalSpec {
///     name: "requests".into(),
///     expr: "sum(rate(http_requests_total[5m]))".into(),
///     step: Step::from_millis(3_600_000)?,
///     seasons: None,
///     horizon: Horizon::try_new(24)?,
///     origin: SignalOrigin::Configured,
/// };
/// let day = |i: u32| 100.0 + 40.0 * (f64::from(i) / 24.0 * std::f64::consts::TAU).sin() + f64::from(i * 7 % 5);
/// let job = FitJob {
///     spec,
///     start: Timestamp::from_millis(1_767_225_600_000),
///     values: (0..14 * 24).map(day).collect(),
///     scored_until: None,
///     now: Timestamp::from_millis(1_768_435_200_000),
///     options: FitOptions { history_points: 1_000, min_points: 30, scored_points: 100, calendar: Calendar::default() },
/// };
/// let result = job.run()?;
/// assert_eq!(result.forecasts.len(), 24);
/// assert_eq!(result.signal.seasons_ms, [86_400_000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitJob {
    /// The signal.
    pub spec: SignalSpec,
    /// Time of the first value.
    pub start: Timestamp,
    /// Values, one step apart; NaN where the signal has none.
    #[serde(with = "gaps")]
    pub values: Vec<f64>,
    /// Scores up to this time are stored already and are not returned.
    pub scored_until: Option<Timestamp>,
    /// The time of the fit.
    pub now: Timestamp,
    /// Options of the fit.
    pub options: FitOptions,
}

/// Result of a fit: rows of `signals`, `forecasts` and `anomalies`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FitResult {
    /// Row of the signal.
    pub signal: SignalRow,
    /// Forecast: one row for each step of the horizon.
    pub forecasts: Vec<ForecastRow>,
    /// New scores.
    pub anomalies: Vec<AnomalyRow>,
    /// State of the detector after the last value. It is not serialised: for a result from another process the learner
    /// rebuilds it from the samples.
    #[serde(skip)]
    pub(in crate::learn) scorer: Option<Scorer>,
}

impl FitJob {
    /// Fits the forecaster, scores the values and returns the rows.
    ///
    /// # Errors
    /// [`FitError::TooFew`], [`FitError::Model`].
    pub fn run(&self) -> Result<FitResult, FitError> {
        let Self { spec, options, now, .. } = self;
        // Gaps at both ends are cut off: the fit starts and ends with a value.
        let first = self.values.iter().position(|v| v.is_finite()).unwrap_or(self.values.len());
        let last = self.values.iter().rposition(|v| v.is_finite()).map_or(first, |idx| idx + 1);
        let (start_ms, y) = (step_at(self.start.millis(), spec, first), &self.values[first..last]);
        let points = y.iter().filter(|v| v.is_finite()).count();
        if points < options.min_points {
            return Err(FitError::TooFew { points, needed: options.min_points });
        }
        let fitted = self.forecaster(start_ms, y.len()).fit(y).map_err(|error| model_error(&error))?;
        let forecast = fitted.predict(spec.horizon, &levels()?).map_err(|error| model_error(&error))?;
        let forecasts = forecast_rows(spec, &forecast, step_at(start_ms, spec, y.len()), fitted.model(), *now);
        let seasons_ms: Vec<i64> = fitted.seasons().iter().map(|season| season.millis()).collect();

        let before = start_ms.saturating_sub(spec.step.millis());
        // Scores are causal: the detector reads the values in order and never the forecast.
        let mut scorer = Scorer::new(detector(spec, &seasons_ms, options), before, options.calendar.clone());
        let kept_from = step_at(start_ms, spec, y.len().saturating_sub(options.scored_points));
        let mut anomalies = scorer.push(spec, y);
        anomalies.retain(|row| {
            let is_new = self.scored_until.is_none_or(|until| row.timestamp > until);
            is_new && (row.timestamp.millis() >= kept_from || row.score > 1.0)
        });
        scorer.set_forecast(&forecasts);

        let accuracy = fitted.accuracy();
        let signal = SignalRow {
            status: SignalStatus::Ready,
            reason: quality_warning(accuracy),
            seasons_ms,
            model: Some(fitted.model().to_owned()),
            fitted_at: Some(*now),
            points: points as u64,
            mase: accuracy.mase,
            coverage_80: accuracy.coverage_80,
            coverage_95: accuracy.coverage_95,
            ..unfitted_row(spec)
        };
        Ok(FitResult { signal, forecasts, anomalies, scorer: Some(scorer) })
    }

    fn forecaster(&self, start_ms: i64, len: usize) -> AutoForecaster {
        let Self { spec, options, .. } = self;
        let start = Timestamp::from_millis(start_ms);
        let mut forecaster = AutoForecaster::new(spec.step)
            .with_horizon(spec.horizon)
            .with_holidays(options.calendar.holiday_steps(start, spec.step));
        if let Some(seasons) = &spec.seasons {
            forecaster = forecaster.with_seasons(seasons.clone());
        }
        let until = Timestamp::from_millis(step_at(start_ms, spec, len + spec.horizon.steps()));
        if let Some(offsets) = options.calendar.offsets(start, until) {
            forecaster = forecaster.with_clocks(offsets, start);
        }
        forecaster
    }
}

/// Creates the detector of a signal with known seasons.
pub(in crate::learn) fn detector(spec: &SignalSpec, seasons_ms: &[i64], options: &FitOptions) -> OnlineDetector {
    let seasons = seasons_ms.iter().filter_map(|ms| usize::try_from(ms / spec.step.millis()).ok()).collect();
    OnlineDetector::new(DetectorOptions {
        seasons: Some(seasons),
        step: Some(spec.step),
        window: options.history_points.min(DETECTOR_WINDOW),
        ..DetectorOptions::default()
    })
}

/// Returns a warning if the forecast was inaccurate on held-out points.
fn quality_warning(accuracy: &Accuracy) -> Option<String> {
    let mut words = Vec::new();
    if let Some(held) = accuracy.coverage_80.filter(|held| *held < COVERAGE_MIN) {
        words.push(format!("its 80 % interval contained {:.0} % of the values", 100.0 * held));
    }
    if let Some(mase) = accuracy.mase.filter(|mase| *mase > MASE_MAX) {
        words.push(format!("its error was {mase:.1} times that of the seasonal naive forecast"));
    }
    (!words.is_empty()).then(|| format!("weak forecast: on held-out points {}", words.join(" and ")))
}

/// Returns the row of a signal that was never fitted.
pub(in crate::learn) fn unfitted_row(spec: &SignalSpec) -> SignalRow {
    SignalRow {
        signal: spec.name.clone(),
        expr: spec.expr.clone(),
        origin: spec.origin,
        step_ms: spec.step.millis(),
        status: SignalStatus::Learning,
        reason: None,
        seasons_ms: spec.seasons.iter().flatten().map(|s| s.millis()).collect(),
        model: None,
        fitted_at: None,
        points: 0,
        mase: None,
        coverage_80: None,
        coverage_95: None,
    }
}

/// Returns the levels of the stored intervals, the narrow one first.
fn levels() -> Result<[Level; 2], FitError> {
    let level = |percent| Level::from_percent(percent).map_err(|error| model_error(&error));
    Ok([level(80.0)?, level(95.0)?])
}

fn model_error(error: &dyn std::error::Error) -> FitError {
    FitError::Model { message: crate::learn::error::chain(error) }
}

/// Returns the time `idx` steps after `start_ms`, in epoch milliseconds.
fn step_at(start_ms: i64, spec: &SignalSpec, idx: usize) -> i64 {
    start_ms.saturating_add(spec.step.millis().saturating_mul(i64::try_from(idx).unwrap_or(i64::MAX)))
}

fn forecast_rows(
    spec: &SignalSpec,
    forecast: &Forecast,
    start_ms: i64,
    model: &str,
    now: Timestamp,
) -> Vec<ForecastRow> {
    let [narrow, wide] = &forecast.intervals[..] else { return Vec::new() };
    (0..forecast.point.len())
        .map(|k| ForecastRow {
            signal: spec.name.clone(),
            made_at: now,
            timestamp: Timestamp::from_millis(step_at(start_ms, spec, k)),
            yhat: forecast.point[k],
            yhat_lower_80: narrow.lower[k],
            yhat_upper_80: narrow.upper[k],
            yhat_lower_95: wide.lower[k],
            yhat_upper_95: wide.upper[k],
            model: model.to_owned(),
        })
        .collect()
}
