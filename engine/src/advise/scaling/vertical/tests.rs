use super::*;
use crate::advise::scaling::DemandHistory;

const STEP_MS: i64 = 300_000;
const DAY_MS: i64 = 86_400_000;

/// Days of five-minute steps: noise that repeats nowhere around a level that may follow the hour.
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
    // Between 0.9 and 1.1: the 90 % quantile is 1.08, with 15 % and a bucket of up to 5 % 1.24 to 1.33.
    let steady = usage(12, 1, |_| 1.0);
    let vpa = figures(&steady, &mut Vpa::new(ContainerResource::Cpu));
    assert!((1.24..1.33).contains(&vpa.mean_request), "{vpa:?}");
    assert!(vpa.above.abs() < 1e-12 && vpa.changes_per_day.abs() < 1e-12);
    // Of the 95 % quantile a twentieth lies above.
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
    // One step of twenty is at four instead of one: 5 % above cost less than three quarters of the request idling.
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
    // Seven days are scored; two hours of them are 1.2 %.
    assert!(ours.above < 0.03, "{ours:?}");
}

#[test]
fn no_request_knows_the_future_nor_its_unit() {
    let requests = |history: &DemandHistory| {
        let mut rule = covering(ContainerResource::Cpu);
        let mut request = None;
        let decide = |(&at_ms, &usage): (&i64, &f64)| {
            request = rule.request(at_ms, request);
            rule.observe(at_ms, usage);
            request
        };
        history.timestamps().iter().zip(history.values()).map(decide).collect::<Vec<_>>()
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
    let scaled = requests(&DemandHistory::try_new(history.timestamps().to_vec(), bytes).unwrap());
    // Buckets of 2 % lie elsewhere.
    let near = |(a, b): (&Option<f64>, &Option<f64>)| a.zip(*b).is_none_or(|(a, b)| (b / a / 1e9 - 1.0).abs() < 0.1);
    assert!(before.iter().zip(&scaled).all(near));
}

#[test]
fn nothing_odd_stops_a_rule() {
    for values in [vec![0.0; 600], vec![f64::NAN; 600], vec![1e12; 600], vec![1e-12; 600]] {
        let timestamps = (0..600).map(|step| step * STEP_MS).collect();
        let history = DemandHistory::try_new(timestamps, values).unwrap();
        for resource in [ContainerResource::Cpu, ContainerResource::Memory] {
            let rules: [Box<dyn RequestRule>; 3] =
                [Box::new(Vpa::new(resource)), Box::new(Krr::new(resource)), Box::new(covering(resource))];
            for mut rule in rules {
                let figures = replay_requests(&history, rule.as_mut(), 0);
                assert!(figures.is_none_or(|figures| figures.slack.is_finite() && figures.mean_request.is_finite()));
            }
        }
    }
}
