//! `almanac detect`: computes anomaly scores for the series of a file.

use almanac_engine::{
    ingest::files::read_series_file,
    learn::{Training, score_rows},
};
use chrono::DateTime;

use super::forecast::stamp;
use super::{calendar, print_notes};
use crate::cli::{CliError, Global, output, progress};

/// Options of `detect`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
    /// Train only on the rows up to this timestamp
    #[arg(long, value_name = "TS")]
    pub train_until: Option<String>,
    /// Train only on this first share of the rows
    #[arg(long, value_name = "F")]
    pub train_fraction: Option<f64>,
    /// Let a row's score depend on later rows
    #[arg(long)]
    pub offline: bool,
    /// Time zone whose days and weeks the series follow across daylight saving, like Europe/Berlin [UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(mut args: Args, global: &Global) -> Result<(), CliError> {
    let is_flag = ["train_until", "train_fraction", "offline"].map(|id| global.is_flag(id));
    if is_flag.contains(&true) {
        // The options exclude each other, so a flag overrides the variables of the other two.
        args.train_until = args.train_until.filter(|_| is_flag[0]);
        args.train_fraction = args.train_fraction.filter(|_| is_flag[1]);
        args.offline &= is_flag[2];
    }
    let training = training(&args)?;
    let calendar = calendar(args.time_zone.as_deref(), None)?;
    let reading = progress::waiting(global, "reading the file");
    let file = read_series_file(&args.file).map_err(|error| CliError::from_error(&error))?;
    reading.finish_and_clear();
    print_notes(&args.file, &file);
    if let Training::Until(until) = training
        && let Some(series) = file.series.iter().find(|series| series.timestamps.first().is_some_and(|t| *t > until))
    {
        let first = stamp(series.timestamps[0]);
        let (name, until) = (&series.name, stamp(until));
        return Err(CliError::usage(format!(
            "--train-until {until} is before the first row of series {name:?}, {first}"
        )));
    }
    let bar = progress::counted(global, "scoring", "series", file.series.len() as u64);
    let scored = file.series.iter().map(|series| {
        let scores = score_rows(&series.timestamps, &series.values, training, &calendar);
        bar.inc(1);
        scores
    });
    let all: Vec<_> = scored.collect();
    bar.finish_and_clear();
    let mut out = csv::Writer::from_writer(output::stdout());
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => CliError::from(error),
        other => CliError::failed(format!("{other:?}")),
    };
    out.write_record(["series", "timestamp", "value", "yhat", "yhat_lower", "yhat_upper", "score", "is_anomaly"])
        .map_err(failed)?;
    for (series, scores) in file.series.iter().zip(&all) {
        for ((&at, &value), scored) in series.timestamps.iter().zip(&series.values).zip(scores) {
            let score = format!("{:.6}", scored.score);
            // Computed from the printed score, so that readers of the file get the same result.
            let is_anomaly = score.parse::<f64>().is_ok_and(|score| score > 1.0);
            out.write_record([
                series.name.as_str(),
                &stamp(at),
                &number(value),
                &number(scored.expected),
                &number(scored.lower),
                &number(scored.upper),
                &score,
                if is_anomaly { "true" } else { "false" },
            ])
            .map_err(failed)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Returns the training mode of the options; online without any.
fn training(args: &Args) -> Result<Training, CliError> {
    let given = [args.train_until.is_some(), args.train_fraction.is_some(), args.offline];
    if given.iter().filter(|flag| **flag).count() > 1 {
        return Err(CliError::usage("--train-until, --train-fraction and --offline exclude one another; use only one"));
    }
    if let Some(fraction) = args.train_fraction {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(CliError::usage(format!("--train-fraction {fraction} is not between 0 and 1, both excluded")));
        }
        return Ok(Training::Fraction(fraction));
    }
    if let Some(text) = &args.train_until {
        let until = text
            .trim()
            .parse::<i64>()
            .ok()
            .or_else(|| DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| at.timestamp_millis()));
        return until.map(Training::Until).ok_or_else(|| {
            CliError::usage(format!(
                "--train-until {text:?} is not a timestamp; write one like 2026-01-31T00:00:00Z or epoch milliseconds"
            ))
        });
    }
    Ok(if args.offline { Training::Offline } else { Training::Online })
}

/// Formats a number; empty if it is not finite.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}
