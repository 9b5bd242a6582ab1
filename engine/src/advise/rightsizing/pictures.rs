//! Draws the evidence of a request: usage with the present and the proposed request and those of the replayed rule, the
//! compared rules, and usage since the application. Called by `advisor`; the functions that draw read no store.

use std::collections::BTreeSet;

use almanac_models::Timestamp;
use chrono::DateTime;
use serde_json::Value;

use super::{
    ContainerResource, ContainerSpec, Leading, RightsizingError,
    advise::{fetch, on_whole_days},
    trace_requests,
};
use crate::{
    advise::{
        FetchError,
        kit::{DemandHistory, in_force, one_history},
        picture::{
            Axis, DrawnRows, Line, LineRole, Picture, Quantity, Shape, SpanBudget, SpanRole, percent, spans_where,
        },
    },
    store::{Store, rows::RecommendationRow},
};

/// Rules of the evidence in the picture that compares them: field, name and role.
const RULES: [(&str, &str, LineRole); 5] = [
    ("leading", "proposed rule", LineRole::Proposed),
    ("present", "present request", LineRole::Present),
    ("covering", "covering rule alone", LineRole::Compared),
    ("vpa", "vertical pod autoscaler", LineRole::Compared),
    ("krr", "KRR", LineRole::Compared),
];

/// Draws a recommendation. A rollback has no replay, and so only its usage since the application.
///
/// # Errors
/// [`FetchError`] when the usage cannot be read.
pub(super) fn pictures(
    store: &Store,
    (spec, resource): (&ContainerSpec, ContainerResource),
    row: &RecommendationRow,
    now: Timestamp,
) -> Result<Vec<Picture>, FetchError> {
    let request = request(&row.proposed).ok_or_else(|| FetchError::unreadable("request"))?;
    let mut pictures = Vec::new();
    let span = time(&row.evidence["scored_from"]).zip(time(&row.evidence["scored_until"]));
    if let Some((scored_from_ms, decided_ms)) = span {
        let replay = Replay::fetch(store, (spec, resource), row, (scored_from_ms, decided_ms), request)?;
        pictures.push(draw_usage(&replay));
        pictures.extend(draw_rules(row));
    }
    pictures.extend(since_applied(store, (spec, resource), row, request, now)?);
    Ok(pictures)
}

/// Usage up to the decision, and the requests that are drawn.
struct Replay {
    resource: ContainerResource,
    usage: DemandHistory,
    /// First scored instant, epoch milliseconds.
    scored_from_ms: i64,
    proposed: f64,
    present: Option<f64>,
    /// Request of the replayed rule at each step; NaN before its first.
    requested: Vec<f64>,
}

impl Replay {
    /// Reads the usage as it was at the decision and replays the proposed rule. Other rules are not replayed.
    fn fetch(
        store: &Store,
        (spec, resource): (&ContainerSpec, ContainerResource),
        row: &RecommendationRow,
        (scored_from_ms, decided_ms): (i64, i64),
        proposed: f64,
    ) -> Result<Self, FetchError> {
        // The decision is made for the step after the last row.
        let last = Timestamp::from_millis(decided_ms - spec.step_ms / 2);
        let facts = fetch(store, spec, resource, last).map_err(fetch_error)?;
        let deployed_ms = facts.deploys.iter().max().map(|at_ms| spec.in_whole_days(*at_ms));
        let mut rule = Leading::new(spec.options(resource, deployed_ms));
        let requested = trace_requests(&on_whole_days(spec, &facts.usage)?, &mut rule);
        let mut requested: Vec<f64> = requested.into_iter().map(|request| request.unwrap_or(f64::NAN)).collect();
        // Only days longer than 24 hours join rows when they are rescaled.
        requested.resize(facts.usage.len(), f64::NAN);
        Ok(Self { resource, usage: facts.usage, scored_from_ms, proposed, present: request(&row.current), requested })
    }
}

/// Draws usage and requests, and where usage exceeds each of them.
fn draw_usage(replay: &Replay) -> Picture {
    let Replay { resource, usage, scored_from_ms, proposed, present, requested } = replay;
    let at_ms = usage.timestamps();
    let used = |step: usize| known(usage, step);
    let is_scored = |step: usize| at_ms[step] >= *scored_from_ms;
    let (mut budget, mut figures) = (SpanBudget::default(), Vec::new());
    let warmup = "the rule learns, not scored";
    budget.add("parts", spans_where(at_ms, |step| !is_scored(step), SpanRole::Learned, warmup));
    budget.add("gaps", spans_where(at_ms, |step| used(step).is_nan(), SpanRole::Missing, "no usage is known"));
    let mut above = |name: &str, request: &dyn Fn(usize) -> f64| {
        let exceeds = |step: usize| is_scored(step) && used(step) > request(step);
        let label = format!("usage above the {name}");
        budget
            .add(format!("times of usage above the {name}"), spans_where(at_ms, exceeds, SpanRole::Shortfall, &label));
        let scored = || (0..usage.len()).filter(|&step| is_scored(step) && usage.observed()[step]);
        figures.push(format!(
            "the {name} {}",
            percent(share(scored().filter(|&step| exceeds(step)).count(), scored().count()))
        ));
    };
    let held = |request: f64| move |_: usize| request;
    let by_rule = |step: usize| requested[step];
    above("proposed request", &held(*proposed));
    if let Some(present) = present {
        above("present request", &held(*present));
    }
    above("replayed rule's request", &by_rule);
    let drawn = DrawnRows::select(usage.len(), &[&used, &|step| -used(step), &|step| used(step) - requested[step]]);
    let mut lines = vec![
        drawn.line("usage", LineRole::Measured, Shape::Line, used),
        drawn.line("proposed request", LineRole::Proposed, Shape::Line, held(*proposed)),
        drawn.line("present request", LineRole::Present, Shape::Line, held(present.unwrap_or(f64::NAN))),
        drawn.line("replayed rule's request", LineRole::Compared, Shape::Steps, by_rule),
    ];
    lines.retain(Line::has_values);
    let text = format!(
        "{} usage of one replica with its requests: {} is proposed{}. Of the scored time, usage is above {}.",
        capitalized(resource.name()),
        resource.quantity(*proposed).1,
        present.map_or_else(String::new, |present| format!(" instead of {}", resource.quantity(present).1)),
        figures.join(", above "),
    );
    let (spans, text) = budget.finish(text);
    Picture {
        name: "usage",
        title: format!("{} usage and requests", capitalized(resource.name())),
        text,
        x: drawn.axis(at_ms),
        y: quantity(*resource),
        lines,
        spans,
        marks: Vec::new(),
    }
}

/// Draws each compared rule as a point: its idle share and its share of time with usage above the request. None when the
/// evidence has no rule.
fn draw_rules(row: &RecommendationRow) -> Option<Picture> {
    let rules = &row.evidence["rules"];
    let figures = |field: &str| {
        let rule = &rules[field];
        Some((rule["idle_share"].as_f64()?, rule["above_share"].as_f64()?))
    };
    let known: Vec<(&str, LineRole, f64, f64)> = RULES
        .into_iter()
        .filter_map(|(field, name, role)| figures(field).map(|(idle, above)| (name, role, idle.max(0.0), above)))
        .collect();
    // Numbers of at least 0 sort as their bits do.
    let idle: BTreeSet<u64> = known.iter().map(|(_, _, idle, _)| (idle + 0.0).to_bits()).collect();
    let lines: Vec<Line> = known
        .iter()
        .map(|&(name, role, own, above)| {
            let only_there = |idle: &u64| if *idle == (own + 0.0).to_bits() { above } else { f64::NAN };
            Line::new(name, role, Shape::Points, idle.iter().map(only_there))
        })
        .collect();
    let sentences = known.iter().map(|(name, _, idle, above)| {
        format!("{name} {} idle and exceeded {} of the time", percent(*idle), percent(*above))
    });
    let sentences: Vec<String> = sentences.collect();
    (!lines.is_empty()).then(|| Picture {
        name: "rules",
        title: "Idle share and time above the request by rule".to_owned(),
        text: format!(
            "Further to the left less is idle, further down usage exceeds the request less often: {}.",
            sentences.join("; ")
        ),
        x: Axis::number("idle share of the request", "1", idle.into_iter().map(f64::from_bits).collect()),
        y: Quantity::new("share of time with usage above the request", "1"),
        lines,
        spans: Vec::new(),
        marks: Vec::new(),
    })
}

/// Draws usage and the applied request since the application.
fn since_applied(
    store: &Store,
    (spec, resource): (&ContainerSpec, ContainerResource),
    row: &RecommendationRow,
    request: f64,
    now: Timestamp,
) -> Result<Option<Picture>, FetchError> {
    let Some((applied_at, until)) = in_force(store, row, now)? else { return Ok(None) };
    let history_ms = spec.history_ms.min(until.millis() - applied_at.millis());
    let Some(expr) = spec.usage(resource).filter(|_| history_ms >= 2 * spec.step_ms) else { return Ok(None) };
    let usage = one_history(store, expr, spec.step_ms, history_ms, until)?;
    Ok(usage.map(|usage| draw_since_applied(resource, &usage, request, row.evidence["above_share_max"].as_f64())))
}

/// Draws usage against a request. `promised`: the promised maximum of the share of time with usage above it.
fn draw_since_applied(
    resource: ContainerResource,
    usage: &DemandHistory,
    request: f64,
    promised: Option<f64>,
) -> Picture {
    let at_ms = usage.timestamps();
    let used = |step: usize| known(usage, step);
    let exceeds = |step: usize| used(step) > request;
    let mut budget = SpanBudget::default();
    budget.add("times above the request", spans_where(at_ms, exceeds, SpanRole::Shortfall, "usage above the request"));
    budget.add("gaps", spans_where(at_ms, |step| used(step).is_nan(), SpanRole::Missing, "no usage is known"));
    let seen = (0..usage.len()).filter(|&step| usage.observed()[step]).count();
    let above = percent(share((0..usage.len()).filter(|&step| exceeds(step)).count(), seen));
    let promised = promised.map_or_else(String::new, |most| format!("; at most {} was promised", percent(most)));
    let (spans, text) =
        budget.finish(format!("Since the application, usage exceeded the request {above} of the time{promised}."));
    let drawn = DrawnRows::select(usage.len(), &[&used, &|step| -used(step)]);
    let mut lines = vec![
        drawn.line("usage", LineRole::Measured, Shape::Line, used),
        drawn.line("applied request", LineRole::Proposed, Shape::Line, |_| request),
    ];
    lines.retain(Line::has_values);
    Picture {
        name: "since_applied",
        title: "Usage and request since the application".to_owned(),
        text,
        x: drawn.axis(at_ms),
        y: quantity(resource),
        lines,
        spans,
        marks: Vec::new(),
    }
}

/// Converts an error of reading usage.
fn fetch_error(error: RightsizingError) -> FetchError {
    match error {
        RightsizingError::History(error) => error.into(),
        RightsizingError::Store(error) => error.into(),
        error => FetchError::other(error),
    }
}

/// Returns the usage at a step; NaN when it is unknown.
fn known(usage: &DemandHistory, step: usize) -> f64 {
    if usage.observed()[step] { usage.values()[step] } else { f64::NAN }
}

fn quantity(resource: ContainerResource) -> Quantity {
    match resource {
        ContainerResource::Cpu => Quantity::new("CPU", "cores"),
        ContainerResource::Memory => Quantity::new("memory", "bytes"),
    }
}

fn request(setting: &Value) -> Option<f64> {
    setting.get("request")?.as_f64()
}

/// Reads an instant, epoch milliseconds.
fn time(value: &Value) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(value.as_str()?).ok()?.timestamp_millis())
}

#[expect(clippy::cast_precision_loss, reason = "counts of steps")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Returns the text with a capital first letter.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advise::{Advisor, Sources, advise_on, picture::assert_sound, rightsizing::Rightsizing},
        ledger::Promise,
        series::{Labels, METRIC_NAME},
        store::{SampleBatch, StoreOptions},
    };

    const STEP: i64 = 300_000;
    const DAY: i64 = 288;

    fn put(store: &Store, steps: std::ops::Range<i64>) {
        let id = store.resolve(&Labels::from_pairs([(METRIC_NAME, "cores")]).unwrap()).unwrap();
        // A tenth of the time is three times as busy. An hour is missing.
        let busy = |step: i64| f64::from(u8::from(step % DAY < DAY / 10));
        let noise = |step: i64| f64::from(i32::try_from(step * 7_919 % 101).unwrap()) / 1_000.0;
        let (timestamps, values): (Vec<i64>, Vec<f64>) = steps
            .filter(|step| !(3_000..3_012).contains(step))
            .map(|step| (step * STEP, 0.1 + 0.2 * busy(step) + noise(step)))
            .unzip();
        let batch = SampleBatch { series: vec![id; values.len()], timestamps, values, histograms: Vec::new() };
        store.append(batch).unwrap().wait().unwrap();
    }

    fn minutes(picture: &Picture, label: &str) -> f64 {
        picture.spans.iter().filter(|span| span.label == label).map(|span| (span.to - span.from) / 60_000.0).sum()
    }

    #[test]
    fn the_drawn_time_above_a_request_is_that_of_the_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        put(&store, 0..14 * DAY);
        let spec = ContainerSpec {
            cpu: Some("max(cores)".to_owned()),
            cpu_request: Some("2".to_owned()),
            ..ContainerSpec::new("api")
        };
        let (from, decided) = (Sources { store: &store }, Timestamp::from_millis((14 * DAY - 1) * STEP + 7));
        let verdict = advise_on::<Rightsizing>(&from, &spec, decided).remove(0);
        let row = verdict.recommendation().unwrap_or_else(|| panic!("{}", verdict.reason())).clone();
        // Usage after the decision changes no picture of it.
        put(&store, 14 * DAY..15 * DAY);
        let now = Timestamp::from_millis(15 * DAY * STEP);
        let pictures = Rightsizing::pictures(&from, Some(&spec), &row, now).unwrap();
        pictures.iter().for_each(assert_sound);
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name).collect();
        assert_eq!(names, ["usage", "rules"]);
        let usage = &pictures[0];
        assert!(usage.x.values.len() > 500 && !usage.text.contains("are drawn"), "{}", usage.text);
        let last = usage.x.values[usage.x.values.len() - 1];
        assert!((last - position_of(14 * DAY - 1)).abs() < 1.0, "{last}");
        let steps = row.evidence["steps"].as_f64().unwrap() - 12.0;
        for (rule, label) in
            [("leading", "usage above the replayed rule's request"), ("present", "usage above the present request")]
        {
            let evidence = row.evidence["rules"][rule]["above_share"].as_f64().unwrap();
            let drawn = minutes(usage, label) / 5.0 / steps;
            assert!((drawn - evidence).abs() < 1e-6, "{label}: {drawn} is drawn, {evidence} in the evidence");
        }
        assert!(minutes(usage, "usage above the replayed rule's request") > 0.0);
        assert!((minutes(usage, "no usage is known") - 60.0).abs() < 1e-6);
        // A point of each rule, at its own idle share.
        let rules = &pictures[1];
        assert_eq!(rules.lines.len(), 5);
        for (line, (field, ..)) in rules.lines.iter().zip(RULES) {
            let idle = row.evidence["rules"][field]["idle_share"].as_f64().unwrap();
            let at: Vec<f64> =
                rules.x.values.iter().zip(&line.values).filter(|(_, value)| value.is_some()).map(|(x, _)| *x).collect();
            assert!(at.len() == 1 && (at[0] - idle).abs() < 1e-12, "{field}: {at:?}");
        }
        let rollback = RecommendationRow {
            evidence: Promise::default().write(serde_json::json!({"reverts": row.id})).unwrap(),
            ..row
        };
        assert_eq!(Rightsizing::pictures(&from, Some(&spec), &rollback, now).unwrap(), []);
    }

    #[expect(clippy::cast_precision_loss, reason = "a few steps")]
    fn position_of(step: i64) -> f64 {
        (step * STEP) as f64
    }

    #[test]
    fn time_above_the_request_since_the_application_is_counted() {
        let timestamps: Vec<i64> = (0..100).map(|step| step * STEP).collect();
        let mut values = vec![0.1; 100];
        values[20..30].fill(0.5);
        let usage = DemandHistory::try_new(timestamps, values).unwrap();
        let picture = draw_since_applied(ContainerResource::Cpu, &usage, 0.2, Some(0.05));
        assert_sound(&picture);
        assert!((minutes(&picture, "usage above the request") - 50.0).abs() < 1e-6);
        assert!(picture.text.contains("exceeded the request 10.0 % of the time; at most 5.0 % was promised"));
    }
}
