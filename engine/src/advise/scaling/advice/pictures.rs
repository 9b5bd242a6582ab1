//! Draws the evidence of a scaling recommendation: demand with the ready capacity of each rule, the schedule ahead, and
//! the pool since the application. Called by `advisor`; the functions that draw read no store.

use std::collections::{BTreeMap, BTreeSet};

use almanac_models::Timestamp;
use chrono::DateTime;
use serde_json::Value;

use super::ScheduleSlot;
use crate::{
    advise::{
        FetchError,
        kit::{HistoryError, in_force, learned_signal, rfc3339},
        picture::{
            Axis, DrawnRows, Line, LineRole, Mark, MarkRole, Picture, Quantity, RowKey, Shape, SpanBudget, SpanRole,
            percent, position, spans_where,
        },
        scaling::{
            DemandHistory, PoolRules, Predictive, ScalingError, Trace, WorkloadSpec, decide::compare_options, fetch,
            largest_demand, replay::trace_reactive, score, simulate,
        },
    },
    store::{
        Store,
        rows::{ForecastRow, RecommendationRow, RowFilter},
    },
};

/// Maximum number of rows of demand, and of the forecast, in the picture of the schedule.
const SCHEDULE_ROWS_MAX: usize = 500;

/// Draws a recommendation. A rollback has no replay, and so only its pool since the application.
///
/// # Errors
/// [`FetchError`] when the demand cannot be read.
pub(in crate::advise::scaling) fn pictures(
    store: &Store,
    spec: &WorkloadSpec,
    row: &RecommendationRow,
    now: Timestamp,
) -> Result<Vec<Picture>, FetchError> {
    let spec = as_decided(spec, row);
    let capacity = row.proposed.get("capacity_per_replica").and_then(Value::as_f64);
    let rules = spec.pool_rules(capacity.ok_or_else(|| FetchError::unreadable("capacity_per_replica"))?);
    rules.check()?;
    let mut pictures = Vec::new();
    if let Some(decided_ms) = time(row.evidence.get("scored_until")) {
        let demand = demand_at(store, &spec, row, decided_ms, rules.capacity)?;
        pictures.push(draw_replay(&Replay::new(demand.clone(), rules, &spec, row)));
        let slots = schedule(row);
        if let Some(until_ms) = time(row.proposed.get("schedule_until")).filter(|_| !slots.is_empty()) {
            let forecast = forecast(store, &spec, decided_ms, until_ms)?;
            pictures.push(draw_schedule(&demand, rules.capacity, spec.day_ms, (&slots, until_ms), &forecast));
        }
    }
    pictures.extend(since_applied(store, &spec, row, rules.capacity, now)?);
    Ok(pictures)
}

/// Returns the specification with the durations and the target of the decision, which may have been configured otherwise
/// since.
fn as_decided(spec: &WorkloadSpec, row: &RecommendationRow) -> WorkloadSpec {
    #[expect(clippy::cast_possible_truncation, reason = "durations are far below 2^63 ms")]
    let millis = |name: &str, otherwise: i64| {
        let seconds = row.evidence.get(name).and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
        seconds.map_or(otherwise, |seconds| (seconds * 1e3).round() as i64)
    };
    let target = row.current.get("target_utilization").and_then(Value::as_f64);
    WorkloadSpec {
        step_ms: millis("step_seconds", spec.step_ms).max(1),
        day_ms: millis("day_seconds", spec.day_ms).max(1),
        startup_ms: millis("startup_seconds", spec.startup_ms),
        scale_in_stabilization_ms: millis("stabilization_seconds", spec.scale_in_stabilization_ms),
        target_utilization: target.unwrap_or(spec.target_utilization),
        ..spec.clone()
    }
}

/// Reads the demand that was decided on: as many steps as then, the last one before `decided_ms`.
fn demand_at(
    store: &Store,
    spec: &WorkloadSpec,
    row: &RecommendationRow,
    decided_ms: i64,
    capacity: f64,
) -> Result<DemandHistory, FetchError> {
    let steps = row.evidence.get("steps").and_then(Value::as_i64);
    let history_ms = steps.map_or(spec.history_ms, |steps| (steps - 1).max(1).saturating_mul(spec.step_ms));
    // Only demand is drawn.
    let spec = WorkloadSpec { history_ms, replicas: None, cpu: None, latency: None, ..spec.clone() };
    let history = fetch(store, &spec, Timestamp::from_millis(decided_ms - spec.step_ms))?;
    Ok(largest_demand(&history, &spec, capacity)?.0)
}

/// Reads the forecast of the learned signal with the workload's demand, as it was at the decision.
fn forecast(
    store: &Store,
    spec: &WorkloadSpec,
    decided_ms: i64,
    until_ms: i64,
) -> Result<Vec<ForecastRow>, FetchError> {
    // The demand of several resources is no signal.
    let signal = if spec.resources.is_empty() { learned_signal(store, &spec.demand)? } else { None };
    let Some(signal) = signal else { return Ok(Vec::new()) };
    let decided = Timestamp::from_millis(decided_ms);
    let filter = RowFilter {
        signals: vec![signal],
        start: Some(decided),
        end: Some(Timestamp::from_millis(until_ms)),
        latest: true,
        made_until: Some(decided),
        ..RowFilter::default()
    };
    Ok(store.forecasts(&filter)?)
}

/// A rule with its replayed pool.
struct ReplayedRule {
    name: &'static str,
    role: LineRole,
    trace: Trace,
}

/// Demand, and the pools that the drawn rules would have had.
struct Replay {
    demand: DemandHistory,
    pool: PoolRules,
    scored_from_ms: i64,
    rules: Vec<ReplayedRule>,
}

impl Replay {
    /// Replays the rules that are drawn, as the decision did. The other policies of the evidence are not replayed.
    fn new(demand: DemandHistory, pool: PoolRules, spec: &WorkloadSpec, row: &RecommendationRow) -> Self {
        let options = compare_options(&demand, &pool, spec);
        let mut predictive = Predictive::new(pool, options.predictive(demand.step_ms()));
        let reactive = |target: f64| trace_reactive(&demand, &pool, &options, target);
        let mut rules = vec![
            ReplayedRule {
                name: "forecast rule",
                role: LineRole::Proposed,
                trace: simulate(&demand, &pool, options.initial, &mut predictive),
            },
            ReplayedRule { name: "reactive rule", role: LineRole::Present, trace: reactive(pool.target_utilization) },
        ];
        let same_cost = row.evidence.get("same_cost_target_utilization").and_then(Value::as_f64);
        rules.extend(same_cost.filter(|target| *target > 0.0).map(|target| ReplayedRule {
            name: "reactive rule at the same cost",
            role: LineRole::Compared,
            trace: reactive(target),
        }));
        let scored_from_ms = demand.timestamps()[0].saturating_add(options.warmup_ms);
        Self { demand, pool, scored_from_ms, rules }
    }

    /// Returns the demand at a step; NaN when it is unknown.
    fn known_demand(&self, step: usize) -> f64 {
        known(&self.demand, step)
    }

    /// Returns what the ready replicas of a rule serve at a step.
    fn ready_capacity(&self, rule: &ReplayedRule, step: usize) -> f64 {
        f64::from(rule.trace.ready[step]) * self.pool.capacity
    }
}

/// Draws demand, the ready capacity of each rule, and where each falls short.
fn draw_replay(replay: &Replay) -> Picture {
    let Replay { demand, pool, scored_from_ms, rules } = replay;
    let at_ms = demand.timestamps();
    // The highest demand of a bucket and the lowest spare capacity of each rule survive.
    let highest = |step: usize| replay.known_demand(step);
    let least_spare: Vec<Box<dyn Fn(usize) -> f64 + '_>> = rules
        .iter()
        .map(|rule| {
            Box::new(move |step: usize| replay.known_demand(step) - replay.ready_capacity(rule, step)) as Box<_>
        })
        .collect();
    let keys: Vec<RowKey<'_>> = std::iter::once(&highest as RowKey<'_>)
        .chain(least_spare.iter().map(|key| key.as_ref() as RowKey<'_>))
        .collect();
    let drawn = DrawnRows::select(demand.len(), &keys);
    let mut lines = vec![drawn.line("demand", LineRole::Measured, Shape::Line, highest)];
    let mut budget = SpanBudget::default();
    let warmup = |step: usize| at_ms[step] < *scored_from_ms;
    budget.add("parts", spans_where(at_ms, warmup, SpanRole::Learned, "warm-up, not scored"));
    budget.add("gaps", spans_where(at_ms, |step| !demand.observed()[step], SpanRole::Missing, "no demand is known"));
    let mut figures = Vec::new();
    for rule in rules {
        let capacity = |step: usize| replay.ready_capacity(rule, step);
        lines.push(drawn.line(rule.name, rule.role, Shape::Steps, capacity));
        let short = |step: usize| !warmup(step) && replay.known_demand(step) > capacity(step);
        let label = format!("{} falls short", rule.name);
        budget.add(format!("shortfalls of the {}", rule.name), spans_where(at_ms, short, SpanRole::Shortfall, &label));
        let share = score(demand, pool, &rule.trace, *scored_from_ms, None).under_provisioned_share;
        figures.push(format!("the {} {}", rule.name, percent(share)));
    }
    let text = format!(
        "Demand, and what the ready replicas of each rule would have served at {} per replica. Of the scored time, demand \
         exceeds the ready capacity of {}.",
        pool.capacity,
        figures.join(", of "),
    );
    let (spans, text) = budget.finish(text);
    Picture {
        name: "replicas",
        title: "Demand and ready capacity".to_owned(),
        text,
        x: drawn.axis(at_ms),
        y: Quantity::new("demand", ""),
        lines: with_values(lines),
        spans,
        marks: Vec::new(),
    }
}

/// Draws the last day of demand and the planned capacity after it, with the forecast if there is one.
fn draw_schedule(
    demand: &DemandHistory,
    capacity: f64,
    day_ms: i64,
    (slots, until_ms): (&[ScheduleSlot], i64),
    forecast: &[ForecastRow],
) -> Picture {
    let (first_ms, n) = (slots[0].from_ms, demand.len());
    let start = demand.timestamps().partition_point(|&at_ms| at_ms < first_ms - day_ms).min(n - 1);
    let end = demand.timestamps().partition_point(|&at_ms| at_ms < first_ms).max(start + 1);
    let highest = |row: usize| known(demand, start + row);
    let past = DrawnRows::select_at_most(end - start, &[&highest], SCHEDULE_ROWS_MAX);
    let past: BTreeMap<i64, f64> =
        past.rows().iter().map(|&row| (demand.timestamps()[start + row], highest(row))).collect();
    let ahead = DrawnRows::select_at_most(forecast.len(), &[&|row| forecast[row].yhat_upper_80], SCHEDULE_ROWS_MAX);
    let ahead: BTreeMap<i64, &ForecastRow> =
        ahead.rows().iter().map(|&row| (forecast[row].timestamp.millis(), &forecast[row])).collect();
    let mut at_ms: BTreeSet<i64> = past.keys().chain(ahead.keys()).copied().collect();
    at_ms.extend(slots.iter().map(|slot| slot.from_ms));
    at_ms.insert(until_ms);
    let planned = |at_ms: i64| {
        let slot = slots.partition_point(|slot| slot.from_ms <= at_ms).checked_sub(1);
        slot.map_or(f64::NAN, |slot| f64::from(slots[slot].replicas) * capacity)
    };
    let line = |name: &str, role, shape, value: &dyn Fn(i64) -> f64| {
        Line::new(name, role, shape, at_ms.iter().map(|&at_ms| value(at_ms)))
    };
    let forecast_line = |name: &str, role, of: fn(&ForecastRow) -> f64| {
        line(name, role, Shape::Line, &|at_ms| ahead.get(&at_ms).map_or(f64::NAN, |row| of(row)))
    };
    let lines = vec![
        line("demand", LineRole::Measured, Shape::Line, &|at_ms| past.get(&at_ms).copied().unwrap_or(f64::NAN)),
        line("planned capacity", LineRole::Proposed, Shape::Steps, &planned),
        forecast_line("forecast of demand", LineRole::Compared, |row| row.yhat),
        forecast_line("forecast, lower end at 80 %", LineRole::Lower, |row| row.yhat_lower_80),
        forecast_line("forecast, upper end at 80 %", LineRole::Upper, |row| row.yhat_upper_80),
    ];
    let replicas = || slots.iter().map(|slot| slot.replicas);
    let text = format!(
        "The schedule from {} until {}: {} to {} replicas, each for {capacity} of demand, after the last day of demand{}.",
        rfc3339(first_ms),
        rfc3339(until_ms),
        replicas().min().unwrap_or(0),
        replicas().max().unwrap_or(0),
        if ahead.is_empty() { "" } else { "; the band is the forecast of the demand's learned signal at 80 %" },
    );
    Picture {
        name: "schedule",
        title: "Schedule ahead".to_owned(),
        text,
        x: Axis::time(at_ms.iter().copied()),
        y: Quantity::new("demand", ""),
        lines: with_values(lines),
        spans: Vec::new(),
        marks: vec![Mark::new(position(first_ms), MarkRole::Now, "decision")],
    }
}

/// Draws demand and the replicas that were ready since the application. None while the replicas are unknown.
fn since_applied(
    store: &Store,
    spec: &WorkloadSpec,
    row: &RecommendationRow,
    capacity: f64,
    now: Timestamp,
) -> Result<Option<Picture>, FetchError> {
    let Some((applied_at, until)) = in_force(store, row, now)? else { return Ok(None) };
    let since_ms = until.millis() - applied_at.millis();
    if since_ms < 2 * spec.step_ms || spec.replicas.is_none() {
        return Ok(None);
    }
    let spec = WorkloadSpec { history_ms: spec.history_ms.min(since_ms), cpu: None, latency: None, ..spec.clone() };
    let history = match fetch(store, &spec, until) {
        Err(ScalingError::History(HistoryError::TooShort { .. })) => return Ok(None),
        history => history?,
    };
    let (demand, _) = largest_demand(&history, &spec, capacity)?;
    let ready: Vec<f64> = history.replicas.iter().flatten().map(|replicas| replicas * capacity).collect();
    Ok(draw_since_applied(&demand, &ready, row.effect.upper))
}

/// Draws demand and the ready capacity of every step. `promised`: upper end of the promised under-provisioned share.
fn draw_since_applied(demand: &DemandHistory, ready: &[f64], promised: f64) -> Option<Picture> {
    let at_ms = demand.timestamps();
    let both = |step: usize| known(demand, step) - ready[step];
    let (judged, short) = (0..demand.len())
        .map(both)
        .filter(|short| !short.is_nan())
        .fold((0_u32, 0_u32), |(n, under), short| (n + 1, under + u32::from(short > 0.0)));
    if judged == 0 {
        return None;
    }
    let drawn = DrawnRows::select(demand.len(), &[&|step| known(demand, step), &both]);
    let mut budget = SpanBudget::default();
    budget.add(
        "shortfalls",
        spans_where(at_ms, |step| both(step) > 0.0, SpanRole::Shortfall, "the ready replicas fall short"),
    );
    let unknown = "demand or ready replicas are unknown";
    budget.add("gaps", spans_where(at_ms, |step| both(step).is_nan(), SpanRole::Missing, unknown));
    let share = percent(f64::from(short) / f64::from(judged));
    let (spans, text) = budget.finish(format!(
        "Since the application, demand exceeded the capacity of the replicas that were ready {share} of the time; at most {} \
         was promised.",
        percent(promised)
    ));
    Some(Picture {
        name: "since_applied",
        title: "Demand and ready replicas since the application".to_owned(),
        text,
        x: drawn.axis(at_ms),
        y: Quantity::new("demand", ""),
        lines: with_values(vec![
            drawn.line("demand", LineRole::Measured, Shape::Line, |step| known(demand, step)),
            drawn.line("ready capacity", LineRole::Proposed, Shape::Steps, |step| ready[step]),
        ]),
        spans,
        marks: Vec::new(),
    })
}

/// Returns the demand at a step; NaN when it is unknown.
fn known(demand: &DemandHistory, step: usize) -> f64 {
    if demand.observed()[step] { demand.values()[step] } else { f64::NAN }
}

/// Returns the lines that have a value.
fn with_values(mut lines: Vec<Line>) -> Vec<Line> {
    lines.retain(Line::has_values);
    lines
}

/// Returns the stored schedule, ascending; empty when there is none.
fn schedule(row: &RecommendationRow) -> Vec<ScheduleSlot> {
    let slots = row.proposed.get("schedule").and_then(Value::as_array);
    let slot = |slot: &Value| {
        let replicas = u32::try_from(slot.get("replicas")?.as_u64()?).ok()?;
        Some(ScheduleSlot { from_ms: time(slot.get("from"))?, replicas })
    };
    slots.into_iter().flatten().filter_map(slot).collect()
}

/// Reads an instant, epoch milliseconds.
fn time(value: Option<&Value>) -> Option<i64> {
    let at = DateTime::parse_from_rfc3339(value?.as_str()?).ok()?;
    Some(at.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advise::{Advisor, Sources, advise_on, picture::assert_sound, scaling::Scaling},
        series::{Labels, METRIC_NAME},
        store::{SampleBatch, StoreOptions},
    };

    const STEP: i64 = 300_000;
    const DAY: i64 = 288;

    /// Two weeks with the same steep morning every day, a surge on some days, and a gap of an hour.
    fn demand(step: i64) -> Option<f64> {
        let busy = if (96..240).contains(&(step % DAY)) { 200.0 } else { 0.0 };
        let noise = f64::from(i32::try_from(step * 7_919 % 101).unwrap()) / 10.0;
        let surge = if step % (3 * DAY) == 700 { 250.0 } else { 0.0 };
        let gap = (3_000..3_012).contains(&step);
        (!gap).then_some(20.0 + busy + noise + surge)
    }

    fn put(store: &Store, metric: &str, rows: impl Iterator<Item = (i64, f64)>) {
        let id = store.resolve(&Labels::from_pairs([(METRIC_NAME, metric)]).unwrap()).unwrap();
        let (timestamps, values): (Vec<i64>, Vec<f64>) = rows.unzip();
        let batch = SampleBatch { series: vec![id; values.len()], timestamps, values, histograms: Vec::new() };
        store.append(batch).unwrap().wait().unwrap();
    }

    fn spec() -> WorkloadSpec {
        WorkloadSpec {
            capacity_per_replica: Some(10.0),
            step_ms: STEP,
            startup_ms: 2 * STEP,
            replicas: Some("ready".to_owned()),
            ..WorkloadSpec::new("api", "demand")
        }
    }

    /// Returns the time in spans of a label, minutes.
    fn minutes(picture: &Picture, label: &str) -> f64 {
        picture.spans.iter().filter(|span| span.label == label).map(|span| (span.to - span.from) / 60_000.0).sum()
    }

    #[test]
    fn the_drawn_shortfalls_are_those_of_the_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        put(&store, "demand", (0..14 * DAY).filter_map(|step| Some((step * STEP, demand(step)?))));
        let (from, decided) = (Sources { store: &store }, Timestamp::from_millis((14 * DAY - 1) * STEP + 7));
        let verdict = advise_on::<Scaling>(&from, &spec(), decided).remove(0);
        let mut row = verdict.recommendation().unwrap_or_else(|| panic!("{}", verdict.reason())).clone();
        // Samples after the decision, and another configuration since, change no picture of it.
        put(&store, "demand", (14 * DAY..15 * DAY).map(|step| (step * STEP, 900.0)));
        let changed = WorkloadSpec { startup_ms: STEP, target_utilization: 0.4, ..spec() };
        let now = Timestamp::from_millis(15 * DAY * STEP);
        let pictures = Scaling::pictures(&from, Some(&changed), &row, now).unwrap();
        pictures.iter().for_each(assert_sound);
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name).collect();
        assert_eq!(names, ["replicas", "schedule"]);
        let replicas = &pictures[0];
        assert!(replicas.x.values.len() > 500, "{}", replicas.x.values.len());
        let roles: Vec<LineRole> = replicas.lines.iter().map(|line| line.role).collect();
        assert_eq!(roles, [LineRole::Measured, LineRole::Proposed, LineRole::Present, LineRole::Compared]);
        let policies = &row.evidence["policies"];
        for (label, policy) in [
            ("forecast rule falls short", "predictive"),
            ("reactive rule falls short", "reactive"),
            ("reactive rule at the same cost falls short", "same_cost"),
        ] {
            let evidence = policies[policy]["under_provisioned_minutes"].as_f64().unwrap();
            let drawn = minutes(replicas, label);
            let all_drawn = !replicas.text.contains("are drawn");
            assert!((drawn - evidence).abs() < 1e-6 || !all_drawn, "{label}: {drawn} drawn, {evidence} minutes");
            assert!(drawn > 0.0 || evidence <= 0.0, "{label}: {evidence} minutes");
            let share = percent(policies[policy]["under_provisioned_share"].as_f64().unwrap());
            assert!(replicas.text.contains(&share), "{share} is not in: {}", replicas.text);
        }
        assert!(!replicas.text.contains("are drawn"), "{}", replicas.text);
        assert!((minutes(replicas, "no demand is known") - 60.0).abs() < 1e-6);
        assert!((minutes(replicas, "warm-up, not scored") - 7.0 * 1_440.0).abs() < 1e-6);
        let peak = (0..14 * DAY).filter_map(demand).fold(0.0, f64::max);
        let drawn = replicas.lines[0].values.iter().flatten().copied().fold(0.0, f64::max);
        assert!((drawn - peak).abs() < 1e-3 * peak, "the peak {peak} is drawn as {drawn}");

        // A decision without a replay, such as a rollback, has no picture before it is applied.
        row.evidence = serde_json::json!({"reverts": "scaling-api-1"});
        assert_eq!(Scaling::pictures(&from, Some(&spec()), &row, now).unwrap(), []);
        assert!(matches!(Scaling::pictures(&from, None, &row, now), Err(FetchError::NotConfigured)));
    }

    #[test]
    fn shortfalls_since_the_application_are_counted() {
        let timestamps: Vec<i64> = (0..200).map(|step| step * STEP).collect();
        let mut values = vec![5.0; 200];
        values[50..60].fill(25.0);
        values[100] = f64::NAN;
        let demand = DemandHistory::try_new(timestamps, values).unwrap();
        let mut ready = vec![20.0; 200];
        ready[10] = f64::NAN;
        let picture = draw_since_applied(&demand, &ready, 0.02).unwrap();
        assert_sound(&picture);
        let spans: Vec<(SpanRole, f64)> = picture.spans.iter().map(|span| (span.role, span.from / 300_000.0)).collect();
        let missing = SpanRole::Missing;
        assert_eq!(spans, [(missing, 10.0), (SpanRole::Shortfall, 50.0), (missing, 100.0)]);
        assert!(picture.text.contains("ready 5.1 % of the time; at most 2.0 % was promised"), "{}", picture.text);
        assert_eq!(draw_since_applied(&demand, &[f64::NAN; 200], 0.02), None);
    }
}
