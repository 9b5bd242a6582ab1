use almanac_models::Timestamp;
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{Expr, VectorSelector},
};

use super::{
    Instance, KeptRule, Rule, RuleFile, RuleScore, RuleSpec, Setting, ThresholdError, decide::judge,
    hourly::HourlyBounds, recommend::RecommendedFile, score::incidents_of,
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
    /// Whether bounds by hour of week may be recommended.
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
) -> Result<(RuleReplay, Option<Rule>), ThresholdError> {
    let whole = Instance { timestamps: &history.timestamps, values: &history.values };
    if whole.until(split_ms).timestamps.len() < 2 || whole.from(split_ms).timestamps.len() < 2 {
        return Err(ThresholdError::TooShort { series: history.name.clone(), rows: history.timestamps.len() });
    }
    let present = spec.setting();
    let incidents = history.incident.as_deref().map(|labels| incidents_of(&history.timestamps, labels));
    let judged = judge(&[whole], incidents.as_deref(), &present, split_ms, options.moving_bounds);
    let expected = |setting: &Setting| judged.tail.and_then(|tail| tail.alerts_per_year(setting.bound));
    let condition = if several { spec.condition.on_series(&history.name) } else { spec.condition.clone() };
    let decision = judged.decision;
    let (expr, recording) = match &decision.hourly {
        Some(hourly) => {
            let name = output.bound_name(&spec.alert);
            (HourlyBounds::expression(&condition, &name), Some(hourly.recording_rule(&name)))
        }
        None if decision.changed || several => (condition.with_bound(decision.setting.bound), None),
        None => (spec.expr.clone(), None),
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
