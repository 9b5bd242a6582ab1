//! `almanac replay scaling`: replays predictive scaling and other policies on recorded demand.

use std::{io::Write, path::PathBuf, time::Duration};

use almanac_engine::{
    advise::scaling::{
        CHANGES_PER_DAY, CompareOptions, Comparison, DemandHistory, PolicyFigures, PoolRules, ScalingError, compare,
    },
    ingest::files::{FileSeries, read_series_file},
};
use serde_json::{Value, json};

use super::{duration, millis, print, rfc3339, some_replayed};
use crate::cli::{
    CliError, Global,
    files::{calendar, print_notes},
    output, progress,
};

/// Largest `--max`.
const MAX_REPLICAS: u32 = 100_000;

/// Options of `replay scaling`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file of demand, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Demand that one replica serves, in the file's unit
    #[arg(long, value_name = "DEMAND")]
    pub capacity: f64,
    /// Share of the capacity to use; a lower share gives more replicas under every rule
    #[arg(long, value_name = "SHARE", default_value_t = 0.7)]
    pub target_utilization: f64,
    /// Time from requesting a replica until it serves
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = duration)]
    pub startup: Duration,
    /// Minimum number of replicas
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min: u32,
    /// Maximum number of replicas
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub max: u32,
    /// Replicas that are ready at the first row [the minimum]
    #[arg(long, value_name = "N")]
    pub initial: Option<u32>,
    /// Length of the history at the start of the series, which is not scored
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub warmup: Duration,
    /// Write the desired and the ready replicas of the predictive rule at every step to this file
    #[arg(long, value_name = "OUT.csv")]
    pub decisions: Option<PathBuf>,
    /// Length of the day that demand follows; a week has seven days
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = duration)]
    pub day: Duration,
    /// Time zone whose days demand follows across daylight saving, like Europe/Berlin [UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Time that a rule waits before it scales in
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub stabilization: Duration,
    /// Maximum number of scale-ins per day of the predictive rule; scaling out is never limited
    #[arg(long, value_name = "N", default_value_t = CHANGES_PER_DAY)]
    pub max_changes_per_day: u32,
    /// Cost of unserved demand relative to that of idle capacity [derived from the cost of the reactive rule]
    #[arg(long, value_name = "RATIO")]
    pub unserved_cost: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let (rules, options) = args.settings()?;
    let file = read_series_file(&args.file).map_err(|error| CliError::from_error(&error))?;
    print_notes(&args.file, &file);
    let bar = progress::counted(global, "replaying", "series", file.series.len() as u64);
    let mut replays = Vec::with_capacity(file.series.len());
    for series in file.series {
        replays.push(replay(series, &rules, &options));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let outcomes = replays.iter().map(|replay| (&*replay.name, replay.outcome.as_ref().err().map(String::as_str)));
    some_replayed(&args.file, outcomes)?;
    if let Some(path) = &args.decisions {
        output::write_file(path, |out| write_decisions(out, &replays))?;
    }
    print(&json!({"series": replays.iter().map(Replay::report).collect::<Vec<_>>()}))
}

impl Args {
    /// Returns the rules of the pool and the options of the comparison.
    fn settings(&self) -> Result<(PoolRules, CompareOptions), CliError> {
        let rules = PoolRules {
            capacity: self.capacity,
            target_utilization: self.target_utilization,
            startup_ms: millis(self.startup),
            replicas_min: self.min,
            replicas_max: self.max,
            scale_out_max: None,
            scale_in_max: None,
            changes_per_day_max: Some(self.max_changes_per_day),
        };
        rules.check().map_err(CliError::usage)?;
        // Bounds the memory and the time of a replay.
        if self.max > MAX_REPLICAS {
            return Err(CliError::usage(format!("--max {} is more than {MAX_REPLICAS} replicas", self.max)));
        }
        let initial = self.initial.unwrap_or(self.min);
        if !(self.min..=self.max).contains(&initial) {
            let (min, max) = (self.min, self.max);
            return Err(CliError::usage(format!("--initial {initial} is not between --min {min} and --max {max}")));
        }
        if self.day.is_zero() {
            return Err(CliError::usage("--day 0s is zero; write a duration like 1d"));
        }
        if let Some(ratio) = self.unserved_cost
            && !(ratio > 0.0 && ratio.is_finite())
        {
            return Err(CliError::usage(format!("--unserved-cost {ratio} is not a positive number")));
        }
        let zone = calendar(self.time_zone.as_deref(), None)?.zone;
        let options = CompareOptions {
            initial,
            warmup_ms: millis(self.warmup),
            day_ms: millis(self.day),
            stabilization_ms: millis(self.stabilization),
            unserved_cost_ratio: self.unserved_cost,
            zone,
        };
        Ok((rules, options))
    }
}

/// One series with the result of its replay, or the reason why it has none.
struct Replay {
    name: String,
    steps: usize,
    outcome: Result<(DemandHistory, Comparison), String>,
}

fn replay(series: FileSeries, rules: &PoolRules, options: &CompareOptions) -> Replay {
    let FileSeries { name, timestamps, values, .. } = series;
    let steps = timestamps.len();
    let outcome = DemandHistory::try_new(timestamps, values)
        .map_err(ScalingError::from)
        .and_then(|history| compare(&history, rules, options).map(|comparison| (history, comparison)))
        .map_err(|error| error.to_string());
    Replay { name, steps, outcome }
}

impl Replay {
    fn report(&self) -> Value {
        let (name, steps) = (&self.name, self.steps);
        match &self.outcome {
            Err(reason) => {
                json!({"series": name, "steps": steps, "scored_from": null, "policies": null, "reason": reason})
            }
            Ok((history, comparison)) => json!({
                "series": name,
                "steps": comparison.steps,
                "scored_from": rfc3339(comparison.scored_from_ms),
                "policies": {
                    "predictive": figures(&comparison.predictive),
                    "reactive": figures(&comparison.reactive),
                    "same_cost": figures(&comparison.same_cost),
                    "last_week": figures(&comparison.last_week),
                    "static_peak": figures(&comparison.static_peak),
                    "oracle": figures(&comparison.oracle),
                },
                "notes": history.left_out().notes(),
            }),
        }
    }
}

fn figures(figures: &PolicyFigures) -> Value {
    json!({
        "under_provisioned_share": figures.under_provisioned_share,
        "unserved_share": figures.unserved_share,
        "replica_hours": figures.replica_hours,
        "replica_hours_over_oracle": figures.replica_hours_over_oracle,
        "scale_changes_per_day": figures.scale_changes_per_day,
    })
}

/// Writes demand and replicas at every step as CSV; demand is empty where no sample was observed.
fn write_decisions(out: &mut dyn Write, replays: &[Replay]) -> Result<(), CliError> {
    let mut csv = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| CliError::from_error(&error);
    csv.write_record(["series", "timestamp", "demand", "replicas_desired", "replicas_ready"]).map_err(failed)?;
    for Replay { name, outcome, .. } in replays {
        let Ok((history, comparison)) = outcome else { continue };
        for (idx, &timestamp_ms) in history.timestamps().iter().enumerate() {
            let demand = if history.observed()[idx] { history.values()[idx].to_string() } else { String::new() };
            let [desired, ready] = [&comparison.trace.desired, &comparison.trace.ready].map(|n| n[idx].to_string());
            csv.write_record([name, &rfc3339(timestamp_ms), &demand, &desired, &ready]).map_err(failed)?;
        }
    }
    csv.flush()?;
    Ok(())
}
