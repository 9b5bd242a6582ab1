//! `almanac replay ttl`: replays times-to-live on recorded cache events.

use std::{collections::BTreeMap, path::PathBuf};

use almanac_engine::{
    advise::ttl::{CacheAccess, TtlOptions, default_grid, replay_caches_counted},
    ingest::files::read_event_file,
};
use almanac_models::{Level, ttl::OnWrite};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::print;
use crate::{
    cli::{CliError, Global, progress, units::warn_of_unit},
    config::Span,
};

/// Level of the predicted intervals.
const LEVEL: f64 = 0.8;

/// Options of `replay ttl`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Event file, CSV or Parquet
    #[arg(value_name = "EVENTS")]
    pub events: PathBuf,
    /// Share of each cache's time span to learn from; the rest is scored
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub split: f64,
    /// Maximum share of stale hits
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub max_stale: f64,
    /// Current times-to-live, like user_profile=1h,tasks=5m
    #[arg(long, value_name = "CACHE=TTL", value_delimiter = ',', value_parser = current)]
    pub current: Vec<(String, Span)>,
    /// Assume that every write drops the cached copy
    #[arg(long)]
    pub invalidate_on_write: bool,
    /// Times-to-live to evaluate, like 10s,1m,1h [from 1s to 1d]
    #[arg(long, value_name = "TTL", value_delimiter = ',')]
    pub grid: Vec<Span>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let bar = progress::counted(global, "replaying", "events", 0);
    let report = report(&args, &bar)?;
    bar.finish_and_clear();
    print(&report)
}

fn report(args: &Args, bar: &ProgressBar) -> Result<Value, CliError> {
    let options = options(args)?;
    let events = read_event_file(&args.events).map_err(|error| CliError::from_error(&error))?;
    let stamps = || events.iter().map(|event| event.timestamp.millis());
    if let Some(span_ms) = stamps().min().zip(stamps().max()) {
        warn_of_unit(&args.events, span_ms);
    }
    let replays = replay_caches_counted(events.iter().map(CacheAccess::from), &options, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })
    .map_err(CliError::usage)?;
    Ok(json!({"caches": replays.iter().map(|replay| replay.to_json()).collect::<Vec<_>>()}))
}

fn options(args: &Args) -> Result<TtlOptions, CliError> {
    let level = Level::try_new(LEVEL).map_err(CliError::usage)?;
    let mut current_ms = BTreeMap::new();
    for (cache, ttl) in &args.current {
        if current_ms.insert(cache.clone(), ttl.millis()).is_some() {
            return Err(CliError::usage(format!("--current names cache {cache:?} twice")));
        }
    }
    let mut grid_ms: Vec<i64> = args.grid.iter().map(|ttl| ttl.millis()).collect();
    if grid_ms.is_empty() {
        grid_ms = default_grid();
    }
    let options = TtlOptions {
        split: args.split,
        stale_share_max: args.max_stale,
        current_ms,
        on_write: if args.invalidate_on_write { OnWrite::Drop } else { OnWrite::Keep },
        grid_ms,
        ..TtlOptions::new(level)
    };
    options.validate().map_err(CliError::usage)?;
    Ok(options)
}

/// Parses `CACHE=TTL`.
fn current(text: &str) -> Result<(String, Span), String> {
    let (cache, ttl) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not CACHE=TTL, like user_profile=1h"))?;
    if cache.is_empty() {
        return Err(format!("{text:?} has no name of a cache; write CACHE=TTL, like user_profile=1h"));
    }
    Ok((cache.to_owned(), ttl.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Call {
        #[command(flatten)]
        args: Args,
    }

    fn call(events: &str, flags: &[&str]) -> Result<Value, CliError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.csv");
        std::fs::write(&path, events).unwrap();
        let words = ["almanac", path.to_str().unwrap()].into_iter().chain(flags.iter().copied());
        report(&Call::try_parse_from(words).map_err(CliError::usage)?.args, &ProgressBar::hidden())
    }

    /// Two keys, the same ten seconds forty times: a read each second, a write of `a` at the fourth.
    fn events() -> String {
        let mut text = "timestamp,cache,key,op\n".to_owned();
        for second in 0..400 {
            for key in ["a", "b"] {
                text.push_str(&format!("{},pages,{key},get\n", second * 1000));
            }
            if second % 10 == 4 {
                text.push_str(&format!("{},pages,a,write\n", second * 1000 + 1));
            }
        }
        text
    }

    #[test]
    fn a_replay_has_every_requested_ttl() {
        let report = call(&events(), &["--grid", "2s,5s", "--current", "pages=3s", "--max-stale", "0.5"]).unwrap();
        let cache = &report["caches"][0];
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        // Sorted: the order of keys depends on the features of serde_json.
        let mut names: Vec<String> = keys(cache).split(' ').map(str::to_owned).collect();
        names.sort_unstable();
        let expected =
            "cache current events findings from gains hours hours_figures identifiable recommended split_at ttls until";
        assert_eq!(names.join(" "), expected);
        let ttls: Vec<&Value> = cache["ttls"].as_array().unwrap().iter().map(|row| &row["ttl_seconds"]).collect();
        assert_eq!(ttls, [&json!(2), &json!(3), &json!(5)]);
        assert_eq!((&cache["current"]["ttl_seconds"], &cache["recommended"]["ttl_seconds"]), (&json!(3), &json!(5)));
        for name in ["hit_ratio", "stale_share", "resident_keys_mean"] {
            let figure = &cache["ttls"][2][name];
            let [lower, value, upper] =
                ["lower", "value", "upper"].map(|end| figure["predicted"][end].as_f64().unwrap());
            assert!(lower <= value && value <= upper && figure["replayed"].is_f64(), "{name}: {figure}");
        }
    }

    #[test]
    fn figures_match_a_calculation_by_hand() {
        // Second part: from 199.5 s on. At 5 s each key fills at 200, 205 s and so on; the write at 204.001 s follows
        // the last hit of the first copy, so no hit is stale: 8 of 10 reads hit.
        let report = call(&events(), &["--grid", "5s", "--max-stale", "1"]).unwrap();
        let row = &report["caches"][0]["ttls"][0];
        assert_eq!(report["caches"][0]["split_at"], 199_500);
        assert_eq!(row["hit_ratio"]["replayed"], 0.8);
        assert_eq!(row["stale_share"]["replayed"], 0.0);
        // Two keys over 199 of the 199.5 seconds.
        assert_eq!(row["resident_keys_mean"]["replayed"], 2.0 * 199.0 / 199.5);
        // At 10 s each key fills once in ten seconds; of the 9 hits on a, 5 come after the write.
        let report = call(&events(), &["--grid", "10s", "--max-stale", "1"]).unwrap();
        let row = &report["caches"][0]["ttls"][0];
        assert_eq!(row["hit_ratio"]["replayed"], 0.9);
        assert_eq!(row["stale_share"]["replayed"], 5.0 / 18.0);
        let report = call(&events(), &["--grid", "10s", "--invalidate-on-write"]).unwrap();
        let row = &report["caches"][0]["ttls"][0];
        assert_eq!(
            (&row["hit_ratio"]["replayed"], &row["stale_share"]["replayed"]),
            // Each write drops the copy of `a`, whose reads miss at 200, 205, 215, … s: 21 misses and 20 of `b`.
            (&json!(359.0 / 400.0), &json!(0.0))
        );
    }

    #[test]
    fn without_writes_staleness_is_not_identifiable() {
        let reads: String =
            events().lines().filter(|line| !line.ends_with("write")).map(|line| format!("{line}\n")).collect();
        let report = call(&reads, &["--grid", "2s"]).unwrap();
        let cache = &report["caches"][0];
        assert_eq!(cache["identifiable"], false);
        assert_eq!(cache["recommended"], Value::Null);
        let stale = &cache["ttls"][0]["stale_share"]["predicted"];
        assert_eq!((&stale["value"], &stale["lower"], &stale["upper"]), (&Value::Null, &json!(0.0), &json!(1.0)));
        assert!(cache["reason"].as_str().unwrap().contains("not identifiable"), "{}", cache["reason"]);
    }

    fn refused(events: &str, flags: &[&str], expected: &str) {
        let message = call(events, flags).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn errors_name_the_option_or_the_file() {
        refused(&events(), &["--split", "1"], "split 1 is not between 0 and 1");
        refused(&events(), &["--max-stale", "2"], "stale share limit 2 is not between 0 and 1");
        refused(&events(), &["--current", "page=1h"], "cache \"page\" has no events; the events name \"pages\"");
        refused(&events(), &["--current", "pages"], "\"pages\" is not CACHE=TTL");
        refused(&events(), &["--current", "pages=1h,pages=2h"], "--current names cache \"pages\" twice");
        refused(&events(), &["--grid", "0s"], "\"0s\" is zero");
        refused("timestamp,cache,key,op\n1,a,b,read\n", &[], "read");
    }
}
