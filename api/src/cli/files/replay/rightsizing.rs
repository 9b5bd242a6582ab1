//! `almanac replay rightsizing`: replays rules for requests of CPU or memory on recorded usage.

use std::{io::Write, path::PathBuf, time::Duration};

use almanac_engine::{
    advise::{
        rightsizing::{
            ContainerResource, ContainerSpec, Covering, CoveringOptions, Krr, Leading, RequestRule, Vpa, check_usage,
            decide_request, remarks, score_requests, trace_requests,
        },
        scaling::DemandHistory,
    },
    ingest::files::{FileSeries, read_series_file},
};
use serde_json::{Map, Value, json};

use super::{duration, millis, print, rfc3339, some_replayed};
use crate::cli::{CliError, Global, files::print_notes, output, progress};

/// Options of `replay rightsizing`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file of usage, in cores or bytes, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Resource that the file measures
    #[arg(long, value_enum)]
    pub resource: Resource,
    /// Current request, in cores or bytes, or like 500m or 512Mi
    #[arg(long, value_name = "AMOUNT")]
    pub request: Option<String>,
    /// Smallest request to recommend [10m or 16Mi]
    #[arg(long, value_name = "AMOUNT")]
    pub min_request: Option<String>,
    /// Length of the history at the start of the series, which is not scored
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub warmup: Duration,
    /// Cost of an hour with CPU usage above the request, in hours of the mean usage idling; for memory 50 times that
    #[arg(long, value_name = "RATIO")]
    pub above_cost: Option<f64>,
    /// Write the request of the leading rule at every step to this file
    #[arg(long, value_name = "OUT.csv")]
    pub decisions: Option<PathBuf>,
}

/// Resource of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Resource {
    /// Cores
    Cpu,
    /// Bytes
    Memory,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let (request, options) = args.settings()?;
    let file = read_series_file(&args.file).map_err(|error| CliError::from_error(&error))?;
    print_notes(&args.file, &file);
    let bar = progress::counted(global, "replaying", "series", file.series.len() as u64);
    let series = file.series.into_iter().map(|series| {
        bar.inc(1);
        Replay::of(series, &args, request, &options)
    });
    let replays: Vec<Replay> = series.collect();
    bar.finish_and_clear();
    let outcomes = replays.iter().map(|replay| (&*replay.name, replay.outcome.as_ref().err().map(String::as_str)));
    some_replayed(&args.file, outcomes)?;
    if let Some(path) = &args.decisions {
        output::write_file(path, |out| write_decisions(out, &replays))?;
    }
    print(&json!({"series": replays.iter().map(Replay::report).collect::<Vec<_>>()}))
}

impl Args {
    /// Returns the current request and the options of the rules.
    fn settings(&self) -> Result<(Option<f64>, CoveringOptions), CliError> {
        let resource = match self.resource {
            Resource::Cpu => ContainerResource::Cpu,
            Resource::Memory => ContainerResource::Memory,
        };
        let amount = |name: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let amount = resource.parse(text).map_err(|message| CliError::usage(format!("{name} {message}")))?;
            if amount > 0.0 {
                Ok(Some(amount))
            } else {
                Err(CliError::usage(format!("{name} {text} is not a positive number")))
            }
        };
        let (request, least) = (amount("--request", &self.request)?, amount("--min-request", &self.min_request)?);
        if let Some(ratio) = self.above_cost.filter(|ratio| !(*ratio > 0.0 && ratio.is_finite())) {
            return Err(CliError::usage(format!("--above-cost {ratio} is not a positive number")));
        }
        // `ContainerSpec` fills in the defaults of the options that are not given.
        let spec = ContainerSpec {
            above_cost_ratio: self.above_cost,
            cpu_min: least,
            memory_min: least,
            ..ContainerSpec::new("")
        };
        Ok((request, spec.options(resource, None)))
    }
}

/// One series with the result of its replay, or the reason why it has none.
struct Replay {
    name: String,
    steps: usize,
    outcome: Result<Outcome, String>,
}

/// Result of a replay.
struct Outcome {
    usage: DemandHistory,
    requests: Vec<Option<f64>>,
    scored_from_ms: i64,
    rules: Map<String, Value>,
    recommended: Value,
    notes: Vec<String>,
}

impl Replay {
    fn of(series: FileSeries, args: &Args, request: Option<f64>, options: &CoveringOptions) -> Self {
        let FileSeries { name, timestamps, values, .. } = series;
        let steps = timestamps.len();
        let outcome = DemandHistory::try_new(timestamps, values)
            .map_err(|error| error.to_string())
            .and_then(|usage| Outcome::of(usage, args, request, options));
        Self { name, steps, outcome }
    }

    fn report(&self) -> Value {
        let (name, steps) = (&self.name, self.steps);
        match &self.outcome {
            Err(reason) => {
                json!({"series": name, "steps": steps, "scored_from": null, "rules": null, "reason": reason})
            }
            Ok(Outcome { scored_from_ms, rules, recommended, notes, .. }) => json!({
                "series": name,
                "steps": steps,
                "scored_from": rfc3339(*scored_from_ms),
                "rules": rules,
                "recommended": recommended,
                "notes": notes,
            }),
        }
    }
}

impl Outcome {
    /// Replays all rules on the usage, and decides on the whole series.
    fn of(usage: DemandHistory, args: &Args, request: Option<f64>, options: &CoveringOptions) -> Result<Self, String> {
        check_usage(&usage, options.resource, request).map_err(|error| error.to_string())?;
        let scored_from_ms = usage.timestamps()[0].saturating_add(millis(args.warmup));
        let score = |requests: &[Option<f64>]| {
            let figures = score_requests(&usage, requests, scored_from_ms);
            figures.ok_or_else(|| "nothing is left to score after the warm-up; give a shorter --warmup".to_owned())
        };
        // A trace has the request of a rule at every step, decided on the steps before it.
        let requests = trace_requests(&usage, &mut Leading::new(*options));
        let trace = |rule: &mut dyn RequestRule| trace_requests(&usage, rule);
        let mut traces = vec![
            ("leading", requests.clone()),
            ("covering", trace(&mut Covering::new(*options))),
            ("vpa", trace(&mut Vpa::new(options.resource))),
            ("krr", trace(&mut Krr::new(options.resource))),
        ];
        traces.extend(request.map(|request| ("present", vec![Some(request); usage.len()])));
        let mut rules = Map::new();
        for (name, requests) in &traces {
            rules.insert((*name).to_owned(), score(requests)?.report(options.above_cost));
        }
        let recommended = match decide_request(&usage, request, options) {
            Ok(decision) => json!({
                "request": decision.request,
                "quantity": options.resource.quantity(decision.request).1,
                "rule": decision.leader,
                "idle_share": {"value": decision.idle.value, "lower": decision.idle.lower, "upper": decision.idle.upper},
                "above_share": {"value": decision.above.value, "lower": decision.above.lower, "upper": decision.above.upper},
                "confidence": decision.confidence,
                "cost": {"value": decision.cost.value, "lower": decision.cost.lower, "upper": decision.cost.upper},
                "reason": null,
            }),
            Err(reason) => json!({"request": null, "reason": reason.to_string()}),
        };
        let mut notes = usage.left_out().notes();
        notes.extend(remarks(&usage, options.resource, request, &[]));
        Ok(Self { usage, requests, scored_from_ms, rules, recommended, notes })
    }
}

/// Writes usage and request at every step as CSV; usage is empty where no sample was observed.
fn write_decisions(out: &mut dyn Write, replays: &[Replay]) -> Result<(), CliError> {
    let mut csv = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| CliError::from_error(&error);
    csv.write_record(["series", "timestamp", "usage", "request"]).map_err(failed)?;
    for Replay { name, outcome, .. } in replays {
        let Ok(Outcome { usage, requests, .. }) = outcome else { continue };
        for (idx, &timestamp_ms) in usage.timestamps().iter().enumerate() {
            let used = if usage.observed()[idx] { usage.values()[idx].to_string() } else { String::new() };
            let request = requests[idx].map(|request| request.to_string()).unwrap_or_default();
            csv.write_record([name, &rfc3339(timestamp_ms), &used, &request]).map_err(failed)?;
        }
    }
    csv.flush()?;
    Ok(())
}
