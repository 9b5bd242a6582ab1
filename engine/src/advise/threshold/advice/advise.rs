//! Advises on one alerting rule in force, from the store.

use almanac_models::{Level, Timestamp};
use serde_json::{Value, json};
use statrs::distribution::{ContinuousCDF, Gamma};

use super::{fetch::History, measure::AppliedRule};
use crate::{
    advise::threshold::{
        IncidentTargets, Rule, RuleFile, RuleScore, RuleSpec, ThresholdError,
        bounds::{Allowed, Judged, Objective, confidence, judge},
        describe::{lead_change_s, sentence},
        format_duration,
        replay::{bound_name, passed},
    },
    ledger::{BEFORE, RULE, RULE_BEFORE, WAY_BACK},
    store::{
        Store,
        rows::{Effect, Kind, Patch, RecommendationRow, SignalFilter, SignalRow, SignalStatus, State},
    },
};

/// Prometheus' own evaluation interval, where the group names none.
pub(in crate::advise::threshold) const INTERVAL_MS: i64 = 60_000;
/// Evaluations that are looked back on: two weeks at a minute.
pub(in crate::advise::threshold) const EVALUATIONS_MAX: i64 = 20_160;
/// Share of the history that is learned from.
const SPLIT: f64 = 0.5;
/// What the predicted effect promises.
pub(in crate::advise::threshold) const LEVEL: f64 = 0.8;

/// What is said of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleAdvice {
    /// A better setting.
    Propose(Box<RecommendationRow>),
    /// The present setting is as good: why, with its figures.
    Keep {
        /// One sentence.
        reason: String,
    },
}

/// What is recommended for one alerting rule at `now`; nothing where nothing is better.
///
/// # Errors
/// As [`advise_rule`].
pub fn advise(
    store: &Store,
    spec: &RuleSpec,
    name: &str,
    moving_bounds: bool,
    now: Timestamp,
) -> Result<Vec<RecommendationRow>, ThresholdError> {
    Ok(match advise_rule(store, spec, name, moving_bounds, now)? {
        RuleAdvice::Propose(row) => vec![*row],
        RuleAdvice::Keep { .. } => Vec::new(),
    })
}

/// What is recommended for one alerting rule at `now`, or why it is kept.
///
/// The rule's signal is evaluated over the store as Prometheus would have, a bound and `for` are
/// learned on the first half of the history, and only what does better on the second half is
/// recommended. `name`: what the rule is called in the ledger, as [`rule_names`](super::rule_names) gives it.
/// `moving_bounds`: whether bounds may move, by hour of week, or with what is expected where the rule's signal is one of those learned.
///
/// # Errors
/// [`ThresholdError`]: the signal cannot be evaluated, there is too little history.
pub fn advise_rule(
    store: &Store,
    spec: &RuleSpec,
    name: &str,
    moving_bounds: bool,
    now: Timestamp,
) -> Result<RuleAdvice, ThresholdError> {
    let step_ms = spec.interval_ms.filter(|step| *step > 0).unwrap_or(INTERVAL_MS);
    let history = History::fetch(store, &spec.condition.signal, step_ms, EVALUATIONS_MAX, now)?;
    let History { grid, incidents: events, end_ms } = &history;
    if grid.timestamps.len() < 4 {
        let (signal, evaluations) = (spec.condition.signal.clone(), grid.timestamps.len());
        return Err(ThresholdError::NoHistory { signal, evaluations });
    }
    let first_ms = grid.timestamps[0];
    let targets = IncidentTargets::of_rule(store, spec, events, (first_ms, *end_ms))?;
    let incidents = targets.label(events, now.millis());
    let labelled = !incidents.is_empty();
    let split_ms = passed(&grid.instances(), SPLIT).unwrap_or(first_ms);
    // A band is around one signal: the alert of several elements would compare each with the band of another.
    let signal =
        if moving_bounds && grid.values.len() == 1 { learned_as(store, &spec.condition.signal)? } else { None };
    let allowed = Allowed { hourly: moving_bounds, band: signal.is_some(), objective: Objective::of(spec) };
    let called = format!("{} {}", spec.condition.signal, spec.alert);
    let incidents = labelled.then_some(incidents.as_slice());
    let judged = judge(&grid.instances(), incidents, &spec.setting(), split_ms, &called, allowed);
    let others = events.len() - targets.count(events);
    if let Err(reason) = judged.worth_it(labelled) {
        let reason = if others > 0 && !labelled {
            format!("{reason} ({others} labelled incidents are of other targets)")
        } else {
            reason
        };
        return Ok(RuleAdvice::Keep { reason });
    }
    let scored =
        Scored { judged, labelled, targets, events: events.len(), others, span_ms: (first_ms, split_ms, *end_ms) };
    Ok(RuleAdvice::Propose(Box::new(proposal((spec, name), &scored, signal.as_deref(), now)?)))
}

/// A decision with what it rests on.
struct Scored {
    judged: Judged,
    labelled: bool,
    targets: IncidentTargets,
    /// Incidents of the time, and of these those of other targets.
    events: usize,
    others: usize,
    /// Begin, split and end of the history.
    span_ms: (i64, i64, i64),
}

/// The name under which an expression is learned, if it is.
fn learned_as(store: &Store, expr: &str) -> Result<Option<String>, ThresholdError> {
    let filter = SignalFilter { status: Some(SignalStatus::Ready), ..SignalFilter::default() };
    let plain = |expr: &str| promql_parser::parser::parse(expr).ok().map(|expr| expr.to_string());
    let wanted = plain(expr);
    let same = |row: &SignalRow| wanted.is_some() && plain(&row.expr) == wanted;
    Ok(store.signals(&filter)?.into_iter().find(same).map(|row| row.signal))
}

fn proposal(
    (spec, name): (&RuleSpec, &str),
    scored: &Scored,
    signal: Option<&str>,
    now: Timestamp,
) -> Result<RecommendationRow, ThresholdError> {
    let Scored { judged, labelled, targets, events, others, span_ms: (first_ms, split_ms, end_ms) } = scored;
    let labelled = *labelled;
    let (present, recommended) = (&judged.present, &judged.recommended);
    let setting = judged.decision.setting;
    let (expr, mut rules) = match &judged.decision.moving {
        Some(moving) => moving.rules(&spec.condition, &spec.rule, signal.unwrap_or_default(), &bound_name(name)),
        None => (spec.condition.with_bound(setting.bound), Vec::new()),
    };
    let mut rule = Rule { expr: expr.clone(), ..spec.rule.clone() };
    rule.hold = (setting.for_ms > 0).then(|| format_duration(setting.for_ms));
    rule.keep_firing_for = (setting.keep_firing_for_ms > 0).then(|| format_duration(setting.keep_firing_for_ms));
    let hold = format_duration(setting.for_ms);
    rules.push(rule);
    let (body, before) = (rule_file(spec, rules)?, rule_file(spec, vec![spec.rule.clone()])?);
    let expected = |bound: f64| judged.tail.and_then(|tail| tail.alerts_per_year(bound));
    let alternatives: Vec<Value> = judged
        .alternatives
        .iter()
        .map(|alternative| {
            let mut figures = score_json(&alternative.score, labelled, None);
            figures["name"] = json!(alternative.name);
            figures["expr"] = json!(spec.condition.with_bound(alternative.setting.bound));
            figures["for"] = json!(format_duration(alternative.setting.for_ms));
            figures
        })
        .collect();
    let evidence = json!({
        "learned_from_ms": first_ms, "scored_from_ms": split_ms, "scored_until_ms": end_ms,
        "incidents_labelled": labelled,
        "incidents_of": {"by": targets.by, "own": events - others, "of_other_targets": others},
        "compared": spec.condition.guarded,
        "lead_change_seconds": lead_change_s(present, recommended),
        BEFORE: effect(present, labelled).value,
        WAY_BACK: patch(before),
        RULE: AppliedRule::of(spec, &judged.decision, targets),
        RULE_BEFORE: AppliedRule::present(spec, targets),
        "present": score_json(present, labelled, expected(spec.condition.bound)),
        "recommended": score_json(recommended, labelled, expected(setting.bound)),
        "alternatives": alternatives,
    });
    Ok(RecommendationRow {
        id: format!("threshold-{name}-{}", now.millis()),
        kind: Kind::Threshold,
        target: name.to_owned(),
        current: json!({"expr": spec.expr, "for": format_duration(spec.for_ms)}),
        proposed: json!({"expr": expr, "for": hold}),
        valid_from: now,
        valid_until: None,
        effect: effect(recommended, labelled),
        confidence: confidence(recommended, labelled),
        reason: sentence(spec, judged, labelled),
        evidence,
        patch: patch(body),
        state: State::Proposed,
        created_at: now,
        updated_at: now,
        replaces: None,
    })
}

/// A rule file with these rules alone, in the group that the rule stands in.
fn rule_file(spec: &RuleSpec, rules: Vec<Rule>) -> Result<String, ThresholdError> {
    RuleFile::of(vec![spec.group_of(rules)]).to_yaml()
}

fn patch(body: String) -> Patch {
    Patch { format: "prometheus/rules+yaml".to_owned(), body }
}

/// False alerts a week (alerts where nobody labelled), with the interval of a Poisson count.
pub(in crate::advise::threshold) fn effect(score: &RuleScore, labelled: bool) -> Effect {
    let (metric, count, per_week) = if labelled {
        ("false_alerts_per_week", score.false_alerts, score.false_alerts_per_week())
    } else {
        ("alerts_per_week", score.alerts, score.alerts_per_week())
    };
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let n = count as f64;
    let weekly = |events: f64| {
        if score.span_ms > 0.0 { events * 604_800_000.0 / score.span_ms } else { 0.0 }
    };
    let tail = (1.0 - LEVEL) / 2.0;
    let lower = Gamma::new(n, 1.0).map_or(0.0, |law| law.inverse_cdf(tail));
    let upper = Gamma::new(n + 1.0, 1.0).map_or(n, |law| law.inverse_cdf(1.0 - tail));
    Effect {
        metric: metric.to_owned(),
        unit: "1/week".to_owned(),
        value: per_week,
        lower: weekly(lower).min(per_week),
        upper: weekly(upper).max(per_week),
        level: Level::try_new(LEVEL).map_or(LEVEL, Level::fraction),
    }
}

fn score_json(score: &RuleScore, labelled: bool, expected_per_year: Option<f64>) -> Value {
    json!({
        "alerts_per_week": score.alerts_per_week(),
        "false_alerts_per_week": labelled.then(|| score.false_alerts_per_week()),
        "incidents": score.incidents,
        "incidents_caught": score.incidents_caught,
        "median_lead_seconds": score.median_lead_s(),
        "false_time_share": labelled.then(|| score.false_time_share()),
        "expected_alerts_per_year": expected_per_year,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        series::{Labels, METRIC_NAME},
        store::{
            SampleBatch, StoreOptions,
            rows::{EventBatch, Incident},
        },
    };

    const MINUTE: i64 = 60_000;
    const RULES: &str = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - alert: Deep\n    expr: queue_depth > 15\n    labels: {severity: page}\n";

    /// Two days of minutes: 10 to 19 in calm, 60 for ten minutes in each of eight incidents.
    fn store(folder: &std::path::Path, labelled: bool) -> Store {
        let store = Store::open(&folder.join("a.duckdb"), StoreOptions::default()).unwrap();
        let id = store.resolve(&Labels::from_pairs([(METRIC_NAME, "queue_depth")]).unwrap()).unwrap();
        let (mut batch, mut incidents) =
            (SampleBatch { series: Vec::new(), timestamps: Vec::new(), values: Vec::new() }, Vec::new());
        for minute in 0..2_880_i64 {
            let during = minute % 360 >= 100 && minute % 360 < 110;
            let calm = 10.0 + f64::from(i32::try_from(minute * 7 % 10).unwrap());
            batch.series.push(id);
            batch.timestamps.push(minute * MINUTE);
            batch.values.push(if during { 60.0 } else { calm });
            if minute % 360 == 100 && labelled {
                incidents.push(Incident {
                    started_at: Timestamp::from_millis(minute * MINUTE),
                    ended_at: Some(Timestamp::from_millis((minute + 9) * MINUTE)),
                    title: "queue stuck".to_owned(),
                    target: None,
                    source: "test".to_owned(),
                });
            }
        }
        store.append(batch).unwrap().wait().unwrap();
        store.put_events(EventBatch { incidents, ..EventBatch::default() }).unwrap();
        store
    }

    fn advised(labelled: bool, rules: &str) -> Vec<RecommendationRow> {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), labelled);
        let (specs, _) = RuleFile::parse("r.yml", rules).unwrap().alerts("r.yml");
        advise(&store, &specs[0], &specs[0].alert, false, Timestamp::from_millis(2_879 * MINUTE)).unwrap()
    }

    #[test]
    fn labelled_incidents_give_a_rule_with_proof() {
        let rows = advised(true, RULES);
        let row = &rows[0];
        assert_eq!((row.kind, row.target.as_str()), (Kind::Threshold, "Deep"));
        assert_eq!(row.evidence["recommended"]["incidents_caught"], 4);
        assert_eq!(row.evidence["recommended"]["false_alerts_per_week"], 0.0);
        assert!(row.evidence["present"]["false_alerts_per_week"].as_f64().unwrap() > 100.0);
        let patched = RuleFile::parse("patch", &row.patch.body).unwrap();
        let (specs, _) = patched.alerts("patch");
        assert!((19.0..60.0).contains(&specs[0].condition.bound), "{}", row.patch.body);
        assert_eq!(specs[0].rule.labels["severity"], "page");
        assert!(row.reason.starts_with("Raise the bound of Deep from > 15 to > "), "{}", row.reason);
        assert!(
            row.reason.contains("0 false alerts a week instead of ")
                && row.reason.contains("4 of 4 incidents caught instead of 4"),
            "{}",
            row.reason
        );
        // A Poisson count of 0 has no lower end and, at 80 %, the upper end −ln 0.1 = 2.303 over the day: times 7.
        assert!(
            row.effect.lower.abs() < 1e-12 && (row.effect.upper + 7.0 * 0.1_f64.ln()).abs() < 0.05,
            "{:?}",
            row.effect
        );
    }

    #[test]
    fn a_right_rule_gets_no_advice() {
        assert_eq!(advised(true, &RULES.replace("> 15", "> 40")), []);
    }

    #[test]
    fn without_history_the_signal_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), true);
        let rules = RULES.replace("queue_depth", "other");
        let (specs, _) = RuleFile::parse("r.yml", &rules).unwrap().alerts("r.yml");
        let message =
            advise(&store, &specs[0], &specs[0].alert, false, Timestamp::from_millis(MINUTE)).unwrap_err().to_string();
        assert_eq!(message, "signal \"other\" has 0 evaluations with a value, at least 4 are needed");
    }
}
