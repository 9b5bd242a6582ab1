//! One signal, its points in: its rows out. Pure.

use almanac_models::{
    Level, Timestamp,
    anomaly::{DetectorOptions, OnlineDetector},
    forecast::{Accuracy, AutoForecaster, Fit, Forecast, Predict},
};

use super::{LearnError, LearnOptions, SignalSpec, score::Scorer};
use crate::store::rows::{AnomalyRow, ForecastRow, SignalRow, SignalStatus};

/// What is learned of one signal.
#[derive(Debug)]
pub(super) struct Learned {
    pub signal: SignalRow,
    pub forecasts: Vec<ForecastRow>,
    pub anomalies: Vec<AnomalyRow>,
    pub scorer: Option<Scorer>,
}

/// Fits `y`, the signal's values from `start_ms` on, NaN where there is none. Scores at or before `scored_until` are
/// known already and not given again.
pub(super) fn fit(
    spec: &SignalSpec,
    start_ms: i64,
    y: &[f64],
    scored_until: Option<i64>,
    now: Timestamp,
    options: &LearnOptions,
) -> Result<Learned, LearnError> {
    let first = y.iter().position(|v| v.is_finite()).unwrap_or(y.len());
    let last = y.iter().rposition(|v| v.is_finite()).map_or(first, |idx| idx + 1);
    let (start_ms, y) = (at(start_ms, spec, first), &y[first..last]);
    let points = y.iter().filter(|v| v.is_finite()).count();
    if points < options.min_points {
        return Err(LearnError::TooFew { points, needed: options.min_points });
    }
    let mut forecaster = AutoForecaster::new(spec.step).with_horizon(spec.horizon);
    if let Some(seasons) = &spec.seasons {
        forecaster = forecaster.with_seasons(seasons.clone());
    }
    let start = Timestamp::from_millis(start_ms);
    forecaster = forecaster.with_holidays(options.calendar.holiday_steps(start, spec.step));
    let until = Timestamp::from_millis(at(start_ms, spec, y.len() + spec.horizon.steps()));
    if let Some(offsets) = options.calendar.offsets(start, until) {
        forecaster = forecaster.with_clocks(offsets, start);
    }
    let fitted = forecaster.fit(y)?;
    let forecast = fitted.predict(spec.horizon, &levels()?)?;
    let accuracy = fitted.accuracy();
    let forecasts = forecast_rows(spec, &forecast, at(start_ms, spec, y.len()), fitted.model(), now);
    let seasons =
        fitted.seasons().iter().filter_map(|s| usize::try_from(s.millis() / spec.step.millis()).ok()).collect();
    let detector = OnlineDetector::new(DetectorOptions {
        seasons: Some(seasons),
        step: Some(spec.step),
        window: options.history_points.min(20_160),
        ..DetectorOptions::default()
    });
    let before = start_ms.saturating_sub(spec.step.millis());
    let mut scorer = Scorer::new(detector, before, options.calendar.clone());
    let stored_from = at(start_ms, spec, y.len().saturating_sub(options.scored_points));
    let mut anomalies = scorer.push(spec, y);
    anomalies.retain(|row| {
        let t = row.timestamp.millis();
        scored_until.is_none_or(|until| t > until) && (t >= stored_from || row.score > 1.0)
    });
    scorer.watch(&forecasts);
    let signal = SignalRow {
        status: SignalStatus::Ready,
        reason: weakness(accuracy),
        seasons_ms: fitted.seasons().iter().map(|s| s.millis()).collect(),
        model: Some(fitted.model().to_owned()),
        fitted_at: Some(now),
        points: points as u64,
        mase: accuracy.mase,
        coverage_80: accuracy.coverage_80,
        coverage_95: accuracy.coverage_95,
        ..blank_row(spec)
    };
    Ok(Learned { signal, forecasts, anomalies, scorer: Some(scorer) })
}

/// Share of held-out points below which an 80 % interval does not hold.
const HELD_LEAST: f64 = 0.6;
/// Errors, in those of the seasonal naive forecast, from which a forecast is worse than knowing nothing.
const MASE_MOST: f64 = 3.0;

/// What a reader of the forecast has to know when it did badly on held-out points.
fn weakness(accuracy: &Accuracy) -> Option<String> {
    let mut words = Vec::new();
    if let Some(held) = accuracy.coverage_80.filter(|held| *held < HELD_LEAST) {
        words.push(format!("its 80 % interval held {:.0} % of the time", 100.0 * held));
    }
    if let Some(mase) = accuracy.mase.filter(|mase| *mase > MASE_MOST) {
        words.push(format!("its errors were {mase:.1} times those of the seasonal naive forecast"));
    }
    (!words.is_empty()).then(|| format!("a weak forecast: on held-out points {}", words.join(" and ")))
}

/// The row of a signal of which nothing is known yet.
pub(super) fn blank_row(spec: &SignalSpec) -> SignalRow {
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

fn levels() -> Result<[Level; 2], LearnError> {
    let level = |percent| Level::from_percent(percent).map_err(|error| LearnError::Forecast(error.into()));
    Ok([level(80.0)?, level(95.0)?])
}

/// The instant of the point `idx` steps after `start_ms`.
fn at(start_ms: i64, spec: &SignalSpec, idx: usize) -> i64 {
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
            timestamp: Timestamp::from_millis(at(start_ms, spec, k)),
            yhat: forecast.point[k],
            yhat_lower_80: narrow.lower[k],
            yhat_upper_80: narrow.upper[k],
            yhat_lower_95: wide.lower[k],
            yhat_upper_95: wide.upper[k],
            model: model.to_owned(),
        })
        .collect()
}
