//! Tests of the rightsizing rules, the decision and the advisor on a store.

use almanac_models::Timestamp;

use super::*;
use crate::{
    advise::{Sources, advise_on, kit::DemandHistory, measure_on},
    ledger::Direction,
    series::{Labels, METRIC_NAME},
    store::{
        SampleBatch, Store, StoreOptions,
        rows::{Deploy, EventBatch},
    },
};

const STEP_MS: i64 = 300_000;
const DAY_MS: i64 = 86_400_000;

/// Days of five-minute steps with non-repeating noise around a level that may depend on the hour.
fn usage(days: u32, seed: u64, level: impl Fn(f64) -> f64) -> DemandHistory {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 40).unwrap()) / f64::from(1_u32 << 24)
    };
    let timestamps: Vec<i64> = (0..i64::from(days) * DAY_MS / STEP_MS).map(|step| step * STEP_MS).collect();
    let day = |at_ms: i64| f64::from(u32::try_from(at_ms / 1_000).unwrap()) / 86_400.0;
    let values = timestamps.iter().map(|&at_ms| level(day(at_ms)) * (0.9 + 0.2 * noise())).collect();
    DemandHistory::try_new(timestamps, values).unwrap()
}

fn figures(history: &DemandHistory, rule: &mut dyn RequestRule) -> RequestFigures {
    replay_requests(history, rule, 7 * DAY_MS).unwrap()
}

fn covering(resource: ContainerResource) -> Covering {
    Covering::new(CoveringOptions::new(resource))
}

#[test]
fn the_rivals_follow_their_formulas() {
    // Usage is in [0.9, 1.1]. Its 90 % quantile is 1.08; with 15 % and a bucket of up to 5 % that is 1.23 to 1.33.
    let steady = usage(12, 1, |_| 1.0);
    let vpa = figures(&steady, &mut Vpa::new(ContainerResource::Cpu));
    assert!((1.23..1.33).contains(&vpa.mean_request), "{vpa:?}");
    assert!(vpa.above.abs() < 1e-12 && vpa.changes_per_day.abs() < 1e-12);
    // A twentieth of the usage is above its 95 % quantile.
    let krr = figures(&steady, &mut Krr::new(ContainerResource::Cpu));
    assert!((krr.mean_request - 1.09).abs() < 0.003 && (krr.above - 0.05).abs() < 0.01, "{krr:?}");
    let bytes = usage(12, 2, |_| 1e9);
    let memory = figures(&bytes, &mut Krr::new(ContainerResource::Memory));
    assert!((memory.mean_request / 1.1e9 - 1.15).abs() < 0.001, "{memory:?}");
    let memory = figures(&bytes, &mut Vpa::new(ContainerResource::Memory));
    assert!((1.15..1.22).contains(&(memory.mean_request / 1.1e9)), "{memory:?}");
}

#[test]
fn the_range_of_the_vpa_narrows_with_time() {
    let mut vpa = Vpa::new(ContainerResource::Cpu);
    assert_eq!(vpa.range(), None);
    for minute in 0..=2 * 1_440 {
        vpa.observe(minute * 60_000, 1.0);
    }
    let VpaRange { target, lower, upper } = vpa.range().unwrap();
    assert!((upper / target - 1.5).abs() < 1e-3, "two days: 1 + 1/2");
    assert!((lower / target - (1.0_f64 + 0.001 / 2.0).powi(-2)).abs() < 1e-6);
}

#[test]
fn what_gathers_is_covered_and_rare_spikes_are_not() {
    // One step in twenty is 4 instead of 1. That 5 % above costs less than covering it with three times the usage idle.
    let spikes = |share: f64| move |day: f64| if (day * 288.0).round() % (1.0 / share) < 0.5 { 4.0 } else { 1.0 };
    let rare = figures(&usage(14, 3, spikes(0.05)), &mut covering(ContainerResource::Cpu));
    assert!(rare.mean_request < 1.3 && (rare.above - 0.05).abs() < 0.01, "{rare:?}");
    let often = figures(&usage(14, 3, spikes(0.25)), &mut covering(ContainerResource::Cpu));
    assert!(often.mean_request > 3.9 && often.above < 0.02, "{often:?}");
}

#[test]
fn a_steady_container_is_left_alone_with_less_slack() {
    let steady = usage(14, 4, |_| 1.0);
    let (ours, vpa) = (
        figures(&steady, &mut covering(ContainerResource::Cpu)),
        figures(&steady, &mut Vpa::new(ContainerResource::Cpu)),
    );
    assert!(ours.slack < vpa.slack && ours.above < 0.01 && ours.changes_per_day < 0.15, "{ours:?} {vpa:?}");
}

#[test]
fn memory_is_never_asked_for_less_than_its_peak() {
    let history = usage(14, 5, |day| if (8.0..8.1).contains(&day) { 3e9 } else { 1e9 });
    let mut rule = covering(ContainerResource::Memory);
    let (mut request, mut peak) = (None, 0.0_f64);
    for (&at_ms, &usage) in history.timestamps().iter().zip(history.values()) {
        request = rule.request(at_ms, request);
        // Decisions are made hourly, from the first usage on.
        if at_ms % 3_600_000 == STEP_MS {
            assert!(request.unwrap() > peak, "{at_ms}: {request:?} {peak}");
        }
        rule.observe(at_ms, usage);
        peak = peak.max(usage);
    }
}

#[test]
fn a_higher_level_is_followed_within_hours() {
    let history = usage(14, 6, |day| if day < 10.0 { 1.0 } else { 3.0 });
    let ours = figures(&history, &mut covering(ContainerResource::Cpu));
    // Seven days are scored; six hours of them, all above the request at first, are 3.6 %.
    assert!(ours.above < 0.04, "{ours:?}");
}

#[test]
fn no_request_knows_the_future_nor_its_unit() {
    let requests = |history: &DemandHistory| {
        trace_requests(history, &mut Leading::new(CoveringOptions::new(ContainerResource::Cpu)))
    };
    let history = usage(9, 7, |day| 1.0 + 0.5 * (day * std::f64::consts::TAU).sin());
    let before = requests(&history);
    for cut in [500, 1_500, 2_000] {
        let mut values = history.values().to_vec();
        values[cut..].iter_mut().for_each(|value| *value *= 5.0);
        let changed = DemandHistory::try_new(history.timestamps().to_vec(), values).unwrap();
        assert_eq!(requests(&changed)[..=cut], before[..=cut]);
    }
    let bytes = history.values().iter().map(|value| value * 1e9).collect();
    let bytes = DemandHistory::try_new(history.timestamps().to_vec(), bytes).unwrap();
    // Bucket ends differ by unit, so that a marginal change occurs at another hour. The vertical pod autoscaler's
    // buckets are made for cores.
    let (before, scaled) = (
        trace_requests(&history, &mut covering(ContainerResource::Cpu)),
        trace_requests(&bytes, &mut covering(ContainerResource::Cpu)),
    );
    let near = |(a, b): (&Option<f64>, &Option<f64>)| a.zip(*b).is_none_or(|(a, b)| (b / a / 1e9 - 1.0).abs() < 0.25);
    assert!(before.iter().zip(&scaled).all(near));
}

#[test]
fn nothing_odd_stops_a_rule() {
    for values in [vec![0.0; 600], vec![f64::NAN; 600], vec![1e12; 600], vec![1e-12; 600]] {
        let timestamps = (0..600).map(|step| step * STEP_MS).collect();
        let history = DemandHistory::try_new(timestamps, values).unwrap();
        for resource in [ContainerResource::Cpu, ContainerResource::Memory] {
            let rules: [Box<dyn RequestRule>; 4] = [
                Box::new(Vpa::new(resource)),
                Box::new(Krr::new(resource)),
                Box::new(covering(resource)),
                Box::new(Leading::new(CoveringOptions::new(resource))),
            ];
            for mut rule in rules {
                let figures = replay_requests(&history, rule.as_mut(), 0);
                assert!(figures.is_none_or(|figures| figures.slack.is_finite() && figures.mean_request.is_finite()));
            }
        }
    }
}

#[test]
fn the_rule_that_costs_least_is_followed() {
    // An hour at thirty times the usual level every fourth day: a rule that covers it idles for days.
    let bursts = usage(28, 8, |day| if day.rem_euclid(4.0) < 1.0 / 24.0 { 30.0 } else { 1.0 });
    let options = CoveringOptions::new(ContainerResource::Cpu);
    let cost = |rule: &mut dyn RequestRule| figures(&bursts, rule).cost(options.above_cost);
    let alone = [
        cost(&mut covering(ContainerResource::Cpu)),
        cost(&mut Vpa::new(options.resource)),
        cost(&mut Krr::new(options.resource)),
    ];
    let least = alone.into_iter().fold(f64::INFINITY, f64::min);
    let leading = cost(&mut Leading::new(options));
    assert!(leading < least + 0.1, "{leading} {alone:?}");
}

#[test]
fn a_request_is_decided_beside_the_present_one() {
    let steady = usage(14, 9, |_| 1.0);
    let options = CoveringOptions::new(ContainerResource::Cpu);
    let decision = decide_request(&steady, Some(4.0), &options).unwrap();
    // The promise is about the idle part above a mean of 1, at a request of about 1.1.
    assert!((1.05..1.25).contains(&decision.request), "{decision:?}");
    assert!((decision.present_cost.unwrap() - 3.0).abs() < 0.01 && decision.confidence > 0.99);
    assert!(decision.cost.lower <= decision.cost.value && decision.cost.value <= decision.cost.upper);
    assert!((decision.cost.value - (decision.request - 1.0)).abs() < 0.05, "{decision:?}");
    let present = decision.request;
    let refused = decide_request(&steady, Some(present), &options);
    assert!(matches!(refused, Err(RightsizingError::NoGain { .. })), "{refused:?}");
    // A request that is too small saves more by a change: usage exceeds it almost all the time.
    let small = decide_request(&steady, Some(0.5), &options).unwrap();
    assert!((small.request - present).abs() < 0.1 && small.present_cost.unwrap() > 5.9);
    let short = decide_request(&usage(2, 9, |_| 1.0), None, &options);
    assert!(matches!(short, Err(RightsizingError::TooShort { .. })));
}

struct Scene {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Days of five-minute samples of 1 GB of memory, and of 3 GB on the second day.
    fn new(days: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let scene = Self { store, _folder: folder };
        scene.put(&usage(days, 10, |day| if (1.0..2.0).contains(&day) { 3e9 } else { 1e9 }));
        scene
    }

    fn put(&self, usage: &DemandHistory) {
        let id = self.store.resolve(&Labels::from_pairs([(METRIC_NAME, "memory_bytes")]).unwrap()).unwrap();
        let timestamps = usage.timestamps().to_vec();
        let batch = SampleBatch {
            series: vec![id; timestamps.len()],
            timestamps,
            values: usage.values().to_vec(),
            histograms: Vec::new(),
        };
        self.store.append(batch).unwrap().wait().unwrap();
    }
}

fn at_day(day: i64) -> Timestamp {
    Timestamp::from_millis(day * DAY_MS)
}

#[test]
fn a_request_is_recommended_from_the_store_and_measured() {
    let scene = Scene::new(13);
    let spec = ContainerSpec {
        memory: Some("max(memory_bytes)".to_owned()),
        memory_request: Some("4294967296".to_owned()),
        ..ContainerSpec::new("api")
    };
    let from = Sources { store: &scene.store };
    let advised = |spec: &ContainerSpec, day: i64| advise_on::<Rightsizing>(&from, spec, at_day(day)).remove(0);
    let recommend = || advised(&spec, 13).recommendation().cloned().unwrap();
    let row = recommend();
    let request = row.proposed["request"].as_f64().unwrap();
    assert!((3.2e9..3.9e9).contains(&request), "the peak of the second day and what it may grow: {request}");
    assert_eq!((row.target.as_str(), row.current["quantity"].as_str()), ("api/memory", Some("4096Mi")));
    let quantity = row.proposed["quantity"].as_str().unwrap();
    assert!(
        row.patch.body.contains(&format!("memory: {quantity}\n")) && row.reason.contains(quantity),
        "{}",
        row.reason
    );
    // A version deployed on the fifth day did not cause the peak.
    let deploy = Deploy { at: at_day(4), service: "api".to_owned(), version: None };
    scene.store.put_events(EventBatch { deploys: vec![deploy], ..EventBatch::default() }).unwrap();
    let row = recommend();
    let request = row.proposed["request"].as_f64().unwrap();
    assert!((1.1e9..3.3e9).contains(&request), "{request}");

    let measured = |until| measure_on::<Rightsizing>(&from, Some(&spec), &row, at_day(13), at_day(until)).unwrap();
    scene.put(&usage(16, 11, |_| 1e9));
    let kept = measured(16).unwrap();
    let idle = (request - 1e9) / request;
    assert!((kept.value - idle).abs() < 0.02 && kept.lower <= kept.value, "{kept:?} {idle}");
    assert!(kept.keeps(Direction::Lower, row.effect.lower, row.effect.upper), "{kept:?} {:?}", row.effect);
    assert_eq!(measured(15), None, "two days have passed");
    let unknown = ContainerSpec { memory_request: Some("vector(-1)".to_owned()), ..spec.clone() };
    let refused = advised(&unknown, 13).reason();
    assert!(refused.contains("returns -1 as the present memory request"), "{refused}");
    let missing = ContainerSpec { memory: Some("nothing".to_owned()), ..spec.clone() };
    let refused = advised(&missing, 13).reason();
    assert_eq!(refused, "`nothing` returns no value over the history");
    let refused = advised(&spec, 18).reason();
    assert!(refused.contains("hours ago"), "{refused}");
}

#[test]
fn days_are_rescaled_there_and_back() {
    let history = usage(14, 12, |day| 1.0 + 0.5 * (day * std::f64::consts::TAU).sin());
    let spec = ContainerSpec { day_ms: 600_000, ..ContainerSpec::new("api") };
    let short: Vec<i64> = history.timestamps().iter().map(|&at_ms| spec.in_own_days(at_ms)).collect();
    let back: Vec<i64> = short.iter().map(|&at_ms| spec.in_whole_days(at_ms)).collect();
    // Within a millisecond of the short day.
    assert!(back.iter().zip(history.timestamps()).all(|(back, at_ms)| (at_ms - back).abs() <= 144));
}

#[test]
fn what_was_before_a_change_of_level_says_nothing_of_the_present_request() {
    let options = CoveringOptions::new(ContainerResource::Cpu);
    let fell = usage(28, 13, |day| if day < 20.0 { 2.0 } else { 0.9 });
    let request = decide_request(&fell, None, &options).unwrap().request;
    for near in [request, 1.02 * request, request - 0.001] {
        let refused = decide_request(&fell, Some(near), &options);
        assert!(matches!(refused, Err(RightsizingError::NoGain { .. })), "{near}: {refused:?}");
    }
    // Three hours above the request are only two percent of a week.
    let rose = usage(28, 14, |day| if day < 27.875 { 1.0 } else { 3.0 });
    let decision = decide_request(&rose, Some(1.2), &options).unwrap();
    assert!(decision.request > 2.9, "{decision:?}");
}

#[test]
fn a_small_request_is_promised_as_it_is_written() {
    let tiny = usage(14, 15, |_| 0.0012);
    let decision =
        decide_request(&tiny, None, &CoveringOptions { least: 0.001, ..CoveringOptions::new(ContainerResource::Cpu) })
            .unwrap();
    assert!((decision.request - 0.002).abs() < 1e-9);
    assert!(decision.cost.lower < 0.66 && decision.cost.upper > 0.66, "two thirds of the usage idle: {decision:?}");
}

#[test]
fn a_version_that_nothing_is_known_of_changes_no_request() {
    // No usage is reported for two days after the deployment.
    let full = usage(14, 16, |_| 1e9);
    let quiet = 9 * DAY_MS..11 * DAY_MS;
    let values = full.timestamps().iter().zip(full.values());
    let values = values.map(|(at_ms, &used)| if quiet.contains(at_ms) { f64::NAN } else { used }).collect();
    let history = DemandHistory::try_new(full.timestamps().to_vec(), values).unwrap();
    let options = CoveringOptions { deployed_ms: Some(9 * DAY_MS), ..CoveringOptions::new(ContainerResource::Memory) };
    let requests = trace_requests(&history, &mut Leading::new(options));
    assert!(requests.iter().flatten().all(|request| *request > 1e9));
}
