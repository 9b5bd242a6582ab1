use almanac_models::Timestamp;
use serde_json::{Value, json};
use statrs::distribution::{ContinuousCDF, Gamma};

use super::{fetch::History, measure::AppliedRule, terms::RuleTerms};
use crate::{
    advise::{
        Metric, Outcome, Proposal, Rollback,
        kit::{Interval, LEVEL},
        threshold::{
            Rule, RuleFile, RuleGroup, RuleScore, RuleSpec, ThresholdError, ThresholdSpec,
            bounds::{Allowed, Judged, Moving, Objective, better, fires_no_longer, judge},
            format_duration,
            replay::{bound_name, passed},
            spec::{ALERTS, FALSE_ALERTS},
        },
    },
    store::{
        Store,
        rows::{Patch, SignalFilter, SignalRow, SignalStatus},
    },
};

/// Prometheus' own evaluation interval, where the group names none.
pub(in crate::advise::threshold) const INTERVAL_MS: i64 = 60_000;
/// Evaluations that are looked back on: two weeks at a minute.
pub(in crate::advise::threshold) const EVALUATIONS_MAX: i64 = 20_160;
/// Share of the history that is learned from.
const SPLIT: f64 = 0.5;

/// What a decision on one rule rests on.
pub struct RuleFacts {
    history: History,
    /// The name under which the rule's signal is learned, where bounds may move.
    learned_as: Option<String>,
}

impl std::fmt::Debug for RuleFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleFacts").field("learned_as", &self.learned_as).finish_non_exhaustive()
    }
}

/// Reads the signal of one rule at its evaluations up to `now`, as Prometheus would have evaluated it, and the incidents of that time.
///
/// # Errors
/// [`ThresholdError`]: the signal cannot be evaluated, or there is too little history.
pub(in crate::advise::threshold) fn fetch(
    store: &Store,
    spec: &ThresholdSpec,
    now: Timestamp,
) -> Result<RuleFacts, ThresholdError> {
    let rule = &spec.rule;
    let step_ms = rule.interval_ms.filter(|step| *step > 0).unwrap_or(INTERVAL_MS);
    let history = History::fetch(store, &rule.condition.signal, step_ms, EVALUATIONS_MAX, now)?;
    if history.grid.timestamps.len() < 4 {
        let (signal, evaluations) = (rule.condition.signal.clone(), history.grid.timestamps.len());
        return Err(ThresholdError::NoHistory { signal, evaluations });
    }
    // A band is around one signal: the alert of several elements would compare each with the band of another.
    let is_one = history.grid.values.len() == 1;
    let learned_as = if spec.moving_bounds && is_one { learned_as(store, &rule.condition.signal)? } else { None };
    Ok(RuleFacts { history, learned_as })
}

/// What is recommended for one alerting rule; pure.
///
/// A bound and `for` are learned on the first half of the history, and only what does no worse on the second half is recommended.
///
/// # Errors
/// [`ThresholdError`]: what was learned did not hold, or the rules cannot be written.
pub(in crate::advise::threshold) fn decide(
    spec: &ThresholdSpec,
    facts: &RuleFacts,
) -> Result<Outcome<RuleTerms>, ThresholdError> {
    let History { grid, incidents, end_ms } = &facts.history;
    let (first_ms, end_ms) = (grid.timestamps[0], *end_ms);
    let labelled = !incidents.is_empty();
    let split_ms = passed(&grid.instances(), SPLIT).unwrap_or(first_ms);
    let signal = facts.learned_as.as_deref();
    let incidents = labelled.then_some(incidents.as_slice());
    let rule = &spec.rule;
    let allowed = Allowed { hourly: spec.moving_bounds, band: signal.is_some(), objective: Objective::of(rule) };
    let judged = judge(&grid.instances(), incidents, &rule.setting(), split_ms, allowed);
    decided((rule, &spec.name), &judged, signal, labelled, (first_ms, split_ms, end_ms))
}

/// The name under which an expression is learned, if it is.
fn learned_as(store: &Store, expr: &str) -> Result<Option<String>, ThresholdError> {
    let filter = SignalFilter { status: Some(SignalStatus::Ready), ..SignalFilter::default() };
    let plain = |expr: &str| promql_parser::parser::parse(expr).ok().map(|expr| expr.to_string());
    let wanted = plain(expr);
    let same = |row: &SignalRow| wanted.is_some() && plain(&row.expr) == wanted;
    Ok(store.signals(&filter)?.into_iter().find(same).map(|row| row.signal))
}

/// The recommendation, if the later half bears it out.
fn decided(
    (spec, name): (&RuleSpec, &str),
    judged: &Judged,
    signal: Option<&str>,
    labelled: bool,
    (first_ms, split_ms, end_ms): (i64, i64, i64),
) -> Result<Outcome<RuleTerms>, ThresholdError> {
    let (present, recommended) = (&judged.present, &judged.recommended);
    if !judged.decision.changed {
        return Ok(Outcome::keep(judged.decision.reason.clone()));
    }
    // A ticket lasts as long as its shorter window remembers, hours beyond the incident: that is no fault of an objective's rules.
    let lingers = matches!(judged.decision.moving, Some(Moving::BurnRate(_)));
    let worse = recommended.incidents_caught < present.incidents_caught
        || recommended.false_alerts > present.false_alerts
        || !(lingers || fires_no_longer(recommended, present));
    if labelled && worse {
        let later = format!(
            "{} of {} incidents with {} false alerts, the present rule {} with {}",
            recommended.incidents_caught,
            recommended.incidents,
            recommended.false_alerts,
            present.incidents_caught,
            present.false_alerts
        );
        let reason = judged.decision.reason.clone();
        return Err(ThresholdError::NotBorneOut { alert: name.to_owned(), reason, later });
    }
    let caught_or_quieter = recommended.incidents_caught > 0 || recommended.false_alerts < present.false_alerts;
    if labelled && !(caught_or_quieter && (lingers || better(recommended, present))) {
        // As good on the later half as the rule that is there: no reason to touch it.
        return Ok(Outcome::keep(format!(
            "the present rule does as well on the later half of the history: {} of {} incidents caught with {} false alerts",
            present.incidents_caught, present.incidents, present.false_alerts
        )));
    }
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
    let stamp = |millis: i64| Value::from(millis);
    let expected = |bound: f64| judged.tail.and_then(|tail| tail.alerts_per_year(bound));
    let evidence = json!({
        "learned_from_ms": stamp(first_ms), "scored_from_ms": stamp(split_ms), "scored_until_ms": stamp(end_ms),
        "incidents_labelled": labelled,
        "present": score_json(present, labelled, expected(spec.condition.bound)),
        "recommended": score_json(recommended, labelled, expected(setting.bound)),
    });
    let promised = (recommended.incidents > 0).then_some((recommended.incidents_caught, recommended.incidents));
    let terms = |rule: AppliedRule, promised| RuleTerms {
        rule,
        scored_from_ms: Some(split_ms),
        scored_until_ms: Some(end_ms),
        promised,
        recommended: None,
    };
    Ok(Outcome::Propose(Box::new(Proposal {
        current: json!({"expr": spec.expr, "for": format_duration(spec.for_ms)}),
        proposed: json!({"expr": expr, "for": hold}),
        valid_until: None,
        metric: metric(labelled),
        effect: effect(recommended, labelled),
        confidence: confidence(recommended, labelled),
        reason: sentence(spec, judged, labelled, &expr, &hold),
        evidence,
        terms: terms(AppliedRule::of(spec, &judged.decision), promised),
        rollback: Some(Rollback {
            baseline: effect(present, labelled).value,
            patch: patch(before),
            terms: Some(terms(AppliedRule::present(spec), None)),
        }),
        patch: patch(body),
    })))
}

/// A rule file with these rules alone, in the group that the rule stands in.
fn rule_file(spec: &RuleSpec, rules: Vec<Rule>) -> Result<String, ThresholdError> {
    let interval = spec.interval_ms.map(format_duration);
    let group = RuleGroup { name: spec.group.clone(), interval, rules, ..RuleGroup::default() };
    RuleFile { groups: vec![group] }.to_yaml()
}

fn patch(body: String) -> Patch {
    Patch { format: "prometheus/rules+yaml".to_owned(), body }
}

fn sentence(spec: &RuleSpec, judged: &Judged, labelled: bool, expr: &str, hold: &str) -> String {
    let (present, recommended) = (&judged.present, &judged.recommended);
    if labelled {
        format!(
            "{}: `{expr}` for {hold} would have caught {} of {} incidents with {} false alerts on history it was not learned \
             from; the present rule caught {} with {}",
            spec.alert,
            recommended.incidents_caught,
            recommended.incidents,
            recommended.false_alerts,
            present.incidents_caught,
            present.false_alerts
        )
    } else {
        format!("{}: `{expr}` for {hold}: {}", spec.alert, judged.decision.reason)
    }
}

/// What is promised: false alerts a week, or alerts a week where nobody labelled incidents.
pub(in crate::advise::threshold) fn metric(labelled: bool) -> Metric {
    if labelled { FALSE_ALERTS } else { ALERTS }
}

/// False alerts a week (alerts where nobody labelled), with the interval of a Poisson count.
pub(in crate::advise::threshold) fn effect(score: &RuleScore, labelled: bool) -> Interval {
    let (count, per_week) = if labelled {
        (score.false_alerts, score.false_alerts_per_week())
    } else {
        (score.alerts, score.alerts_per_week())
    };
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let n = count as f64;
    let weekly = |events: f64| {
        if score.span_ms > 0.0 { events * 604_800_000.0 / score.span_ms } else { 0.0 }
    };
    let tail = (1.0 - LEVEL) / 2.0;
    let lower = Gamma::new(n, 1.0).map_or(0.0, |law| law.inverse_cdf(tail));
    let upper = Gamma::new(n + 1.0, 1.0).map_or(n, |law| law.inverse_cdf(1.0 - tail));
    Interval { value: per_week, lower: weekly(lower).min(per_week), upper: weekly(upper).max(per_week) }
}

/// Laplace's rule of succession over the incidents of the unseen half; a half where nobody labelled.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn confidence(score: &RuleScore, labelled: bool) -> f64 {
    if labelled { (score.incidents_caught as f64 + 1.0) / (score.incidents as f64 + 2.0) } else { 0.5 }
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
        advise::{Sources, Verdict, advise_on, threshold::Threshold},
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

    fn advised(labelled: bool, rules: &str) -> Verdict {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), labelled);
        let (specs, _) = RuleFile::parse("r.yml", rules).unwrap().alerts("r.yml").unwrap();
        let spec = ThresholdSpec::new(specs[0].clone(), false);
        let now = Timestamp::from_millis(2_879 * MINUTE);
        advise_on::<Threshold>(&Sources { store: &store }, &spec, now).remove(0)
    }

    #[test]
    fn labelled_incidents_give_a_rule_with_proof() {
        let verdict = advised(true, RULES);
        let row = verdict.recommendation().unwrap();
        assert_eq!((row.kind.as_str(), row.target.as_str()), ("threshold", "Deep"));
        assert_eq!(row.evidence["recommended"]["incidents_caught"], 4);
        assert_eq!(row.evidence["recommended"]["false_alerts_per_week"], 0.0);
        assert!(row.evidence["present"]["false_alerts_per_week"].as_f64().unwrap() > 100.0);
        let patched = RuleFile::parse("patch", &row.patch.body).unwrap();
        let (specs, _) = patched.alerts("patch").unwrap();
        assert!((19.0..60.0).contains(&specs[0].condition.bound), "{}", row.patch.body);
        assert_eq!(specs[0].rule.labels["severity"], "page");
        assert!(row.reason.contains("would have caught 4 of 4 incidents with 0 false alerts"), "{}", row.reason);
        // A Poisson count of 0 has no lower end and, at 80 %, the upper end −ln 0.1 = 2.303 over the day: times 7.
        assert!(
            row.effect.lower.abs() < 1e-12 && (row.effect.upper + 7.0 * 0.1_f64.ln()).abs() < 0.05,
            "{:?}",
            row.effect
        );
    }

    #[test]
    fn a_right_rule_gets_no_advice() {
        assert_eq!(advised(true, &RULES.replace("> 15", "> 40")).recommendation(), None);
    }

    #[test]
    fn without_history_the_signal_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), true);
        let rules = RULES.replace("queue_depth", "other");
        let (specs, _) = RuleFile::parse("r.yml", &rules).unwrap().alerts("r.yml").unwrap();
        let spec = ThresholdSpec::new(specs[0].clone(), false);
        let message = fetch(&store, &spec, Timestamp::from_millis(MINUTE)).unwrap_err().to_string();
        assert_eq!(message, "signal \"other\" has 0 evaluations with a value, at least 4 are needed");
    }
}
