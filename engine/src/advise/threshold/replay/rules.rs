use almanac_models::Timestamp;
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{Expr, VectorSelector},
};

use super::{recommended::RecommendedFile, score::incidents_of};
use crate::advise::threshold::{
    Breach, Instance, KeptRule, Rule, RuleFile, RuleScore, RuleSpec, Setting, ThresholdError,
    bounds::{Allowed, Objective, judge},
    time_to_breach,
};

/// The history of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignalHistory {
    /// Its name.
    pub name: String,
    /// Evaluation times, ascending, epoch milliseconds.
    pub timestamps: Vec<i64>,
    /// Values, as many; NaN = missing.
    pub values: Vec<f64>,
    /// Whether an incident was on, as many; `None` where nobody labelled.
    pub incident: Option<Vec<bool>>,
}

/// How a replay learns and chooses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdOptions {
    /// Share of the span that is learned from, in (0, 1).
    pub split: f64,
    /// Whether bounds by hour of week and bands around what is expected may be recommended.
    pub moving_bounds: bool,
}

impl Default for ThresholdOptions {
    fn default() -> Self {
        Self { split: 0.5, moving_bounds: false }
    }
}

/// What a rule does over the part that was not learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFigures {
    /// The expression.
    pub expr: String,
    /// `for`, milliseconds.
    pub for_ms: i64,
    /// `keep_firing_for`, milliseconds.
    pub keep_firing_for_ms: i64,
    /// What happened.
    pub score: RuleScore,
    /// False alerts a year to be expected by the tail of the signal; only where nobody labelled.
    pub expected_alerts_per_year: Option<f64>,
}

/// A rule on one series: as it is and as it is recommended.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleReplay {
    /// The alert's name.
    pub alert: String,
    /// The series.
    pub series: String,
    /// First moment that is scored.
    pub evaluated_from: Timestamp,
    /// Whether incidents are labelled; without labels nothing is known of false alerts and of recall.
    pub labelled: bool,
    /// The rule as it is.
    pub present: RuleFigures,
    /// The recommended rule; the present one where nothing is better.
    pub recommended: RuleFigures,
    /// Whether it differs from the present one.
    pub changed: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// When the signal passes the present bound after the end of the series, if it trends there.
    pub breach: Option<Breach>,
}

/// The replay of a rule file.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdReplay {
    /// First moment that is scored, of the earliest series.
    pub evaluated_from: Timestamp,
    /// One entry for each rule and series.
    pub rules: Vec<RuleReplay>,
    /// Alerting rules that are kept as they are, with the reason.
    pub kept: Vec<KeptRule>,
    /// The file with the recommended rules in place of the present ones.
    pub recommended: RuleFile,
}

/// Replays the alerting rules of a file on recorded series, and recommends bound and `for`.
///
/// `file`: names the rules in messages. A rule reads `value` (with matchers on `series` where it
/// should not read all) or a series by its name. Learned before the split, scored after it; the
/// span that is split is that of all series together, or each series' own where they lie so far apart
/// that a common split would leave one of them less than a fifth on either side.
///
/// # Errors
/// [`ThresholdError`]: a rule that cannot be read, no rule that can be replayed, too little history.
pub fn replay_rules(
    file: &str,
    rules: &RuleFile,
    series: &[SignalHistory],
    options: &ThresholdOptions,
) -> Result<ThresholdReplay, ThresholdError> {
    if !(options.split > 0.0 && options.split < 1.0) {
        return Err(ThresholdError::Split { split: options.split });
    }
    let (specs, mut kept) = rules.alerts(file)?;
    let splits = splits(series, options.split);
    let mut output = RecommendedFile::new(rules);
    let mut replays = Vec::new();
    for spec in &specs {
        let read = match selector(&spec.condition.signal) {
            Ok(selector) => matching(&selector, series),
            Err(reason) => {
                kept.push(keep(spec, reason));
                continue;
            }
        };
        if read.is_empty() {
            kept.push(keep(spec, format!("the file has no series that {} reads", spec.condition.signal)));
        }
        for &idx in &read {
            let several = read.len() > 1;
            let (replay, recording) = replay_rule(spec, &series[idx], splits[idx], options, several, &mut output)?;
            output.add(spec, &replay.recommended, recording, several.then_some(series[idx].name.as_str()));
            replays.push(replay);
        }
    }
    let Some(evaluated_from) = replays.iter().map(|replay| replay.evaluated_from).min() else {
        let why = kept.iter().map(|rule| format!("{}: {}", rule.alert, rule.reason)).collect::<Vec<_>>().join("; ");
        let why = if why.is_empty() { "it has no alerting rule".to_owned() } else { why };
        return Err(ThresholdError::NoRules { file: file.to_owned(), why });
    };
    Ok(ThresholdReplay { evaluated_from, rules: replays, kept, recommended: output.finish() })
}

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
    let present = spec.setting();
    let incidents = history.incident.as_deref().map(|labels| incidents_of(&history.timestamps, labels));
    let allowed =
        Allowed { hourly: options.moving_bounds, band: options.moving_bounds, objective: Objective::of(spec) };
    let judged = judge(&[whole], incidents.as_deref(), &present, split_ms, allowed);
    let expected = |setting: &Setting| judged.tail.and_then(|tail| tail.alerts_per_year(setting.bound));
    let condition = if several { spec.condition.on_series(&history.name) } else { spec.condition.clone() };
    let decision = judged.decision;
    let (expr, recording) = match &decision.moving {
        Some(moving) => moving.rules(&condition, &spec.rule, &history.name, &output.bound_name(&spec.alert)),
        None if decision.changed || several => (condition.with_bound(decision.setting.bound), Vec::new()),
        None => (spec.expr.clone(), Vec::new()),
    };
    let replay = RuleReplay {
        alert: spec.alert.clone(),
        series: history.name.clone(),
        evaluated_from: Timestamp::from_millis(split_ms),
        labelled: incidents.is_some(),
        present: RuleFigures {
            expr: spec.expr.clone(),
            for_ms: present.for_ms,
            keep_firing_for_ms: present.keep_firing_for_ms,
            score: judged.present,
            expected_alerts_per_year: expected(&present),
        },
        recommended: RuleFigures {
            expr,
            for_ms: decision.setting.for_ms,
            keep_firing_for_ms: decision.setting.keep_firing_for_ms,
            score: judged.recommended,
            expected_alerts_per_year: expected(&decision.setting),
        },
        changed: decision.changed,
        reason: decision.reason,
        breach: time_to_breach(&whole, present.comparison, present.bound),
    };
    Ok((replay, recording))
}

fn keep(spec: &RuleSpec, reason: String) -> KeptRule {
    KeptRule { alert: spec.alert.clone(), expr: spec.expr.clone(), reason }
}

/// First moment to score, for each series.
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

/// The selector that a signal is.
fn selector(signal: &str) -> Result<VectorSelector, String> {
    match promql_parser::parser::parse(signal) {
        Ok(Expr::VectorSelector(selector))
            if selector.offset.is_none() && selector.at.is_none() && selector.matchers.or_matchers.is_empty() =>
        {
            Ok(selector)
        }
        _ => Err(format!("{signal} is not a series of the file")),
    }
}

/// The series that a selector reads: as `value{series="…"}` or by their own names.
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

    /// Minutes of a level with small noise; four incidents a day of ten minutes add `height`.
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
    fn a_rule_on_all_series_becomes_one_a_series() {
        let all = [series("a", 2, 1.0, 5.0), series("b \"x\"", 2, 10.0, 5.0)];
        let replay = replayed(&["value > 1.5"], &all);
        assert_eq!(replay.rules.len(), 2);
        let written = &replay.recommended.groups[0].rules;
        assert_eq!(written.len(), 2);
        assert!(written[1].expr.starts_with("value{series=\"b \\\"x\\\"\"} > "), "{}", written[1].expr);
        assert!(written.iter().all(|rule| rule.alert.as_deref() == Some("A0") && rule.labels.contains_key("series")));
        // Series b is always above 1.5: one alert that never ends, and shows as false time.
        let present = &replay.rules[1].present.score;
        assert_eq!((present.alerts, present.false_alerts), (1, 0));
        assert!(present.false_time_share() > 0.9);
        assert!(replay.rules[1].recommended.score.false_time_share() < 0.01);
    }

    #[test]
    fn what_cannot_be_replayed_is_kept_and_said() {
        let replay =
            replayed(&["value > 1.5", "rate(value[5m]) > 1", "up == 0", "gone > 1"], &[series("a", 2, 1.0, 5.0)]);
        let kept: Vec<&str> = replay.kept.iter().map(|rule| rule.alert.as_str()).collect();
        assert_eq!(kept, ["A2", "A1", "A3"]);
        let exprs: Vec<&str> = replay.recommended.groups[0].rules.iter().map(|rule| rule.expr.as_str()).collect();
        assert_eq!(exprs[1..], ["rate(value[5m]) > 1", "up == 0", "gone > 1"]);
        let message =
            replay_rules("r.yml", &rules(&["up == 0"]), &[series("a", 2, 1.0, 5.0)], &ThresholdOptions::default())
                .unwrap_err()
                .to_string();
        assert_eq!(
            message,
            "r.yml has no rule that can be replayed: A0: its outermost operator == is none of > >= < <="
        );
    }

    #[test]
    fn series_of_different_times_are_split_each_by_itself() {
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
    fn moving_bounds_come_with_the_rule_that_they_read() {
        // Calm at 1 by night and at 100 by day; incidents add 5 at any hour.
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
