//! Tests of moving bounds from advice to measurement and pictures, on a store.

use almanac_models::Timestamp;

use crate::{
    advise::{
        Advisor, Sources, advise_on, measure_on,
        picture::{LineRole, Picture, Span, SpanRole, assert_sound},
        threshold::{RuleFile, RuleSpec, Threshold, ThresholdSpec},
    },
    ledger::{Direction, Measured},
    series::{Labels, METRIC_NAME},
    store::{
        SampleBatch, Store, StoreOptions,
        rows::{EventBatch, Incident, IncidentVerdict, RecommendationRow, SignalOrigin, SignalRow, SignalStatus},
    },
};

const STEP_MS: i64 = 300_000;
const DAY: i64 = 288;
/// Days until the advice and until the measurement.
const ADVISED: i64 = 40;
const MEASURED: i64 = 60;

fn at(step: i64) -> Timestamp {
    Timestamp::from_millis(step * STEP_MS)
}

/// Returns whether a step lies in an incident: one hour a day, at a different hour each day.
fn during(step: i64) -> bool {
    (step % DAY) / 12 == (step / DAY) * 7 % 24
}

fn noise(step: i64) -> f64 {
    f64::from(i32::try_from(step * 7_919 % 101).unwrap()) / 25.0
}

/// A wave with a period of 25 hours, so that bounds by hour of week do not fit it. Incidents add 30 at any phase.
fn wave(step: i64) -> f64 {
    let phase = f64::from(i32::try_from(step % 300).unwrap()) / 300.0;
    let lifted = if during(step) { 30.0 } else { 0.0 };
    60.0 + 40.0 * (std::f64::consts::TAU * phase).sin() + noise(step) + lifted
}

struct Fixture {
    store: Store,
    spec: RuleSpec,
    _folder: tempfile::TempDir,
}

impl Fixture {
    /// Creates a store with forty days of a signal and its incidents. `learned`: whether it is one of the learned
    /// signals.
    fn new(rule: &str, value: fn(i64) -> f64, learned: bool, labelled: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let text = format!("groups:\n- name: g\n  interval: 5m\n  rules:\n  - alert: High\n    {rule}\n");
        let spec = RuleFile::parse("r.yml", &text).unwrap().alerts("r.yml").0.remove(0);
        let fixture = Self { store, spec, _folder: folder };
        fixture.put(value, 0..ADVISED * DAY, labelled);
        if learned {
            fixture.store.put_signals(&[signal()]).unwrap();
        }
        fixture
    }

    fn put(&self, value: fn(i64) -> f64, steps: std::ops::Range<i64>, labelled: bool) {
        let id = self.store.resolve(&Labels::from_pairs([(METRIC_NAME, "p95")]).unwrap()).unwrap();
        let timestamps: Vec<i64> = steps.clone().map(|step| at(step).millis()).collect();
        let values = steps.clone().map(value).collect();
        let batch = SampleBatch { series: vec![id; timestamps.len()], timestamps, values, histograms: Vec::new() };
        self.store.append(batch).unwrap().wait().unwrap();
        let incident = |step: i64| Incident {
            started_at: at(step),
            ended_at: Some(at(step + 11)),
            title: "slow".to_owned(),
            target: None,
            source: "test".to_owned(),
            verdict: IncidentVerdict::Real,
        };
        let begins = steps.filter(|&step| during(step) && !during(step - 1));
        let incidents = begins.filter(|_| labelled).map(incident).collect();
        self.store.put_events(EventBatch { incidents, ..EventBatch::default() }).unwrap();
    }

    fn advised(&self, moving_bounds: bool) -> RecommendationRow {
        let spec = ThresholdSpec::new(self.spec.clone(), moving_bounds);
        let verdicts = advise_on::<Threshold>(&Sources { store: &self.store }, &spec, at(ADVISED * DAY - 1));
        verdicts[0].recommendation().cloned().unwrap_or_else(|| panic!("{verdicts:?}"))
    }

    /// Adds twenty days of data and measures the applied recommendation.
    fn measured(&self, row: &RecommendationRow, value: fn(i64) -> f64, labelled: bool) -> Measured {
        self.put(value, ADVISED * DAY..MEASURED * DAY, labelled);
        let measure = |now| measure_on::<Threshold>(&Sources { store: &self.store }, None, row, at(ADVISED * DAY), now);
        let early = measure(at(ADVISED * DAY + 10)).unwrap();
        assert_eq!(early, None, "an hour is too short");
        measure(at(MEASURED * DAY - 1)).unwrap().unwrap()
    }
}

fn signal() -> SignalRow {
    SignalRow {
        signal: "latency".to_owned(),
        expr: "p95".to_owned(),
        origin: SignalOrigin::Configured,
        step_ms: STEP_MS,
        status: SignalStatus::Ready,
        reason: None,
        seasons_ms: Vec::new(),
        model: None,
        fitted_at: None,
        points: 1,
        mase: None,
        coverage_80: None,
        coverage_95: None,
    }
}

/// Returns the names of a patch's recording rules, and the expression of its alert.
fn written(row: &RecommendationRow) -> (Vec<String>, String) {
    let file = RuleFile::parse("patch", &row.patch.body).unwrap();
    let rules = &file.groups[0].rules;
    let alert = rules.iter().rfind(|rule| rule.alert.is_some()).unwrap();
    (rules.iter().filter_map(|rule| rule.record.clone()).collect(), alert.expr.clone())
}

#[test]
fn a_band_around_a_learned_signal_is_advised_and_measured() {
    let fixture = Fixture::new("expr: p95 > 98", wave, true, true);
    let row = fixture.advised(true);
    let (records, alert) = written(&row);
    assert_eq!(records, ["almanac:bound:high", "almanac:bound:high:lower"]);
    assert_eq!(row.proposed["expr"], alert.as_str());
    assert!(row.patch.body.contains("latency"), "{}", row.patch.body);
    assert!(row.evidence["terms"]["rule"]["band_width"].is_f64() && row.evidence["terms"]["rule"]["bound"].is_null());
    let measured = fixture.measured(&row, wave, true);
    assert!(measured.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{measured:?} {:?}", row.effect);
    // When incidents no longer raise the signal, the rule catches none: the prediction is broken although alerts are
    // few.
    let fixture = Fixture::new("expr: p95 > 98", wave, true, true);
    let row = fixture.advised(true);
    let calm = |step: i64| wave(step) - if during(step) { 30.0 } else { 0.0 };
    let broken = fixture.measured(&row, calm, true);
    assert!(
        broken.broken.is_some() && !broken.keeps(Direction::Lower, row.effect.lower, row.effect.upper),
        "{broken:?}"
    );
}

/// Bounds by hour of week do not need a learned signal.
#[test]
fn bounds_by_hour_are_advised_and_measured() {
    let steps = |step: i64| {
        let level = if (8..20).contains(&(step % DAY / 12)) { 100.0 } else { 10.0 };
        level + noise(step) + if during(step) { 30.0 } else { 0.0 }
    };
    let fixture = Fixture::new("expr: p95 > 103", steps, false, true);
    let row = fixture.advised(true);
    let (records, alert) = written(&row);
    assert_eq!(
        (records.as_slice(), alert.as_str()),
        (&["almanac:bound:high".to_owned()][..], "p95 > on() group_left() almanac:bound:high")
    );
    assert_eq!(row.evidence["terms"]["rule"]["hourly"].as_array().unwrap().len(), 168);
    let measured = fixture.measured(&row, steps, true);
    assert!(measured.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{measured:?} {:?}", row.effect);
    assert!(fixture.advised(false).evidence["terms"]["rule"]["hourly"].is_null(), "not allowed");
}

#[test]
fn burn_rates_are_advised_and_measured() {
    // A quarter of the budget, short peaks of ten minutes above the bound, and fifty times the budget in incidents.
    let errors = |step: i64| {
        if during(step) {
            0.05
        } else if step % 30 < 2 {
            0.0015
        } else {
            0.00025
        }
    };
    let rule = "expr: p95 > 0.001\n    labels: {slo: '99.9'}";
    let fixture = Fixture::new(rule, errors, false, true);
    let row = fixture.advised(false);
    let (records, alert) = written(&row);
    assert_eq!(records.len(), 7, "{records:?}");
    assert!(alert.starts_with("(almanac:bound:high:1h > 0.0144 and almanac:bound:high:5m > 0.0144) or "), "{alert}");
    assert_eq!(row.evidence["recommended"]["false_alerts_per_week"], 0.0);
    let measured = fixture.measured(&row, errors, true);
    assert!(measured.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{measured:?} {:?}", row.effect);
}

/// Returns the pictures of a recommendation, with every rule of pictures checked.
fn drawn(fixture: &Fixture, row: &RecommendationRow, now: Timestamp) -> Vec<Picture> {
    let pictures = Threshold::pictures(&Sources { store: &fixture.store }, None, row, now).unwrap();
    pictures.iter().for_each(assert_sound);
    pictures
}

/// The text of a picture counts the alerts that the evidence scores, and unless spans are left out they are drawn.
fn assert_alerts(picture: &Picture, row: &RecommendationRow, rules: &[(&str, &str)]) {
    let (from_ms, until_ms) =
        (row.evidence["scored_from_ms"].as_f64().unwrap(), row.evidence["scored_until_ms"].as_f64().unwrap());
    let weeks = (until_ms - from_ms + 300_000.0) / 604_800_000.0;
    for (name, field) in rules {
        let count = |figure: &str| (row.evidence[field][figure].as_f64().unwrap() * weeks).round();
        let (alerts, wrong) = (count("alerts_per_week"), count("false_alerts_per_week"));
        let figures = format!("gives {alerts} alerts, {wrong} of them false, and catches ");
        assert!(picture.text.contains(&format!("the {name} rule")), "{}", picture.text);
        assert!(picture.text.contains(&figures), "{figures}: {}", picture.text);
        let spans = |role: SpanRole| {
            let prefix = format!("{name} rule: ");
            let of_rule = picture.spans.iter().filter(|span| span.label.starts_with(&prefix) && span.from >= from_ms);
            f64::from(u32::try_from(of_rule.filter(|span| span.role == role).count()).unwrap())
        };
        if !picture.text.contains("are drawn") {
            assert!((spans(SpanRole::FalseAlert) - wrong).abs() < 0.5, "{name}: {}", picture.text);
            assert!((spans(SpanRole::Alert) - (alerts - wrong)).abs() < 0.5, "{name}: {}", picture.text);
        }
    }
}

#[test]
fn every_kind_of_bound_is_drawn_with_the_alerts_of_the_evidence() {
    const BOTH: [(&str, &str); 2] = [("present", "present"), ("proposed", "recommended")];
    let roles = |picture: &Picture| picture.lines.iter().map(|line| line.role).collect::<Vec<_>>();
    let now = at(ADVISED * DAY + 100);
    let band = Fixture::new("expr: p95 > 98", wave, true, true);
    let row = band.advised(true);
    let pictures = drawn(&band, &row, now);
    let [signal] = pictures.as_slice() else { panic!("{pictures:?}") };
    assert_eq!(roles(signal), [LineRole::Measured, LineRole::Present, LineRole::Lower, LineRole::Upper]);
    assert_alerts(signal, &row, &BOTH);
    assert!(signal.spans.iter().any(|span| span.role == SpanRole::Incident), "{:?}", signal.spans);
    let learned: Vec<f64> =
        signal.spans.iter().filter(|span| span.role == SpanRole::Learned).map(|span| span.to).collect();
    let split = row.evidence["scored_from_ms"].as_f64().unwrap();
    assert!(learned.len() == 1 && (learned[0] - split).abs() <= 300_000.0, "{learned:?} {split}");

    let steps = |step: i64| {
        let level = if (8..20).contains(&(step % DAY / 12)) { 100.0 } else { 10.0 };
        level + noise(step) + if during(step) { 30.0 } else { 0.0 }
    };
    let hourly = Fixture::new("expr: p95 > 103", steps, false, true);
    let row = hourly.advised(true);
    let pictures = drawn(&hourly, &row, now);
    assert_eq!(roles(&pictures[0]), [LineRole::Measured, LineRole::Present, LineRole::Proposed]);
    assert!(pictures[0].text.contains("a bound by hour of the week"), "{}", pictures[0].text);
    let bounds = &pictures[0].lines[2].values;
    assert!(bounds.iter().any(|bound| *bound != bounds[0]), "the bound moves");
    assert_alerts(&pictures[0], &row, &BOTH);

    let errors = |step: i64| {
        if during(step) {
            0.05
        } else if step % 30 < 2 {
            0.0015
        } else {
            0.00025
        }
    };
    let burning = Fixture::new("expr: p95 > 0.001\n    labels: {slo: '99.9'}", errors, false, true);
    let row = burning.advised(false);
    let pictures = drawn(&burning, &row, now);
    let names: Vec<&str> = pictures.iter().map(|picture| picture.name).collect();
    assert_eq!(names, ["signal", "burn_rate"]);
    assert_alerts(&pictures[0], &row, &BOTH);
    assert_alerts(&pictures[1], &row, &BOTH[1..]);
    assert_eq!(roles(&pictures[1]), [LineRole::Measured, LineRole::Proposed]);
}

#[test]
fn alerts_without_labelled_incidents_are_neither_right_nor_false() {
    let fixture = Fixture::new("expr: p95 > 98", wave, false, false);
    let row = fixture.advised(false);
    let picture = &drawn(&fixture, &row, at(ADVISED * DAY))[0];
    assert!(picture.spans.iter().any(|span| span.role == SpanRole::Alert));
    let is_judged = |span: &Span| matches!(span.role, SpanRole::FalseAlert | SpanRole::Incident);
    assert!(!picture.spans.iter().any(is_judged) && !picture.text.contains("false"), "{}", picture.text);
    // Terms that cannot be read are an error, not an empty picture.
    let broken = RecommendationRow { evidence: serde_json::json!({"terms": {"rule": 3}}), ..row };
    assert!(Threshold::pictures(&Sources { store: &fixture.store }, None, &broken, at(1)).is_err());
}
