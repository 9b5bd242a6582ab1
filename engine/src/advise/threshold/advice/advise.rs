//! Reads the facts of one alerting rule in force, decides on it, and composes the proposal. Called by the `Advisor`
//! trait implementation; `decide` reads no store.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::{
    applied_rule::AppliedRule,
    effect::{effect, metric},
    fetch::{EVALUATIONS_MAX, INTERVAL_MS, RuleHistory},
    terms::RuleTerms,
};
use crate::{
    advise::{
        Outcome, Proposal, Rollback,
        kit::learned_signal,
        threshold::{
            IncidentTargets, Rule, RuleFile, RuleScore, RuleSpec, ThresholdError, ThresholdSpec,
            bounds::{AllowedBounds, Objective, ScoredDecision, confidence, decide_and_score},
            describe::{lead_change_s, sentence},
            format_duration,
            replay::{bound_name, time_at_share},
        },
    },
    store::{Store, rows::Patch},
};

/// Share of the history that is the training part.
const SPLIT: f64 = 0.5;

/// Facts that a decision on one rule needs.
pub struct RuleFacts {
    history: RuleHistory,
    /// Targets whose incidents the rule is scored on.
    targets: IncidentTargets,
    /// Name of the learned signal with the rule's expression, when a band may be recommended.
    learned_signal: Option<String>,
}

impl std::fmt::Debug for RuleFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleFacts").field("targets", &self.targets).finish_non_exhaustive()
    }
}

/// Reads the signal of one rule at the times at which Prometheus evaluates it, up to `now`, and the incidents of that
/// time.
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
    let history = RuleHistory::fetch(store, &rule.condition.signal, step_ms, EVALUATIONS_MAX, now)?;
    let evaluations = history.aligned.timestamps.len();
    if evaluations < 4 {
        return Err(ThresholdError::NoHistory { signal: rule.condition.signal.clone(), evaluations });
    }
    let span_ms = (history.aligned.timestamps[0], history.end_ms);
    let targets = IncidentTargets::of_rule(store, rule, &history.incidents, span_ms)?;
    // A band belongs to one signal. With several elements the alert would compare each one with the same band.
    let is_one = history.aligned.values.len() == 1;
    let learned_signal =
        if spec.moving_bounds && is_one { learned_signal(store, &rule.condition.signal)? } else { None };
    Ok(RuleFacts { history, targets, learned_signal })
}

/// Decides on one alerting rule; pure.
///
/// Learns a bound and `for` on the first half of the history, and recommends them only if they do better on the second
/// half.
///
/// # Errors
/// [`ThresholdError`] when the rules cannot be written.
pub(in crate::advise::threshold) fn decide(
    spec: &ThresholdSpec,
    facts: &RuleFacts,
    now: Timestamp,
) -> Result<Outcome<RuleTerms>, ThresholdError> {
    let RuleFacts { history: RuleHistory { aligned, incidents: events, end_ms }, targets, learned_signal } = facts;
    let (rule, first_ms) = (&spec.rule, aligned.timestamps[0]);
    let incidents = targets.label(events, now.millis());
    let labelled = !incidents.is_empty();
    let split_ms = time_at_share(&aligned.instances(), SPLIT).unwrap_or(first_ms);
    let allowed =
        AllowedBounds { hourly: spec.moving_bounds, band: learned_signal.is_some(), objective: Objective::of(rule) };
    let signal_text = format!("{} {}", rule.condition.signal, rule.alert);
    let incidents = labelled.then_some(incidents.as_slice());
    let judged = decide_and_score(&aligned.instances(), incidents, &rule.setting(), split_ms, &signal_text, allowed);
    let others = events.len() - targets.count(events);
    if let Err(reason) = judged.worth_it(labelled) {
        let reason = if others > 0 && !labelled {
            format!("{reason} ({others} labelled incidents belong to other targets)")
        } else {
            reason
        };
        return Ok(Outcome::keep(reason));
    }
    let context =
        DecisionContext { judged, labelled, events: events.len(), others, span_ms: (first_ms, split_ms, *end_ms) };
    let proposal = proposal((rule, &spec.name), &context, targets, learned_signal.as_deref())?;
    Ok(Outcome::Propose(Box::new(proposal)))
}

/// A decision and the counts and times that its evidence reports.
struct DecisionContext {
    judged: ScoredDecision,
    labelled: bool,
    /// Number of all incidents in the history, and of those that belong to other targets.
    events: usize,
    others: usize,
    /// Start, split and end of the history, epoch milliseconds.
    span_ms: (i64, i64, i64),
}

/// Composes the proposal: expression, rule file, evidence, prediction and rollback.
///
/// # Errors
/// [`ThresholdError`] when the rules cannot be written.
fn proposal(
    (spec, name): (&RuleSpec, &str),
    context: &DecisionContext,
    targets: &IncidentTargets,
    signal: Option<&str>,
) -> Result<Proposal<RuleTerms>, ThresholdError> {
    let DecisionContext { judged, labelled, events, others, span_ms: (first_ms, split_ms, end_ms) } = context;
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
    // Only unlabelled rules have a fitted tail.
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

/// Writes a rule file with only these rules, in the group of the present rule.
fn rule_file(spec: &RuleSpec, rules: Vec<Rule>) -> Result<String, ThresholdError> {
    RuleFile::of(vec![spec.group_of(rules)]).to_yaml()
}

fn patch(body: String) -> Patch {
    Patch { format: "prometheus/rules+yaml".to_owned(), body }
}

/// Converts a score to JSON. Figures of false alerts are null without labels.
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
            rows::{EventBatch, Incident, IncidentVerdict},
        },
    };

    const MINUTE: i64 = 60_000;
    const RULES: &str = "groups:\n- name: g\n  interval: 1m\n  rules:\n  - alert: Deep\n    expr: queue_depth > 15\n    labels: {severity: page}\n";

    /// Two days of minutes: 10 to 19 outside of incidents, 60 for ten minutes in each of eight incidents.
    fn store(folder: &std::path::Path, labelled: bool) -> Store {
        let store = Store::open(&folder.join("a.duckdb"), StoreOptions::default()).unwrap();
        let id = store.resolve(&Labels::from_pairs([(METRIC_NAME, "queue_depth")]).unwrap()).unwrap();
        let (mut batch, mut incidents) = (
            SampleBatch { series: Vec::new(), timestamps: Vec::new(), values: Vec::new(), histograms: Vec::new() },
            Vec::new(),
        );
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
                    verdict: IncidentVerdict::Real,
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
    fn labelled_incidents_give_a_rule_with_evidence() {
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
        // A Poisson count of 0 has the lower end 0 and, at 80 %, the upper end −ln 0.1 = 2.303 over one day: times 7 a
        // week.
        assert!(
            row.effect.lower.abs() < 1e-12 && (row.effect.upper + 7.0 * 0.1_f64.ln()).abs() < 0.05,
            "{:?}",
            row.effect
        );
    }

    #[test]
    fn a_good_rule_is_kept() {
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
        assert_eq!(message, "signal \"other\" has 0 evaluations with a value, but at least 4 are needed");
    }
}
