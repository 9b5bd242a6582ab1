//! `almanac forecast`: forecasts for the series of a file.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use almanac_engine::{
    calendar::{Calendar, Spacing},
    ingest::files::{FileSeries, read_series_file},
    learn::{infer_step, regular},
};
use almanac_models::{
    Horizon, Level, Step, Timestamp,
    forecast::{AutoForecaster, Fit, Forecast, ForecastError, Predict},
};
use chrono::{DateTime, SecondsFormat};

use super::grid::{in_words, parse_spacing, parse_step};
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
    /// Distance between points, like 1h, or 1mo, 1q, 1y by the calendar [inferred]
    #[arg(long, value_name = "DURATION")]
    pub step: Option<String>,
    /// Seasons: auto, or lengths like 1d,1w or 1y, or none
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
    settings.say_spacing(&args.file, &foretold);
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
    step: Option<Spacing>,
    /// `None`: detected.
    seasons: Option<Vec<Step>>,
    levels: Vec<Level>,
    calendar: Calendar,
}

/// A forecast and the instants that it is of.
struct Course {
    stamps: Vec<i64>,
    spacing: Spacing,
    model: String,
    forecast: Forecast,
}

impl Settings {
    fn read(args: &Args) -> Result<Self, CliError> {
        let horizon = Horizon::try_new(args.horizon).map_err(|error| CliError::usage(format!("--horizon: {error}")))?;
        let step = args.step.as_deref().map(|text| parse_spacing(text, "--step")).transpose()?;
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
        let spacing = self.spacing(series)?;
        let step = spacing.step().ok_or_else(|| CliError::usage("--step is too long"))?;
        let first = series.timestamps.first().copied().unwrap_or_default();
        let start = Timestamp::from_millis(first);
        let by_calendar = spacing.regular(&series.timestamps, &series.values, &self.calendar);
        let is_fixed = by_calendar.is_none();
        let y = by_calendar.unwrap_or_else(|| regular(&series.timestamps, &series.values, step));
        let mut forecaster = AutoForecaster::new(step).with_horizon(self.horizon);
        if let Some(seasons) = &self.seasons {
            forecaster = forecaster.with_seasons(seasons.clone());
        }
        let holidays = spacing.holidays(first, &self.calendar);
        if holidays.as_ref().is_some_and(Vec::is_empty) && !self.calendar.holidays.is_empty() {
            let step = in_words(spacing).unwrap_or_default();
            return Err(CliError::usage(format!("--holidays are days; a step of {step} holds other days too")));
        }
        forecaster = forecaster.with_holidays(holidays.unwrap_or_else(|| self.calendar.holiday_steps(start, step)));
        let steps = i64::try_from(y.len() + self.horizon.steps()).unwrap_or(i64::MAX);
        let until = start.plus_millis(step.millis().saturating_mul(steps));
        // Days and months follow the clocks already.
        if let Some(offsets) = self.calendar.offsets(start, until).filter(|_| is_fixed) {
            forecaster = forecaster.with_clocks(offsets, start);
        }
        let forecast = forecaster
            .fit(&y)
            .and_then(|fitted| Ok((fitted.predict(self.horizon, &self.levels)?, fitted.model().to_owned())));
        let (forecast, model) = forecast.map_err(|error| match error {
            ForecastError::Season { .. } => CliError::usage(format!("--seasons: {error}")),
            error => CliError::from_error(&error),
        })?;
        Ok(Course { stamps: self.stamps(series, spacing, step)?, spacing, model, forecast })
    }

    /// How far the rows of a series lie apart.
    fn spacing(&self, series: &FileSeries) -> Result<Spacing, CliError> {
        if let Some(given) = self.step {
            return Ok(given.by(&self.calendar));
        }
        let step = infer_step(&series.timestamps).ok_or_else(|| {
            CliError::failed("all rows have one timestamp, so the step cannot be inferred; give --step, like --step 1h")
        })?;
        Ok(Spacing::of(&series.timestamps, step, &self.calendar))
    }

    /// The instants that are forecast.
    fn stamps(&self, series: &FileSeries, spacing: Spacing, step: Step) -> Result<Vec<i64>, CliError> {
        let steps = self.horizon.steps();
        if let Spacing::Fixed(_) = spacing {
            let last = series.timestamps.last().copied().unwrap_or_default();
            let at = |k: usize| last.saturating_add(step.millis().saturating_mul(i64::try_from(k).unwrap_or(i64::MAX)));
            return Ok((1..=steps).map(at).collect());
        }
        spacing
            .after(&series.timestamps, steps, &self.calendar)
            .ok_or_else(|| CliError::usage(format!("--horizon: {steps} steps end beyond the calendar; ask for fewer")))
    }

    /// Says on stderr which step of the calendar was found.
    fn say_spacing(&self, file: &Path, foretold: &[Result<Course, CliError>]) {
        let months = foretold.iter().flatten().map(|course| course.spacing).find(|s| matches!(s, Spacing::Months(_)));
        let Some(spacing) = months.filter(|_| self.step.is_none()) else { return };
        if let (Some(words), Some(step)) = (in_words(spacing), spacing.step()) {
            let days = step.millis() / 86_400_000;
            eprintln!(
                "almanac: {}: the step is {words} of the calendar; --step {days}d takes a fixed time",
                file.display()
            );
        }
    }

    fn rows<'a>(&'a self, series: &'a FileSeries, course: &'a Course) -> impl Iterator<Item = Vec<String>> + 'a {
        course.stamps.iter().enumerate().map(move |(k, at)| {
            let mut row = vec![series.name.clone(), stamp(*at), course.forecast.point[k].to_string()];
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
