//! Benchmarks threshold advice on labelled public series. The present rule is a constant bound at a fitted quantile.

use std::error::Error;

use almanac_datasets::loaders::{PublicSeries, PublicSet};
use almanac_engine::advise::threshold::{
    RuleFile, RuleReplay, RuleScore, SignalHistory, ThresholdError, ThresholdOptions, format_bound, replay_rules,
};
use almanac_models::stats::quantile;

use crate::document::{Settings, Table, each, number};

const SETS: [(PublicSet, &str); 2] = [(PublicSet::Kpi, "KPI"), (PublicSet::Nab, "NAB")];
/// Quantile of the first half that the present rule has as its bound.
const QUANTILE: f64 = 0.99;

/// A labelled series with its present rule.
struct Case {
    set: &'static str,
    history: SignalHistory,
    rules: RuleFile,
}

/// Writes the section on threshold advice: totals for constant and moving bounds, and figures by series.
///
/// # Errors
/// When the data cannot be read or a series cannot be replayed.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let mut cases = Vec::new();
    for (set, name) in SETS {
        let series = settings.subset(settings.data()?.series(set)?);
        for one in series {
            cases.extend(case(name, one)?);
        }
    }
    let mut totals = Table::new(&header("set", "bounds"));
    let mut each_series = Table::new(&header("series", "recommended"));
    for moving_bounds in [false, true] {
        let options = ThresholdOptions { moving_bounds, ..ThresholdOptions::default() };
        let what = if moving_bounds { "moving" } else { "constant" };
        let done = each(&format!("threshold, {what}"), &cases, settings.threads, |case: &Case| replay(case, &options));
        let replays = done.results.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (_, set) in SETS {
            let of: Vec<&RuleReplay> =
                cases.iter().zip(&replays).filter(|(case, _)| case.set == set).map(|(_, replay)| replay).collect();
            if !of.is_empty() {
                totals.row(row(format!("{set} ({} series)", of.len()), what.to_owned(), &of));
            }
        }
        // Series whose present rule has no false alerts and is kept are omitted.
        if moving_bounds {
            for replay in replays.iter().filter(|replay| replay.present.score.false_alerts > 0 || replay.changed) {
                let expr = replay.recommended.expr.chars().take(40).collect();
                let name = replay.series.rsplit('/').next().unwrap_or_default().chars().take(36).collect();
                each_series.row(row(name, expr, &[replay]));
            }
        }
    }
    Ok(format!(
        "## Thresholds\n\n\
         The present rule of each series is a constant bound at the {q}th percentile of the first half, without `for`. Another rule is\n\
         learned on the first half, and both are scored on the second. A false alert overlaps no labelled row; false time is the\n\
         share of the second half with an alert firing outside of incidents, mean over series.\n\n\
         {totals}\n\
         With moving bounds, series by series:\n\n\
         {each_series}",
        q = 100.0 * QUANTILE,
    ))
}

/// Creates a case; `None` for an empty series.
fn case(set: &'static str, series: PublicSeries) -> Result<Option<Case>, Box<dyn Error>> {
    let PublicSeries { name, timestamps, values, incident } = series;
    let (Some(first), Some(last)) = (timestamps.first(), timestamps.last()) else { return Ok(None) };
    let split = timestamps.partition_point(|at| *at < first + (last - first) / 2);
    let Some(bound) = quantile(&values[..split], QUANTILE) else { return Ok(None) };
    let text =
        format!("groups:\n- name: present\n  rules:\n  - alert: High\n    expr: value > {}\n", format_bound(bound));
    let rules = RuleFile::parse("present", &text)?;
    Ok(Some(Case { set, history: SignalHistory { name, timestamps, values, incident }, rules }))
}

fn replay(case: &Case, options: &ThresholdOptions) -> Result<RuleReplay, ThresholdError> {
    let replay = replay_rules("present", &case.rules, std::slice::from_ref(&case.history), options)?;
    let none = || ThresholdError::NoRules { file: "present".to_owned(), why: "no rule was replayed".to_owned() };
    replay.rules.into_iter().next().ok_or_else(none)
}

fn header<'a>(first: &'a str, second: &'a str) -> [&'a str; 10] {
    [
        first,
        second,
        "incidents",
        "caught: present",
        "recommended",
        "false alerts: present",
        "recommended",
        "fewer",
        "false time %: present",
        "recommended",
    ]
}

/// Sums the counts of several replays to one row. False time is a mean over them.
fn row(name: String, what: String, of: &[&RuleReplay]) -> [String; 10] {
    let sum = |count: &dyn Fn(&RuleReplay) -> usize| of.iter().map(|replay| count(replay)).sum::<usize>();
    let time = |score: fn(&RuleReplay) -> &RuleScore| {
        100.0 * of.iter().map(|replay| score(replay).false_time_share()).sum::<f64>() / of.len() as f64
    };
    let before = sum(&|replay| replay.present.score.false_alerts);
    let after = sum(&|replay| replay.recommended.score.false_alerts);
    let fewer = (before > 0).then(|| 100.0 * (1.0 - after as f64 / before as f64));
    [
        name,
        what,
        sum(&|replay| replay.present.score.incidents).to_string(),
        sum(&|replay| replay.present.score.incidents_caught).to_string(),
        sum(&|replay| replay.recommended.score.incidents_caught).to_string(),
        before.to_string(),
        after.to_string(),
        format!("{} %", number(fewer, 0)),
        number(time(|replay| &replay.present.score), 2),
        number(time(|replay| &replay.recommended.score), 2),
    ]
}
