//! Replays a rule file on recorded series and recommends bound and `for`. Entry point of `almanac replay threshold`;
//! reads no store.

use almanac_models::Timestamp;
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{Expr, VectorSelector},
};

use super::{
    evaluated::replay_evaluated,
    recommended::RecommendedFile,
    report::{RuleReplay, SignalHistory, ThresholdOptions, ThresholdReplay, report},
    score::incidents_of,
    source::FileSource,
};
use crate::{
    advise::threshold::{
        Instance, KeptRule, NotUsed, Rule, RuleFile, RuleSpec, ThresholdError,
        bounds::{AllowedBounds, Objective, decide_and_score},
    },
    signal,
};

/// Replays the alerting rules of a file on recorded series, and recommends bound and `for`.
///
/// `file`: name of the file in messages.
///
/// A rule reads `value`, optionally with matchers on `series`, or a series by its name, and is replayed on each series
/// alone. Any other expression, such as one with a guard on another series, is evaluated at the largest median step of
/// its series, and its elements form one rule.
///
/// Settings are learned before the split and scored after it. The split is common to all series; each series has its
/// own split if the common one would leave less than a fifth of some series on either side.
///
/// # Errors
/// [`ThresholdError`]: an invalid split, no rule that can be replayed, too little history.
pub fn replay_rules(
    file: &str,
    rules: &RuleFile,
    series: &[SignalHistory],
    options: &ThresholdOptions,
) -> Result<ThresholdReplay, ThresholdError> {
    replay_rules_counted(file, rules, series, options, &mut |_, _| {})
}

/// Replays like [`replay_rules`], and calls `done` before each pair of rule and series, with the number of pairs that are
/// replayed and of all.
///
/// # Errors
/// As [`replay_rules`].
pub fn replay_rules_counted(
    file: &str,
    rules: &RuleFile,
    series: &[SignalHistory],
    options: &ThresholdOptions,
    done: &mut dyn FnMut(usize, usize),
) -> Result<ThresholdReplay, ThresholdError> {
    if !(options.split > 0.0 && options.split < 1.0) {
        return Err(ThresholdError::Split { split: options.split });
    }
    let (specs, mut kept) = rules.alerts(file);
    let source = FileSource::new(series);
    let splits = splits(series, options.split);
    let mut output = RecommendedFile::new(rules);
    let mut replays = Vec::new();
    let read_by = |spec: &RuleSpec| selector(&spec.condition.signal).map(|selector| matching(&selector, series));
    let all = specs.iter().map(|spec| read_by(spec).map_or(1, |read| read.len())).sum();
    let mut replayed = 0;
    let mut count = || {
        done(replayed, all);
        replayed += 1;
    };
    for spec in &specs {
        let read = match read_by(spec) {
            Some(read) => read,
            None => {
                count();
                match replay_evaluated(spec, &source, options, &mut output) {
                    Ok((replay, recording)) => {
                        output.add(spec, &replay.recommended, recording, None);
                        replays.push(replay);
                    }
                    Err(reason) => kept.push(kept_rule(file, spec, reason)),
                }
                continue;
            }
        };
        if read.is_empty() {
            kept.push(kept_rule(file, spec, format!("no series of the file matches {}", spec.condition.signal)));
        }
        for &idx in &read {
            count();
            let several = read.len() > 1;
            let (replay, recording) = replay_rule(spec, &series[idx], splits[idx], options, several, &mut output)?;
            output.add(spec, &replay.recommended, recording, several.then_some(series[idx].name.as_str()));
            replays.push(replay);
        }
    }
    // A file whose rules have no bounds is a valid result; one whose rules cannot be read is an error.
    let only_kept = !kept.is_empty() && kept.iter().all(|rule| rule.why == NotUsed::Kept);
    let first = replays.iter().map(|replay| replay.evaluated_from).min();
    let split = splits.iter().min().filter(|_| only_kept).map(|split_ms| Timestamp::from_millis(*split_ms));
    let Some(evaluated_from) = first.or(split) else {
        let why = kept.iter().map(|rule| format!("{}: {}", rule.target(), rule.reason)).collect::<Vec<_>>().join("; ");
        let why = if why.is_empty() { "it has no alerting rule".to_owned() } else { why };
        return Err(ThresholdError::NoRules { file: file.to_owned(), why });
    };
    Ok(ThresholdReplay { evaluated_from, rules: replays, kept, recommended: output.finish() })
}

/// Replays a rule on one series. Also returns the recording rules of the recommendation.
///
/// `several`: whether the rule reads other series too; its recommended expression then selects this series.
fn replay_rule(
    spec: &RuleSpec,
    history: &SignalHistory,
    split_ms: i64,
    options: &ThresholdOptions,
    several: bool,
    output: &mut RecommendedFile,
) -> Result<(RuleReplay, Vec<Rule>), ThresholdError> {
    let whole = Instance { timestamps: &history.timestamps, values: &history.values };
    if whole.until(split_ms).timestamps.len() < 2 || whole.from(split_ms).timestamps.len() < 2 {
        return Err(ThresholdError::TooShort { series: history.name.clone(), rows: history.timestamps.len() });
    }
    let incidents = history.incident.as_deref().map(|labels| incidents_of(&history.timestamps, labels));
    let allowed =
        AllowedBounds { hourly: options.moving_bounds, band: options.moving_bounds, objective: Objective::of(spec) };
    let signal_text = format!("{} {} {}", spec.condition.signal, history.name, spec.alert);
    let judged = decide_and_score(&[whole], incidents.as_deref(), &spec.setting(), split_ms, &signal_text, allowed);
    let decision = &judged.decision;
    let condition = if several { spec.condition.on_series(&history.name) } else { spec.condition.clone() };
    let (expr, recording) = match &decision.moving {
        Some(moving) => moving.rules(&condition, &spec.rule, &history.name, &output.bound_name(&spec.alert)),
        None if decision.changed || several => (condition.with_bound(decision.setting.bound), Vec::new()),
        None => (spec.expr.clone(), Vec::new()),
    };
    let name = history.name.clone();
    Ok((report(spec, name, split_ms, &[whole], incidents.is_some(), judged, expr, &condition), recording))
}

fn kept_rule(file: &str, spec: &RuleSpec, reason: String) -> KeptRule {
    KeptRule {
        file: file.to_owned(),
        group: spec.group.clone(),
        alert: spec.alert.clone(),
        expr: spec.expr.clone(),
        reason,
        why: NotUsed::Skipped,
    }
}

/// Returns the start of the held-out part of each series, epoch milliseconds.
fn splits(series: &[SignalHistory], split: f64) -> Vec<i64> {
    let span = |history: &SignalHistory| Some((*history.timestamps.first()?, *history.timestamps.last()?));
    let at = |(first, last): (i64, i64)| {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "spans are far below 2^53 ms")]
        let length = ((last - first) as f64 * split) as i64;
        first + length
    };
    let spans: Vec<(i64, i64)> = series.iter().map(|history| span(history).unwrap_or((0, 0))).collect();
    let first = spans.iter().map(|span| span.0).min().unwrap_or(0);
    let last = spans.iter().map(|span| span.1).max().unwrap_or(0);
    let common = at((first, last));
    let fits = series.iter().all(|history| {
        let before = history.timestamps.partition_point(|&t| t < common);
        let rows = history.timestamps.len();
        let least = if (0.2..=0.8).contains(&split) { rows / 5 } else { 2 };
        before >= least && rows - before >= least
    });
    spans.iter().map(|&span| if fits { common } else { at(span) }).collect()
}

/// Parses a signal that is a plain selector; `None` for any other expression.
fn selector(signal: &str) -> Option<VectorSelector> {
    signal::tree(signal, |tree| match tree {
        Expr::VectorSelector(selector)
            if selector.offset.is_none() && selector.at.is_none() && selector.matchers.or_matchers.is_empty() =>
        {
            Some(selector)
        }
        _ => None,
    })
}

/// Returns the indices of the series that a selector reads, as `value{series="…"}` or by name.
fn matching(selector: &VectorSelector, series: &[SignalHistory]) -> Vec<usize> {
    let reads = |metric: &str, name: &str| {
        selector.name.as_deref().is_none_or(|wanted| wanted == metric)
            && selector.matchers.matchers.iter().all(|matcher| {
                matches(
                    matcher,
                    match matcher.name.as_str() {
                        "__name__" => metric,
                        "series" => name,
                        _ => "",
                    },
                )
            })
    };
    (0..series.len())
        .filter(|&idx| reads("value", &series[idx].name) || reads(&series[idx].name, &series[idx].name))
        .collect()
}

fn matches(matcher: &Matcher, value: &str) -> bool {
    match &matcher.op {
        MatchOp::Equal => value == matcher.value,
        MatchOp::NotEqual => value != matcher.value,
        MatchOp::Re(pattern) => pattern.is_match(value),
        MatchOp::NotRe(pattern) => !pattern.is_match(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY_MINUTES: i64 = 1_440;

    /// A level with small noise at one-minute steps; four incidents a day of ten minutes add `height`.
    fn series(name: &str, days: i64, level: f64, height: f64) -> SignalHistory {
        let minutes = 0..days * DAY_MINUTES;
        let during = |minute: i64| minute % 360 >= 100 && minute % 360 < 110;
        let value = |minute: i64| {
            let noise = f64::from(i32::try_from(minute * 7 % 10).unwrap()) / 10.0;
            level + noise + if during(minute) { height } else { 0.0 }
        };
        SignalHistory {
            name: name.to_owned(),
            timestamps: minutes.clone().map(|minute| minute * MINUTE).collect(),
            values: minutes.clone().map(value).collect(),
            incident: Some(minutes.map(during).collect()),
        }
    }

    fn rules(exprs: &[&str]) -> RuleFile {
        let rules: String = exprs
            .iter()
            .enumerate()
            .map(|(nth, expr)| format!("  - alert: A{nth}\n    expr: '{expr}'\n    for: 0m\n"))
            .collect();
        RuleFile::parse("r.yml", &format!("groups:\n- name: g\n  rules:\n{rules}")).unwrap()
    }

    fn replayed(exprs: &[&str], series: &[SignalHistory]) -> ThresholdReplay {
        replay_rules("r.yml", &rules(exprs), series, &ThresholdOptions::default()).unwrap()
    }

    #[test]
    fn a_series_is_read_by_its_name_or_as_a_label() {
        let all = [series("a", 2, 1.0, 5.0), series("b", 2, 10.0, 5.0)];
        let replay = replayed(&["a > 1.5", "value{series=\"b\"} > 10.5", "value{series=~\"b|c\"} > 10.5"], &all);
        let read: Vec<(&str, &str)> =
            replay.rules.iter().map(|rule| (rule.alert.as_str(), rule.series.as_str())).collect();
        assert_eq!(read, [("A0", "a"), ("A1", "b"), ("A2", "b")]);
        assert!(replay.rules.iter().all(|rule| rule.recommended.score.false_alerts == 0));
        assert!(replay.rules[1].recommended.expr.starts_with("value{series=\"b\"} > "));
    }

    #[test]
    fn a_rule_on_all_series_becomes_one_for_each_series() {
        let all = [series("a", 2, 1.0, 5.0), series("b \"x\"", 2, 10.0, 5.0)];
        let replay = replayed(&["value > 1.5"], &all);
        assert_eq!(replay.rules.len(), 2);
        let written = &replay.recommended.groups[0].rules;
        assert_eq!(written.len(), 2);
        assert!(written[1].expr.starts_with("value{series=\"b \\\"x\\\"\"} > "), "{}", written[1].expr);
        assert!(written.iter().all(|rule| rule.alert.as_deref() == Some("A0") && rule.labels.contains_key("series")));
        // Series b is always above 1.5: one alert never ends, which shows as false time.
        let present = &replay.rules[1].present.score;
        assert_eq!((present.alerts, present.false_alerts), (1, 0));
        assert!(present.false_time_share() > 0.9);
        assert!(replay.rules[1].recommended.score.false_time_share() < 0.01);
    }

    #[test]
    fn rules_that_cannot_be_replayed_are_kept_with_their_reason() {
        let replay = replayed(&["value > 1.5", "up == 0", "gone > 1", "value >"], &[series("a", 2, 1.0, 5.0)]);
        let kept: Vec<(&str, NotUsed)> = replay.kept.iter().map(|rule| (rule.alert.as_str(), rule.why)).collect();
        assert_eq!(kept, [("A1", NotUsed::Kept), ("A3", NotUsed::Skipped), ("A2", NotUsed::Skipped)]);
        let exprs: Vec<&str> = replay.recommended.groups[0].rules.iter().map(|rule| rule.expr.as_str()).collect();
        assert_eq!(exprs[1..], ["up == 0", "gone > 1", "value >"]);
        let all = [series("a", 2, 1.0, 5.0)];
        let only = |expr: &str| replay_rules("r.yml", &rules(&[expr]), &all, &ThresholdOptions::default());
        let state = only("up == 0").unwrap();
        assert_eq!((state.rules.len(), state.kept.len()), (0, 1));
        let message = only("gone > 1").unwrap_err().to_string();
        assert_eq!(message, "r.yml has no rule that can be replayed: A0: no series of the file matches gone");
    }

    #[test]
    fn a_guard_on_another_series_is_replayed_and_kept() {
        let mut guard = series("traffic", 2, 1.0, 0.0);
        // No traffic in every other hour: the guard suppresses alerts there.
        for (at, value) in guard.timestamps.iter().zip(&mut guard.values) {
            *value = f64::from(u8::from(at / MINUTE / 60 % 2 == 1));
        }
        guard.incident = None;
        let all = [series("a", 2, 1.0, 5.0), guard];
        let (plain, guarded) = (replayed(&["a > 1.85"], &all), replayed(&["a > 1.85 and traffic > 0"], &all));
        let alerts = |replay: &ThresholdReplay| replay.rules[0].present.score.alerts;
        assert!(alerts(&guarded) < alerts(&plain) * 2 / 3 && alerts(&guarded) > 0, "{}", alerts(&guarded));
        let rule = &guarded.rules[0];
        assert!(rule.labelled && rule.changed, "{rule:?}");
        assert!(rule.recommended.expr.ends_with(" and traffic > 0"), "{}", rule.recommended.expr);
        for expr in
            ["rate(a[5m]) > 1", "a offset 5m > 1.85", "a > 1.85 unless traffic == 0", "avg_over_time(a[10m]) > 1.85"]
        {
            assert_eq!(replayed(&[expr], &all).rules.len(), 1, "{expr}");
        }
    }

    /// Two unlabelled outages, and incidents that the signal does not show.
    #[test]
    fn states_and_signals_unrelated_to_the_incidents_are_kept() {
        let mut up = series("up", 4, 1.0, 0.0);
        for (minute, value) in up.values.iter_mut().enumerate() {
            *value = if matches!(minute, 500..520 | 4_000..4_020) { 0.0 } else { 1.0 };
        }
        let rule = &replayed(&["value < 1"], &[up.clone()]).rules[0];
        assert!(!rule.changed && rule.recommended.expr == "value < 1", "{rule:?}");
        assert!(rule.reason.contains("two values, 0 and 1"), "{}", rule.reason);
        // A ratio that drops only outside of the incidents.
        let mut ratio = up;
        for (minute, value) in ratio.values.iter_mut().enumerate() {
            *value = if minute % 60 == 7 { 0.93 } else { 0.99 - 0.001 * f64::from(u8::try_from(minute % 7).unwrap()) };
        }
        let rule = &replayed(&["value < 0.95"], &[ratio]).rules[0];
        assert!(!rule.changed && rule.reason.contains("the signal does not show them"), "{rule:?}");
    }

    /// Without labels the bound of a percentage stays below the highest value seen.
    #[test]
    fn a_bound_stays_within_the_range_of_its_signal() {
        let mut cpu = series("cpu_percent", 6, 0.0, 0.0);
        for (minute, value) in cpu.values.iter_mut().enumerate() {
            let noise = f64::from(u16::try_from(minute * 7_919 % 1_000).unwrap()) / 1_000.0;
            *value = 100.0 * noise.powf(0.05);
        }
        cpu.incident = None;
        let highest = cpu.values.iter().copied().fold(0.0, f64::max);
        let rule = &replayed(&["value > 90"], &[cpu]).rules[0];
        let bound: f64 = rule.recommended.expr.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(bound < highest && bound <= 100.0, "{bound} {highest} {}", rule.reason);
    }

    #[test]
    fn series_of_different_times_have_their_own_splits() {
        let mut late = series("b", 2, 1.0, 5.0);
        for at in &mut late.timestamps {
            *at += 100 * DAY_MINUTES * MINUTE;
        }
        let replay = replayed(&["value > 1.5"], &[series("a", 2, 1.0, 5.0), late]);
        let from: Vec<i64> = replay.rules.iter().map(|rule| rule.evaluated_from.millis() / MINUTE).collect();
        assert_eq!(from, [1_439, 100 * DAY_MINUTES + 1_439]);
        assert_eq!(replay.evaluated_from, replay.rules[0].evaluated_from);
    }

    #[test]
    fn moving_bounds_are_written_with_their_recording_rule() {
        // 1 by night and 100 by day; incidents add 5 at any hour.
        let mut history = series("a", 35, 1.0, 5.0);
        for (at, value) in history.timestamps.iter().zip(&mut history.values) {
            *value += if (8..20).contains(&(at / MINUTE / 60 % 24)) { 99.0 } else { 0.0 };
        }
        let options = ThresholdOptions { moving_bounds: true, ..ThresholdOptions::default() };
        let replay = replay_rules("r.yml", &rules(&["value > 100.5"]), &[history], &options).unwrap();
        let written = &replay.recommended.groups[0].rules;
        assert_eq!(written[0].record.as_deref(), Some("almanac:bound:a0"));
        assert_eq!(written[1].expr, "value > on() group_left() almanac:bound:a0");
        let score = &replay.rules[0].recommended.score;
        assert_eq!((score.incidents_caught, score.false_alerts), (score.incidents, 0));
        assert!(replay.rules[0].present.score.incidents_caught < score.incidents);
    }
}
