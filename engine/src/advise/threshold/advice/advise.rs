//! Facts and proposal of one alerting rule in force: reads its signal and the incidents, decides, and composes the proposal.

use almanac_models::Timestamp;
use serde_json::{Value, json};
use statrs::distribution::{ContinuousCDF, Gamma};

use super::{fetch::History, measure::AppliedRule, terms::RuleTerms};
use crate::{
    advise::{
        Metric, Outcome, Proposal, Rollback,
        kit::{Interval, LEVEL},
        threshold::{
            IncidentTargets, Rule, RuleFile, RuleScore, RuleSpec, ThresholdError, ThresholdSpec,
            bounds::{Allowed, Judged, Objective, confidence, judge},
            describe::{lead_change_s, sentence},
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
    /// The incidents that the rule is judged by.
    targets: IncidentTargets,
    /// The name under which the rule's signal is learned, where bounds may move.
    learned_as: Option<String>,
}

impl std::fmt::Debug for RuleFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleFacts").field("targets", &self.targets).finish_non_exhaustive()
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
    let evaluations = history.grid.timestamps.len();
    if evaluations < 4 {
        return Err(ThresholdError::NoHistory { signal: rule.condition.signal.clone(), evaluations });
    }
    let span_ms = (history.grid.timestamps[0], history.end_ms);
    let targets = IncidentTargets::of_rule(store, rule, &history.incidents, span_ms)?;
    // A band is around one signal: the alert of several elements would compare each with the band of another.
    let is_one = history.grid.values.len() == 1;
    let learned_as = if spec.moving_bounds && is_one { learned_as(store, &rule.condition.signal)? } else { None };
    Ok(RuleFacts { history, targets, learned_as })
}

/// What is recommended for one alerting rule; pure.
///
/// A bound and `for` are learned on the first half of the history, and only what does better on the second half is recommended.
///
/// # Errors
/// [`ThresholdError`] when the rules cannot be written.
pub(in crate::advise::threshold) fn decide(
    spec: &ThresholdSpec,
    facts: &RuleFacts,
    now: Timestamp,
) -> Result<Outcome<RuleTerms>, ThresholdError> {
    let RuleFacts { history: History { grid, incidents: events, end_ms }, targets, learned_as } = facts;
    let (rule, first_ms) = (&spec.rule, grid.timestamps[0]);
    let incidents = targets.label(events, now.millis());
    let labelled = !incidents.is_empty();
    let split_ms = passed(&grid.instances(), SPLIT).unwrap_or(first_ms);
    let allowed = Allowed { hourly: spec.moving_bounds, band: learned_as.is_some(), objective: Objective::of(rule) };
    let called = format!("{} {}", rule.condition.signal, rule.alert);
    let incidents = labelled.then_some(incidents.as_slice());
    let judged = judge(&grid.instances(), incidents, &rule.setting(), split_ms, &called, allowed);
    let others = events.len() - targets.count(events);
    if let Err(reason) = judged.worth_it(labelled) {
        let reason = if others > 0 && !labelled {
            format!("{reason} ({others} labelled incidents are of other targets)")
        } else {
            reason
        };
        return Ok(Outcome::keep(reason));
    }
    let scored = Scored { judged, labelled, events: events.len(), others, span_ms: (first_ms, split_ms, *end_ms) };
    let proposal = proposal((rule, &spec.name), &scored, targets, learned_as.as_deref())?;
    Ok(Outcome::Propose(Box::new(proposal)))
}

/// A decision with what it rests on.
struct Scored {
    judged: Judged,
    labelled: bool,
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
    targets: &IncidentTargets,
    signal: Option<&str>,
) -> Result<Proposal<RuleTerms>, ThresholdError> {
    let Scored { judged, labelled, events, others, span_ms: (first_ms, split_ms, end_ms) } = scored;
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
        "present": score_json(present, labelled, expected(spec.condition.bound)),
        "recommended": score_json(recommended, labelled, expected(setting.bound)),
        "alternatives": alternatives,
    });
    let promised = (recommended.incidents > 0).then_some((recommended.incidents_caught, recommended.incidents));
    let terms = |rule: AppliedRule, promised| RuleTerms {
        rule,
        scored_from_ms: Some(*split_ms),
        scored_until_ms: Some(*end_ms),
        promised,
        recommended: None,
    };
    Ok(Proposal {
        current: json!({"expr": spec.expr, "for": format_duration(spec.for_ms)}),
        proposed: json!({"expr": expr, "for": hold}),
        valid_until: None,
        metric: metric(labelled),
        effect: effect(recommended, labelled),
        confidence: confidence(recommended, labelled),
        reason: sentence(spec, judged, labelled),
        evidence,
        terms: terms(AppliedRule::of(spec, &judged.decision, targets), promised),
        rollback: Some(Rollback {
            baseline: effect(present, labelled).value,
            patch: patch(before),
            terms: Some(terms(AppliedRule::present(spec, targets), None)),
        }),
        patch: patch(body),
    })
}

/// A rule file with these rules alone, in the group that the rule stands in.
fn rule_file(spec: &RuleSpec, rules: Vec<Rule>) -> Result<String, ThresholdError> {
    RuleFile::of(vec![spec.group_of(rules)]).to_yaml()
}

fn patch(body: String) -> Patch {
    Patch { format: "prometheus/rules+yaml".to_owned(), body }
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
        let (specs, _) = RuleFile::parse("r.yml", rules).unwrap().alerts("r.yml");
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
        assert_eq!(advised(true, &RULES.replace("> 15", "> 40")).recommendation(), None);
    }

    #[test]
    fn without_history_the_signal_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), true);
        let rules = RULES.replace("queue_depth", "other");
        let (specs, _) = RuleFile::parse("r.yml", &rules).unwrap().alerts("r.yml");
        let spec = ThresholdSpec::new(specs[0].clone(), false);
        let message = fetch(&store, &spec, Timestamp::from_millis(MINUTE)).unwrap_err().to_string();
        assert_eq!(message, "signal \"other\" has 0 evaluations with a value, at least 4 are needed");
    }
}
