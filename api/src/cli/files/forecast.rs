//! `almanac forecast`: forecasts for the series of a file.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use almanac_engine::{
    calendar::Calendar,
    ingest::files::{FileSeries, read_series_file},
    learn::{infer_step, regular},
};
use almanac_models::{
    Horizon, Level, Step, Timestamp,
    forecast::{AutoForecaster, Forecast},
};
use chrono::{DateTime, SecondsFormat};

use super::grid::parse_step;
use super::{calendar, warn_of_stamps};
use crate::cli::{CliError, Global, output};

/// Options of `forecast`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
    /// Steps ahead
    #[arg(long, value_name = "STEPS")]
    pub horizon: usize,
    /// Distance between points, like 1h [inferred]
    #[arg(long, value_name = "DURATION")]
    pub step: Option<String>,
    /// Seasons: auto, or lengths like 1d,1w, or none
    #[arg(long, value_name = "SEASONS", default_value = "auto")]
    pub seasons: String,
    /// Levels of the intervals in percent
    #[arg(long, value_name = "PERCENT", default_value = "80,95")]
    pub level: String,
    /// Time zone whose days and weeks the series follow across daylight saving, like Europe/Berlin [UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Days that are not like others, past and to come, like 2026-12-25,2027-01-01
    #[arg(long, value_name = "DATES")]
    pub holidays: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, _global: &Global) -> Result<(), CliError> {
    let settings = Settings::read(&args)?;
    let file = read_series_file(&args.file).map_err(|error| CliError::from_error(&error))?;
    warn_of_stamps(&args.file, &file);
    let foretold = settings.forecast_all(&file.series);
    let mut out = csv::Writer::from_writer(output::stdout());
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => CliError::from(error),
        other => CliError::failed(format!("{other:?}")),
    };
    // Where nothing can be said nothing is written, not even a header.
    if foretold.iter().any(Result::is_ok) {
        out.write_record(settings.header()).map_err(failed)?;
    }
    let mut refused: Vec<(String, CliError)> = Vec::new();
    for (series, outcome) in file.series.iter().zip(foretold) {
        match outcome {
            Ok(course) => {
                for row in settings.rows(series, &course) {
                    out.write_record(row).map_err(failed)?;
                }
            }
            Err(error) => refused.push((series.name.clone(), error)),
        }
    }
    out.flush()?;
    let (count, of) = (refused.len(), file.series.len());
    match refused.into_iter().next() {
        None => Ok(()),
        Some((name, error)) if count == 1 => Err(error.context(format!("{}: series {name:?}", args.file.display()))),
        Some((name, error)) => Err(error.context(format!(
            "{}: {count} of {of} series were not forecast; the first is {name:?}",
            args.file.display()
        ))),
    }
}

struct Settings {
    horizon: Horizon,
    step: Option<Step>,
    /// `None`: detected.
    seasons: Option<Vec<Step>>,
    levels: Vec<Level>,
    calendar: Calendar,
}

/// A forecast and where it lies.
struct Course {
    start_ms: i64,
    step: Step,
    model: String,
    forecast: Forecast,
}

impl Settings {
    fn read(args: &Args) -> Result<Self, CliError> {
        let horizon = Horizon::try_new(args.horizon).map_err(|error| CliError::usage(format!("--horizon: {error}")))?;
        let step = args.step.as_deref().map(|text| parse_step(text, "--step")).transpose()?;
        let seasons = match args.seasons.trim() {
            "auto" => None,
            "none" => Some(Vec::new()),
            list => Some(list.split(',').map(|text| parse_step(text, "--seasons")).collect::<Result<Vec<_>, _>>()?),
        };
        let mut levels: Vec<Level> = Vec::new();
        for text in args.level.split(',') {
            let percent = text.trim().parse::<f64>().ok();
            let level = percent.and_then(|percent| Level::from_percent(percent).ok()).ok_or_else(|| {
                CliError::usage(format!("--level {text:?} is not between 0 and 100 percent; write levels like 80,95"))
            })?;
            if level.percent() < 1.0 {
                let (given, meant) = (level.percent(), 100.0 * level.percent());
                return Err(CliError::usage(format!("--level {given} is in percent; for {meant} % write {meant}")));
            }
            if levels.iter().any(|known| known.percent().to_bits() == level.percent().to_bits()) {
                return Err(CliError::usage(format!("--level {} stands twice", level.percent())));
            }
            levels.push(level);
        }
        let calendar = calendar(args.time_zone.as_deref(), args.holidays.as_deref())?;
        Ok(Self { horizon, step, seasons, levels, calendar })
    }

    fn header(&self) -> Vec<String> {
        let mut header = vec!["series".to_owned(), "timestamp".to_owned(), "yhat".to_owned()];
        for level in &self.levels {
            header.push(format!("yhat_lower_{}", level.percent()));
            header.push(format!("yhat_upper_{}", level.percent()));
        }
        header.push("model".to_owned());
        header
    }

    /// Forecasts of all series, in their order, on all processors.
    fn forecast_all(&self, series: &[FileSeries]) -> Vec<Result<Course, CliError>> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(series.len().max(1));
        let next = AtomicUsize::new(0);
        let (sender, courses) = mpsc::channel();
        let mut out: Vec<Result<Course, CliError>> =
            series.iter().map(|_| Err(CliError::failed("a worker ended before its time"))).collect();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some((idx, one)) = next_of(series, next) {
                        if sender.send((idx, self.forecast(one))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (idx, course) in courses {
                out[idx] = course;
            }
        });
        out
    }

    fn forecast(&self, series: &FileSeries) -> Result<Course, CliError> {
        let step = match self.step {
            Some(step) => step,
            None => infer_step(&series.timestamps).ok_or_else(|| {
                CliError::failed(
                    "all rows have one timestamp, so the step cannot be inferred; give --step, like --step 1h",
                )
            })?,
        };
        let y = regular(&series.timestamps, &series.values, step);
        let mut forecaster = AutoForecaster::new(step).with_horizon(self.horizon);
        if let Some(seasons) = &self.seasons {
            forecaster = forecaster.with_seasons(seasons.clone());
        }
        let start = Timestamp::from_millis(series.timestamps.first().copied().unwrap_or_default());
        forecaster = forecaster.with_holidays(self.calendar.holiday_steps(start, step));
        let steps = i64::try_from(y.len() + self.horizon.steps()).unwrap_or(i64::MAX);
        let until = start.plus_millis(step.millis().saturating_mul(steps));
        if let Some(offsets) = self.calendar.offsets(start, until) {
            forecaster = forecaster.with_clocks(offsets, start);
        }
        let fitted = forecaster.fit(&y).map_err(|error| match error {
            almanac_models::forecast::ForecastError::Season { .. } => CliError::usage(format!("--seasons: {error}")),
            error => CliError::from_error(&error),
        })?;
        let start_ms = series.timestamps.last().copied().unwrap_or_default();
        let forecast = fitted.predict(self.horizon, &self.levels);
        Ok(Course { start_ms, step, model: fitted.model().to_owned(), forecast })
    }

    fn rows<'a>(&'a self, series: &'a FileSeries, course: &'a Course) -> impl Iterator<Item = Vec<String>> + 'a {
        let mut at = course.start_ms;
        (0..course.forecast.point.len()).map(move |k| {
            at = at.saturating_add(course.step.millis());
            let mut row = vec![series.name.clone(), stamp(at), course.forecast.point[k].to_string()];
            for interval in &course.forecast.intervals {
                row.push(interval.lower[k].to_string());
                row.push(interval.upper[k].to_string());
            }
            row.push(course.model.clone());
            row
        })
    }
}

fn next_of<'a>(series: &'a [FileSeries], next: &AtomicUsize) -> Option<(usize, &'a FileSeries)> {
    let idx = next.fetch_add(1, Ordering::Relaxed);
    series.get(idx).map(|one| (idx, one))
}

/// An instant in RFC 3339; epoch milliseconds where the calendar ends.
pub(super) fn stamp(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis)
        .map_or_else(|| millis.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
