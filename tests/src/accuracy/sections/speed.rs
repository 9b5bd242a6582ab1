//! Measures the processor time of scores, fits and forecasts on simulated series.

use std::{error::Error, time::Instant};

use almanac_datasets::simulator::{SimulatorOptions, simulate};
use almanac_models::{
    Horizon, Level, Step,
    anomaly::{DetectorOptions, OnlineDetector},
    forecast::{AutoForecaster, Fit, Predict},
};

use super::simulated::coarse;
use crate::document::{Settings, Table, each, number};

const SERIES: usize = 1_000;
const QUICK_SERIES: usize = 100;
const MINUTES: usize = 5;
const STEP_MS: i64 = 300_000;
/// A day ahead, in steps.
const DAY: usize = 288;
/// Threads of the fleet's run.
const THREADS: usize = 2;
/// Simulated weeks of the fleet's series.
const WEEKS: u32 = 2;
/// Number of streams at one-minute steps.
const STREAMS: usize = 20;
/// Weeks of each stream; the second half, after warm-up, is measured.
const STREAM_WEEKS: u32 = 8;
const MINUTE_MS: i64 = 60_000;

/// Measures speed on a fleet of simulated series.
///
/// # Errors
/// When the simulator cannot be run.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let series = fleet(if settings.quick { QUICK_SERIES } else { SERIES })?;
    let step = Step::from_millis(STEP_MS)?;
    let horizon = Horizon::try_new(DAY)?;
    let levels = [Level::from_percent(80.0)?, Level::from_percent(95.0)?];
    let score = |y: &Vec<f64>| {
        let mut detector = OnlineDetector::new(DetectorOptions { step: Some(step), ..DetectorOptions::default() });
        y.iter().filter(|value| detector.push(**value).score > 1.0).count()
    };
    let forecast = |y: &Vec<f64>| {
        let fitted = AutoForecaster::new(step).with_horizon(horizon).fit(y).ok()?;
        Some(fitted.predict(horizon, &levels).ok()?.point.len())
    };
    let scored = each("speed, scores", &series, 1, score);
    let foretold = each("speed, forecasts", &series, 1, forecast);
    let begun = Instant::now();
    let both = each("speed, both", &series, THREADS, |y| (forecast(y), score(y)));
    let seconds = begun.elapsed().as_secs_f64();
    let values: usize = series.iter().map(Vec::len).sum();
    let (known, found) = (streams(Some(vec![1_440, 10_080]))?, streams(None)?);
    let mut table = Table::new(&["", ""]);
    table.row([
        "causal scores of streams of minutes past warm-up, day and week given, samples/s a core",
        &number(known, 0),
    ]);
    table.row(["the same, seasons sought all along", &number(found, 0)]);
    table.row([
        "causal scores of the 14 days from their first value, seasons sought, samples/s a core",
        &number(values as f64 / scored.cpu.as_secs_f64(), 0),
    ]);
    table.row(["fit and forecast of a day, CPU ms a series", &number(foretold.cpu_ms_each(), 2)]);
    table.row(["fit, forecast and score of a series, CPU ms", &number(both.cpu_ms_each(), 2)]);
    table.row([&format!("all of it for {} series on {THREADS} threads, seconds", series.len()), &number(seconds, 1)]);
    Ok(format!(
        "## Speed\n\n\
         {} series of 14 days at five minutes (simulated signals), seasons detected. Processor time does not count what the machine\n\
         did besides; the last row is by the clock and does.\n\n{table}",
        series.len(),
    ))
}

/// Returns the scores per second of processor time over the second half of long streams.
fn streams(seasons: Option<Vec<usize>>) -> Result<f64, Box<dyn Error>> {
    let options = SimulatorOptions { weeks: STREAM_WEEKS, cache_hours: 0.0, ..SimulatorOptions::default() };
    let run = simulate(&options)?;
    let step = Some(Step::from_millis(MINUTE_MS)?);
    let warm: Vec<(OnlineDetector, &[f64])> = run.signals[..STREAMS.min(run.signals.len())]
        .iter()
        .map(|signal| {
            let options = DetectorOptions { seasons: seasons.clone(), step, ..DetectorOptions::default() };
            let mut detector = OnlineDetector::new(options);
            let (first, second) = signal.values.split_at(signal.values.len() / 2);
            for value in first {
                let _ = detector.push(*value);
            }
            (detector, second)
        })
        .collect();
    let scored = each("speed, streams", &warm, 1, |(detector, values)| {
        let mut detector = detector.clone();
        values.iter().filter(|value| detector.push(**value).score > 1.0).count()
    });
    let values: usize = warm.iter().map(|(_, values)| values.len()).sum();
    Ok(values as f64 / scored.cpu.as_secs_f64())
}

/// Returns `count` series from as many simulated runs as needed.
fn fleet(count: usize) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let mut series = Vec::with_capacity(count);
    for seed in 1.. {
        let options = SimulatorOptions { seed, weeks: WEEKS, cache_hours: 0.0, ..SimulatorOptions::default() };
        series.extend(simulate(&options)?.signals.iter().map(|signal| coarse(&signal.values, MINUTES)));
        if series.len() >= count {
            break;
        }
    }
    series.truncate(count);
    Ok(series)
}
