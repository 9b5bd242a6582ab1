//! `almanac forecast`: forecasts the series of a file.

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

use super::step::{calendar_words, parse_spacing, parse_step};
use super::{calendar, print_notes};
use crate::cli::{CliError, Global, output, progress};

/// Options of `forecast`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
    /// Number of steps to forecast
    #[arg(long, value_name = "STEPS")]
    pub horizon: usize,
    /// Distance between points, like 1h, or a calendar step 1mo, 1q, 1y [inferred]
    #[arg(long, value_name = "DURATION")]
    pub step: Option<String>,
    /// Seasons: auto, none, or lengths like 1d,1w or 1y
    #[arg(long, value_name = "SEASONS", default_value = "auto")]
    pub seasons: String,
    /// Levels of the intervals in percent
    #[arg(long, value_name = "PERCENT", default_value = "80,95")]
    pub level: String,
    /// Time zone whose days and weeks the series follow across daylight saving, like Europe/Berlin [UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Dates that differ from ordinary days, past and future, like 2026-12-25,2027-01-01
    #[arg(long, value_name = "DATES")]
    pub holidays: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let settings = Settings::read(&args)?;
    let reading = progress::waiting(global, "reading the file");
    let file = read_series_file(&args.file).map_err(|error| CliError::from_error(&error))?;
    reading.finish_and_clear();
    print_notes(&args.file, &file);
    let forecasts = settings.forecast_all(&file.series, global);
    settings.print_spacing(&args.file, &forecasts);
    let mut out = csv::Writer::from_writer(output::stdout());
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => CliError::from(error),
        other => CliError::failed(format!("{other:?}")),
    };
    // Without any forecast stdout stays empty, without a header.
    if forecasts.iter().any(Result::is_ok) {
        out.write_record(settings.header()).map_err(failed)?;
    }
    let mut failures: Vec<(String, CliError)> = Vec::new();
    for (series, outcome) in file.series.iter().zip(forecasts) {
        match outcome {
            Ok(forecast) => {
                for row in settings.rows(series, &forecast) {
                    out.write_record(row).map_err(failed)?;
                }
            }
            Err(error) => failures.push((series.name.clone(), error)),
        }
    }
    out.flush()?;
    let (count, of) = (failures.len(), file.series.len());
    match failures.into_iter().next() {
        None => Ok(()),
        Some((name, error)) if count == 1 => Err(error.context(format!("{}: series {name:?}", args.file.display()))),
        Some((name, error)) => Err(error.context(format!(
            "{}: {count} of {of} series could not be forecast; the first is {name:?}",
            args.file.display()
        ))),
    }
}

/// Parsed options of the command.
struct Settings {
    horizon: Horizon,
    step: Option<Spacing>,
    /// Lengths of the seasons; `None`: detected.
    seasons: Option<Vec<Step>>,
    levels: Vec<Level>,
    calendar: Calendar,
}

/// The forecast of one series, with its instants in epoch milliseconds.
struct SeriesForecast {
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
            // Levels below 1 % are taken for a share, such as 0.8 for 80 %.
            if level.percent() < 1.0 {
                let (given, meant) = (level.percent(), 100.0 * level.percent());
                return Err(CliError::usage(format!("--level {given} is in percent; for {meant} % write {meant}")));
            }
            if levels.iter().any(|known| known.percent().to_bits() == level.percent().to_bits()) {
                return Err(CliError::usage(format!("--level {} is given twice", level.percent())));
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

    /// Forecasts all series on all processors; the results have the order of the series.
    fn forecast_all(&self, series: &[FileSeries], global: &Global) -> Vec<Result<SeriesForecast, CliError>> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(series.len().max(1));
        let next = AtomicUsize::new(0);
        let (sender, results) = mpsc::channel();
        let mut out: Vec<Result<SeriesForecast, CliError>> =
            series.iter().map(|_| Err(CliError::failed("the forecasting thread stopped unexpectedly"))).collect();
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
            let bar = progress::counted(global, "forecasting", "series", series.len() as u64);
            for (idx, forecast) in results {
                bar.inc(1);
                out[idx] = forecast;
            }
        });
        out
    }

    /// Forecasts one series.
    fn forecast(&self, series: &FileSeries) -> Result<SeriesForecast, CliError> {
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
            let step = calendar_words(spacing).unwrap_or_default();
            return Err(CliError::usage(format!(
                "--holidays requires a step of at most a day; a step of {step} contains other days too"
            )));
        }
        forecaster = forecaster.with_holidays(holidays.unwrap_or_else(|| self.calendar.holiday_steps(start, step)));
        let steps = i64::try_from(y.len() + self.horizon.steps()).unwrap_or(i64::MAX);
        let until = start.plus_millis(step.millis().saturating_mul(steps));
        // Calendar steps follow the time zone already; fixed steps need the offsets from UTC.
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
        Ok(SeriesForecast { stamps: self.stamps(series, spacing, step)?, spacing, model, forecast })
    }

    /// Returns the step of a series: the option, or inferred from its timestamps.
    fn spacing(&self, series: &FileSeries) -> Result<Spacing, CliError> {
        if let Some(given) = self.step {
            return Ok(given.by(&self.calendar));
        }
        let step = infer_step(&series.timestamps).ok_or_else(|| {
            CliError::failed("all rows have one timestamp, so the step cannot be inferred; give --step, like --step 1h")
        })?;
        Ok(Spacing::of(&series.timestamps, step, &self.calendar))
    }

    /// Returns the instants of the forecast, in epoch milliseconds.
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

    /// Prints an inferred calendar step on stderr.
    fn print_spacing(&self, file: &Path, forecasts: &[Result<SeriesForecast, CliError>]) {
        let months =
            forecasts.iter().flatten().map(|forecast| forecast.spacing).find(|s| matches!(s, Spacing::Months(_)));
        let Some(spacing) = months.filter(|_| self.step.is_none()) else { return };
        if let (Some(words), Some(step)) = (calendar_words(spacing), spacing.step()) {
            let days = step.millis() / 86_400_000;
            crate::say!(
                "almanac: {}: the step is {words} by the calendar; use --step {days}d for a fixed step",
                file.display()
            );
        }
    }

    /// Returns the CSV rows of one series.
    fn rows<'a>(
        &'a self,
        series: &'a FileSeries,
        forecast: &'a SeriesForecast,
    ) -> impl Iterator<Item = Vec<String>> + 'a {
        forecast.stamps.iter().enumerate().map(move |(k, at)| {
            let mut row = vec![series.name.clone(), stamp(*at), forecast.forecast.point[k].to_string()];
            for interval in &forecast.forecast.intervals {
                row.push(interval.lower[k].to_string());
                row.push(interval.upper[k].to_string());
            }
            row.push(forecast.model.clone());
            row
        })
    }
}

/// Returns the next series for a thread, with its index.
fn next_of<'a>(series: &'a [FileSeries], next: &AtomicUsize) -> Option<(usize, &'a FileSeries)> {
    let idx = next.fetch_add(1, Ordering::Relaxed);
    series.get(idx).map(|one| (idx, one))
}

/// Formats an instant as RFC 3339; outside of its range as epoch milliseconds.
pub(super) fn stamp(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis)
        .map_or_else(|| millis.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
