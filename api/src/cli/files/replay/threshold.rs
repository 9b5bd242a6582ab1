//! `almanac replay threshold`: replays alerting rules and recommended ones on recorded signals.

use std::{fs, path::PathBuf};

use almanac_engine::{
    advise::threshold::{
        Alternative, NotUsed, RuleFigures, RuleFile, RuleReplay, SignalHistory, ThresholdError, ThresholdOptions,
        ThresholdReplay, format_duration, replay_rules_counted,
    },
    ingest::files::{FileSeries, read_labelled_series_file},
};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::{print, rfc3339};
use crate::cli::{CliError, Global, files::print_notes, output, progress};

/// Options of `replay threshold`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series file, CSV or Parquet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// File of Prometheus alerting rules
    #[arg(long, value_name = "RULES")]
    pub rules: PathBuf,
    /// Share of the time span to learn from; the rest is scored
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub split: f64,
    /// Write the recommended rules to this file
    #[arg(long, value_name = "RECOMMENDED")]
    pub output: Option<PathBuf>,
    /// With labelled incidents, also recommend bounds by hour of week and bands around the expected value, with the
    /// recording rules that they read
    #[arg(long)]
    pub moving_bounds: bool,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let bar = progress::counted(global, "replaying", "rules on series", 0);
    let replay = replay(&args, &bar)?;
    bar.finish_and_clear();
    if let Some(path) = &args.output {
        let yaml = replay.recommended.to_yaml().map_err(|error| CliError::from_error(&error))?;
        output::write_file(path, |out| Ok(out.write_all(yaml.as_bytes())?))?;
    }
    print(&report(&replay))
}

fn replay(args: &Args, bar: &ProgressBar) -> Result<ThresholdReplay, CliError> {
    let options = ThresholdOptions { split: args.split, moving_bounds: args.moving_bounds };
    if !(options.split > 0.0 && options.split < 1.0) {
        return Err(CliError::usage(ThresholdError::Split { split: options.split }));
    }
    let name = args.rules.display().to_string();
    // The rules are parsed before the series file, which may be large.
    let text = fs::read_to_string(&args.rules)
        .map_err(|error| CliError::failed(format!("{name} could not be read: {error}")))?;
    let rules = RuleFile::parse(&name, &text).map_err(|error| CliError::from_error(&error))?;
    let file = read_labelled_series_file(&args.file).map_err(|error| CliError::from_error(&error))?;
    print_notes(&args.file, &file);
    let series: Vec<SignalHistory> = file.series.into_iter().map(history).collect();
    replay_rules_counted(&name, &rules, &series, &options, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })
    .map_err(|error| CliError::from_error(&error))
}

fn history(series: FileSeries) -> SignalHistory {
    SignalHistory { name: series.name, timestamps: series.timestamps, values: series.values, incident: series.incident }
}

fn report(replay: &ThresholdReplay) -> Value {
    let mut report = Map::new();
    report.insert("evaluated_from".to_owned(), json!(rfc3339(replay.evaluated_from.millis())));
    report.insert("rules".to_owned(), replay.rules.iter().map(rule).collect());
    if !replay.kept.is_empty() {
        let kept = replay.kept.iter();
        let kept = kept
            .map(|rule| {
                json!({
                    "alert": rule.alert,
                    "expr": rule.expr,
                    "reason": rule.reason,
                    "skipped": rule.why == NotUsed::Skipped,
                })
            })
            .collect();
        report.insert("kept_as_they_are".to_owned(), kept);
    }
    Value::Object(report)
}

fn rule(replay: &RuleReplay) -> Value {
    json!({
        "alert": replay.alert,
        "series": replay.series,
        "evaluated_from": rfc3339(replay.evaluated_from.millis()),
        "labelled": replay.labelled,
        "present": figures(&replay.present, replay.labelled),
        "recommended": figures(&replay.recommended, replay.labelled),
        "changed": replay.changed,
        "reason": replay.reason,
        "lead_change_seconds": replay.lead_change_s,
        "alternatives": replay.alternatives.iter().map(alternative).collect::<Value>(),
        "breach": replay.breach.map(|breach| json!({
            "expected": rfc3339(breach.expected_ms),
            "earliest": rfc3339(breach.earliest_ms),
            "latest": breach.latest_ms.map(rfc3339),
            "slope_per_day": breach.slope_per_day,
        })),
    })
}

fn alternative((expr, alternative): &(String, Alternative)) -> Value {
    let score = &alternative.score;
    json!({
        "name": alternative.name,
        "expr": expr,
        "for": format_duration(alternative.setting.for_ms),
        "false_alerts_per_week": score.false_alerts_per_week(),
        "incidents_caught": score.incidents_caught,
    })
}

/// Returns the figures of a rule. Without labels, false alerts and missed incidents cannot be counted: their fields are
/// null, and the expected number of false alerts is added.
fn figures(figures: &RuleFigures, labelled: bool) -> Value {
    let score = &figures.score;
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("expr", json!(figures.expr));
    put("for", json!(format_duration(figures.for_ms)));
    if figures.keep_firing_for_ms > 0 {
        put("keep_firing_for", json!(format_duration(figures.keep_firing_for_ms)));
    }
    put("alerts_per_week", json!(score.alerts_per_week()));
    put("false_alerts_per_week", json!(labelled.then(|| score.false_alerts_per_week())));
    put("incidents", json!(score.incidents));
    put("incidents_caught", json!(score.incidents_caught));
    put("median_lead_seconds", json!(score.median_lead_s()));
    put("false_time_share", json!(labelled.then(|| score.false_time_share())));
    if !labelled {
        put("expected_false_alerts_per_year", json!(figures.expected_alerts_per_year));
        put("recall", json!("unknown"));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str =
        "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: value > 1.5\n    labels: {severity: page}\n";

    /// Two days of minutes: values from 1 to 1.9, four incidents of ten minutes at 5.
    fn series(labelled: bool) -> String {
        let mut text = if labelled { "timestamp,value,incident\n" } else { "timestamp,value\n" }.to_owned();
        for minute in 0_i32..2880 {
            let incident = minute % 720 >= 300 && minute % 720 < 310;
            let value = if incident { 5.0 } else { 1.0 + f64::from(minute * 7 % 10) / 10.0 };
            let label = if labelled { format!(",{}", i32::from(incident)) } else { String::new() };
            text.push_str(&format!("{},{value}{label}\n", i64::from(minute) * 60_000));
        }
        text
    }

    fn call(series: &str, rules: &str, split: f64) -> Result<ThresholdReplay, CliError> {
        let folder = tempfile::tempdir().unwrap();
        let (file, rules_file) = (folder.path().join("s.csv"), folder.path().join("r.yml"));
        fs::write(&file, series).unwrap();
        fs::write(&rules_file, rules).unwrap();
        replay(&Args { file, rules: rules_file, split, output: None, moving_bounds: false }, &ProgressBar::hidden())
    }

    #[test]
    fn a_better_bound_is_found_and_scored_on_the_rest() {
        let replay = call(&series(true), RULES, 0.5).unwrap();
        insta::assert_json_snapshot!(report(&replay));
        insta::assert_snapshot!(replay.recommended.to_yaml().unwrap());
    }

    #[test]
    fn without_labels_recall_is_unknown() {
        let replay = call(&series(false), RULES, 0.5).unwrap();
        let report = report(&replay);
        let recommended = &report["rules"][0]["recommended"];
        assert_eq!(recommended["recall"], "unknown");
        assert_eq!(recommended["false_alerts_per_week"], Value::Null);
    }

    #[test]
    fn the_future_changes_nothing_that_is_recommended() {
        let text = series(true);
        let changed: String =
            text.lines()
                .enumerate()
                .map(|(row, line)| {
                    if row > 1500 { format!("{},9,0\n", line.split(',').next().unwrap()) } else { format!("{line}\n") }
                })
                .collect();
        let (before, after) = (call(&text, RULES, 0.5).unwrap(), call(&changed, RULES, 0.5).unwrap());
        assert_eq!(before.recommended, after.recommended);
    }

    fn refused(series: &str, rules: &str, split: f64, expected: &str) {
        let message = call(series, rules, split).unwrap_err().to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    }

    #[test]
    fn rules_without_a_bound_are_kept_without_an_error() {
        let replay = call(&series(true), &RULES.replace("value > 1.5", "absent(value)"), 0.5).unwrap();
        let report = report(&replay);
        assert_eq!(report["rules"], json!([]));
        let kept = &report["kept_as_they_are"][0];
        assert_eq!((kept["alert"].as_str(), kept["skipped"].as_bool()), (Some("High"), Some(false)));
        assert!(kept["reason"].as_str().unwrap().starts_with("no numeric bound to advise on"), "{kept}");
    }

    #[test]
    fn errors_name_the_option_or_the_file() {
        refused(&series(true), RULES, 0.0, "split 0 is not between 0 and 1");
        refused(&series(true), "groups: [", 0.5, "r.yml is not a Prometheus rule file");
        refused(&series(true), &RULES.replace("value > 1.5", "other > 1"), 0.5, "no series of the file matches other");
        refused("timestamp,value\n1,2\n2,x\n", RULES, 0.5, "line 3");
        refused("timestamp,value\n1,2\n2,3\n", RULES, 0.5, "has 2 rows");
    }
}
