//! Tests of the scaling policies, the comparison and the decision.

use proptest::prelude::*;

use super::*;
use crate::advise::kit::{HistoryError, Interval};

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

fn rules(startup_minutes: i64) -> PoolRules {
    PoolRules {
        capacity: 10.0,
        target_utilization: 0.5,
        startup_ms: startup_minutes * MINUTE,
        replicas_min: 1,
        replicas_max: 20,
        scale_out_max: None,
        scale_in_max: None,
        changes_per_day_max: None,
    }
}

fn minutes(values: &[f64]) -> DemandHistory {
    let timestamps = (0..values.len()).map(|i| i64::try_from(i).unwrap() * MINUTE).collect();
    DemandHistory::try_new(timestamps, values.to_vec()).unwrap()
}

/// Asks for a fixed sequence of replicas.
struct Script(Vec<u32>, usize);

impl Policy for Script {
    fn decide(&mut self, _at_ms: i64, _pool: &Pool) -> u32 {
        self.1 += 1;
        self.0[self.1 - 1]
    }

    fn observe(&mut self, _at_ms: i64, _demand: f64, _observed: bool) {}
}

#[test]
fn replicas_start_and_leave_as_described() {
    let history = minutes(&[0.0; 8]);
    let check = |startup: i64, asked: &[u32], ready: &[u32]| {
        let mut script = Script(asked.to_vec(), 0);
        let trace = simulate(&history, &rules(startup), 2, &mut script);
        assert_eq!((trace.desired.as_slice(), trace.ready.as_slice()), (asked, ready), "start-up {startup}");
    };
    check(0, &[2, 5, 1, 3, 3, 3, 3, 3], &[2, 5, 1, 3, 3, 3, 3, 3]);
    check(2, &[2, 5, 5, 5, 5, 5, 5, 5], &[2, 2, 2, 5, 5, 5, 5, 5]);
    // Two are requested at 1 and three more at 2. At 3 the newest three and one older leave before they are ready.
    check(3, &[2, 4, 7, 3, 3, 1, 1, 1], &[2, 2, 2, 2, 3, 1, 1, 1]);
}

#[test]
fn scores_are_shares_of_the_scored_steps() {
    // Two replicas serve 20. The third row is missing: carried forward and not scored.
    let history = minutes(&[10.0, 30.0, f64::NAN, 25.0, 20.0, 5.0]);
    let trace = Trace { desired: vec![2, 2, 2, 3, 3, 2], ready: vec![2, 2, 2, 2, 3, 2] };
    let figures = score(&history, &rules(1), &trace, MINUTE, Some(0.1));
    assert!((figures.under_provisioned_share - 2.0 / 4.0).abs() < 1e-12);
    assert!((figures.unserved_share - 15.0 / 80.0).abs() < 1e-12);
    assert!((figures.replica_hours - 10.0 / 60.0).abs() < 1e-12, "starting ones count: 2 + 3 + 3 + 2 minutes");
    assert!((figures.replica_hours_over_oracle - 10.0 / 6.0).abs() < 1e-9);
    assert!((figures.scale_changes_per_day - 2.0 * 1_440.0 / 4.0).abs() < 1e-9);
    assert!((figures.under_provisioned_minutes - 2.0).abs() < 1e-12);
}

#[test]
fn of_rows_at_one_time_the_last_counts_and_the_step_is_the_median() {
    let history = DemandHistory::try_new(vec![0, 10, 10, 20, 500], vec![1.0, 2.0, 3.0, f64::NAN, 5.0]).unwrap();
    assert_eq!((history.timestamps(), history.values()), (&[0, 10, 20, 500][..], &[1.0, 3.0, 3.0, 5.0][..]));
    assert_eq!((history.observed(), history.step_ms()), (&[true, true, false, true][..], 10));
    assert!(matches!(DemandHistory::try_new(vec![10, 0], vec![1.0; 2]), Err(HistoryError::Order { .. })));
    assert!(matches!(DemandHistory::try_new(vec![5, 5], vec![1.0; 2]), Err(HistoryError::TooShort { .. })));
}

#[test]
fn the_reactive_rule_is_kubernetes_formula() {
    // Target 0.5 of 10: five units per replica. Tolerance 10 %, decisions one step late, a scale-in window of five
    // minutes.
    let demand = [10.0, 10.5, 20.0, 21.9, 22.1, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0];
    let mut reactive = Reactive::new(rules(0), 5 * MINUTE);
    let trace = simulate(&minutes(&demand), &rules(0), 2, &mut reactive);
    // 10.5 needs 3 but is within 10 % of the target of 2 replicas; so is 21.9 for 4, and 22.1 is not.
    // At 6 demand 5 needs one replica; the five requested at 5 stay in the window until 9.
    assert_eq!(trace.desired, [2, 2, 2, 4, 4, 5, 5, 5, 5, 5, 1, 1]);
}

#[test]
fn last_week_falls_back_to_the_previous_day() {
    let day = 4 * MINUTE;
    let mut demand = vec![5.0, 5.0, 30.0, 5.0];
    demand.extend([5.0, 5.0, 5.0, 5.0].repeat(6));
    demand.extend([5.0, 5.0, 5.0, 5.0, 5.0]);
    let mut policy = LastWeek::new(rules(1), day);
    let trace = simulate(&minutes(&demand), &rules(1), 2, &mut policy);
    assert_eq!(trace.desired[..4], [2, 2, 2, 2], "neither a week nor a day ago is known");
    assert_eq!(trace.desired[4..8], [1, 6, 6, 1], "the previous day, a start-up early");
    assert_eq!(trace.desired[8..28], [1; 20]);
    assert_eq!(trace.desired[28..32], [1, 6, 6, 1], "a week ago");
}

#[test]
fn the_static_peak_is_the_warm_ups() {
    let mut policy = StaticPeak::new(rules(0), 3 * MINUTE);
    let trace = simulate(&minutes(&[5.0, 22.0, 9.0, 90.0, 90.0]), &rules(0), 2, &mut policy);
    assert_eq!(trace.desired, [2, 1, 5, 5, 5]);
}

#[test]
fn the_oracle_asks_a_startup_early_and_no_more() {
    let demand = [5.0, 5.0, 5.0, 5.0, 45.0, 5.0, 5.0, 5.0, 35.0, 0.0];
    let history = minutes(&demand);
    assert_eq!(oracle_plan(&history, &rules(2)), [1, 1, 5, 5, 5, 1, 4, 4, 4, 1]);
    assert_eq!(oracle_plan(&history, &rules(0)), [1, 1, 1, 1, 5, 1, 1, 1, 4, 1]);
    let bounded = PoolRules { replicas_min: 2, replicas_max: 4, ..rules(0) };
    assert_eq!(oracle_plan(&history, &bounded), [2, 2, 2, 2, 4, 2, 2, 2, 4, 2]);
}

#[test]
fn step_limits_hold() {
    let limited = PoolRules { scale_out_max: Some(2), scale_in_max: Some(1), ..rules(0) };
    let mut script = Script(vec![9, 9, 9, 9, 1, 1, 1, 1], 0);
    let trace = simulate(&minutes(&[0.0; 8]), &limited, 2, &mut script);
    assert_eq!(trace.desired, [4, 6, 8, 9, 8, 7, 6, 5]);
}

/// A day of 144 ten-minute steps with a peak at noon, a burst at six, and non-repeating noise.
fn days(n: usize, seed: u64) -> (Vec<i64>, Vec<f64>) {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 40).unwrap()) / f64::from(1_u32 << 24)
    };
    let value = |slot: usize, noise: f64| {
        let phase = f64::from(u32::try_from(slot % 144).unwrap()) / 144.0 * std::f64::consts::TAU;
        let burst = if slot % 144 == 36 { 60.0 } else { 0.0 };
        (60.0 - 40.0 * phase.cos() + burst) * (0.9 + 0.2 * noise)
    };
    let timestamps = (0..n * 144).map(|i| i64::try_from(i).unwrap() * 10 * MINUTE).collect();
    (timestamps, (0..n * 144).map(|slot| value(slot, noise())).collect())
}

fn options() -> CompareOptions {
    CompareOptions {
        initial: 4,
        warmup_ms: 7 * DAY,
        day_ms: DAY,
        stabilization_ms: 5 * MINUTE,
        unserved_cost_ratio: None,
        zone: None,
    }
}

#[test]
fn the_forecast_beats_the_reactive_rule_at_its_own_cost() {
    let (timestamps, values) = days(14, 1);
    let history = DemandHistory::try_new(timestamps, values).unwrap();
    let rules = PoolRules { target_utilization: 0.7, ..rules(20) };
    let comparison = compare(&history, &rules, &options()).unwrap();
    let Comparison { predictive, same_cost, reactive, oracle, .. } = &comparison;
    assert!(comparison.coverage.holds, "{:?}", comparison.coverage);
    assert!(same_cost.under_provisioned_share > 0.005, "{same_cost:?}");
    assert!(
        predictive.under_provisioned_share < same_cost.under_provisioned_share / 3.0,
        "{predictive:?} {same_cost:?}"
    );
    assert!(predictive.replica_hours <= 1.1 * reactive.replica_hours, "{predictive:?} {reactive:?}");
    assert!((same_cost.replica_hours / predictive.replica_hours - 1.0).abs() < 0.01);
    assert!(oracle.under_provisioned_share.abs() < 1e-12 && (oracle.replica_hours_over_oracle - 1.0).abs() < 1e-12);
}

#[test]
fn the_price_of_falling_short_decides_how_much_is_held() {
    let (timestamps, values) = days(12, 2);
    let history = DemandHistory::try_new(timestamps, values).unwrap();
    let hours = [1.0, 10.0, 200.0].map(|ratio| {
        let options = CompareOptions { unserved_cost_ratio: Some(ratio), ..options() };
        compare(&history, &PoolRules { target_utilization: 0.7, ..rules(20) }, &options).unwrap().predictive
    });
    assert!(hours[0].replica_hours < hours[1].replica_hours && hours[1].replica_hours < hours[2].replica_hours);
    let unserved = [&hours[0], &hours[1], &hours[2]].map(|score| score.unserved_share);
    assert!(unserved[0] > unserved[1] && unserved[1] >= unserved[2], "{unserved:?}");
}

#[test]
fn without_coverage_it_is_the_reactive_rule() {
    // The level jumps every few hours without a daily pattern, so that no promise holds.
    let mut level = 20.0;
    let mut state = 9_u64;
    let values: Vec<f64> = (0..144 * 6)
        .map(|slot| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let growth = 1.0 + f64::from(u32::try_from(slot).unwrap()) / 400.0;
            if slot % 3 == 0 {
                level = f64::from(u32::try_from(state >> 58).unwrap()) * growth * growth;
            }
            level
        })
        .collect();
    let timestamps: Vec<i64> = (0..values.len()).map(|i| i64::try_from(i).unwrap() * 10 * MINUTE).collect();
    let history = DemandHistory::try_new(timestamps, values).unwrap();
    let rules = PoolRules { replicas_max: 100, ..rules(20) };
    let mut predictive = Predictive::new(rules, options().predictive(10 * MINUTE));
    let mut reactive = Reactive::new(rules, 5 * MINUTE);
    let trace = simulate(&history, &rules, 4, &mut predictive);
    let other = simulate(&history, &rules, 4, &mut reactive);
    // Before the rule is trained it equals the reactive rule, and is never below the last observed demand.
    for idx in 1..72 {
        let floor = rules.needed_with_headroom(history.values()[idx - 1]);
        assert_eq!(trace.desired[idx], other.desired[idx].max(floor), "step {idx}");
    }
}

#[test]
fn an_impossible_comparison_is_an_error() {
    let history = minutes(&[1.0; 30]);
    let error = compare(&history, &rules(1), &CompareOptions { warmup_ms: DAY, ..options() }).unwrap_err();
    assert_eq!(error.to_string(), "the warm-up of 86400000 ms leaves nothing to score in a history of 1740000 ms");
    let error = compare(&history, &PoolRules { capacity: 0.0, ..rules(1) }, &options()).unwrap_err();
    assert_eq!(error.to_string(), "capacity 0 of a replica is not a positive number");
}

#[test]
fn a_decision_names_its_proof() {
    let (timestamps, values) = days(14, 3);
    let n = values.len();
    let demand = DemandHistory::try_new(timestamps, values).unwrap();
    let history =
        WorkloadHistory { demand, resources: Vec::new(), replicas: Some(vec![9.0; n]), cpu: None, latency: None };
    let spec = WorkloadSpec {
        capacity_per_replica: Some(10.0),
        startup_ms: 20 * MINUTE,
        step_ms: 10 * MINUTE,
        ..WorkloadSpec::new("api", "demand")
    };
    let decision = decide(&history, &spec).unwrap();
    assert_eq!((decision.current, decision.warmup_ms, decision.rule), (Some(9), 7 * DAY, Rule::Predictive));
    assert!(decision.replicas >= decision.floor && decision.floor >= 1);
    let Interval { value, lower, upper } = decision.under_provisioned;
    assert!(lower <= value && value <= upper && upper > 0.0);
    assert!(decision.confidence > 0.9);
    let missing = WorkloadSpec { capacity_per_replica: None, ..spec.clone() };
    assert!(matches!(decide(&history, &missing), Err(ScalingError::CapacityUnknown { .. })));
    let flat = WorkloadHistory {
        demand: minutes(&[50.0; 400]),
        resources: Vec::new(),
        replicas: None,
        cpu: None,
        latency: None,
    };
    assert!(matches!(decide(&flat, &spec), Err(ScalingError::NoGain { .. })));
    let short = WorkloadHistory {
        demand: minutes(&[50.0; 50]),
        resources: Vec::new(),
        replicas: None,
        cpu: None,
        latency: None,
    };
    assert!(matches!(decide(&short, &spec), Err(ScalingError::TooShort { points: 50, .. })));
}

#[test]
fn one_resource_decides_as_if_it_were_alone() {
    let (timestamps, values) = days(14, 3);
    let n = values.len();
    let demand = |values: &[f64]| DemandHistory::try_new(timestamps.clone(), values.to_vec()).unwrap();
    let base = WorkloadSpec {
        capacity_per_replica: Some(8.0),
        startup_ms: 20 * MINUTE,
        step_ms: 10 * MINUTE,
        ..WorkloadSpec::new("api", "demand")
    };
    let plain =
        WorkloadHistory { demand: demand(&values), resources: Vec::new(), replicas: None, cpu: None, latency: None };
    // A unit of demand has eight units of memory, and a replica holds eight times as many: exactly the same replicas,
    // because powers of two divide without rounding. Demand itself needs one replica.
    let memory = ResourceSpec { name: "memory".to_owned(), demand: "m".to_owned(), capacity_per_replica: 64.0 };
    let spec = WorkloadSpec { resources: vec![memory], ..base.clone() };
    let resources = vec![values.iter().map(|value| 8.0 * value).collect()];
    let history = WorkloadHistory { demand: demand(&vec![1.0; n]), resources, ..plain.clone() };
    let (alone, beside) = (decide(&plain, &base).unwrap(), decide(&history, &spec).unwrap());
    assert_eq!((alone.replicas, alone.floor, &alone.comparison), (beside.replicas, beside.floor, &beside.comparison));
    assert_eq!(beside.resources.iter().map(|one| one.largest).collect::<Vec<_>>(), [0, n]);
    assert!(alone.resources.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The ready pool is the smallest pool since the last step at least a start-up time before.
    #[test]
    fn ready_is_the_smallest_pool_since_a_startup(asked in prop::collection::vec(1u32..12, 2..40), startup in 0i64..6) {
        let history = minutes(&vec![0.0; asked.len()]);
        let trace = simulate(&history, &rules(startup), asked[0], &mut Script(asked.clone(), 0));
        for idx in 0..asked.len() {
            let from = idx.saturating_sub(usize::try_from(startup).unwrap());
            prop_assert_eq!(trace.ready[idx], asked[from..=idx].iter().copied().min().unwrap());
        }
    }

    /// The oracle never falls short, and none of its replicas can be spared.
    #[test]
    fn the_oracle_is_enough_and_not_more(demand in prop::collection::vec(0.0f64..150.0, 2..30), startup in 0i64..4, gap in 1i64..4) {
        let rules = rules(startup);
        let timestamps = (0..demand.len()).map(|i| i64::try_from(i).unwrap() * gap * MINUTE).collect();
        let history = DemandHistory::try_new(timestamps, demand.clone()).unwrap();
        let plan = oracle_plan(&history, &rules);
        let short = |plan: &[u32]| {
            let trace = follow(&history, &rules, plan);
            trace.ready.iter().zip(&demand).any(|(&ready, &demand)| demand > f64::from(ready) * rules.capacity)
        };
        prop_assert!(!short(&plan));
        // The first step's replicas are ready at once, so removing one there is seen in later steps too.
        for idx in 0..plan.len() {
            if plan[idx] > rules.replicas_min {
                let mut fewer = plan.clone();
                fewer[idx] -= 1;
                prop_assert!(short(&fewer), "step {} can spare one of {:?}", idx, plan);
            }
        }
    }

    /// A change of demand from a step on leaves every decision up to and at that step unchanged.
    #[test]
    fn no_decision_knows_the_future(seed in 0u64..50, cut in 200usize..1_000, factor in 0.0f64..5.0) {
        let (timestamps, values) = days(8, seed);
        let mut changed = values.clone();
        changed[cut..].iter_mut().for_each(|value| *value *= factor);
        let rules = rules(20);
        let decisions = |values: Vec<f64>| {
            let history = DemandHistory::try_new(timestamps.clone(), values).unwrap();
            let warm_until = 3 * DAY;
            let policies: [Box<dyn Policy>; 4] = [
                Box::new(Predictive::new(rules, options().predictive(10 * MINUTE))),
                Box::new(Reactive::new(rules, 30 * MINUTE)),
                Box::new(LastWeek::new(rules, DAY)),
                Box::new(StaticPeak::new(rules, warm_until)),
            ];
            policies.map(|mut policy| simulate(&history, &rules, 4, policy.as_mut()).desired)
        };
        for (before, after) in decisions(values.clone()).into_iter().zip(decisions(changed)) {
            prop_assert_eq!(&before[..=cut], &after[..=cut]);
        }
    }

    /// The number of scale-ins in any day is within the bound, and the last observed demand is always served.
    #[test]
    fn scaling_in_is_bounded(seed in 0u64..40, most in 0u32..12) {
        let (timestamps, values) = days(5, seed);
        let history = DemandHistory::try_new(timestamps.clone(), values).unwrap();
        let rules = PoolRules { changes_per_day_max: Some(most), ..rules(20) };
        let mut policy = Predictive::new(rules, options().predictive(10 * MINUTE));
        let trace = simulate(&history, &rules, 4, &mut policy);
        let steps = || trace.desired.windows(2).zip(&timestamps[1..]);
        let ins: Vec<i64> = steps().filter(|(pair, _)| pair[1] < pair[0]).map(|(_, &at_ms)| at_ms).collect();
        for (idx, &at_ms) in ins.iter().enumerate() {
            let within = ins[idx..].iter().take_while(|&&later_ms| later_ms < at_ms + DAY).count();
            prop_assert!(within <= most as usize, "{} scale-ins from {}", within, at_ms);
        }
        for idx in 1..history.len() {
            prop_assert!(trace.desired[idx] >= rules.needed(history.values()[idx - 1]).min(20));
        }
    }

    /// The result does not depend on the unit of demand and capacity.
    #[test]
    fn units_do_not_matter(seed in 0u64..20, exponent in -8i32..9) {
        let scale = 2f64.powi(exponent);
        let (timestamps, values) = days(4, seed);
        let run = |scale: f64| {
            let values = values.iter().map(|value| value * scale).collect();
            let history = DemandHistory::try_new(timestamps.clone(), values).unwrap();
            let rules = PoolRules { capacity: 10.0 * scale, ..rules(20) };
            simulate(&history, &rules, 4, &mut Reactive::new(rules, 30 * MINUTE)).desired
        };
        prop_assert_eq!(run(1.0), run(scale));
    }

    /// For any demand, the pool stays within its bounds and at or above the last observed demand.
    #[test]
    fn bounds_and_floor_hold(values in prop::collection::vec(prop_oneof![4 => 0.0f64..300.0, 1 => Just(f64::NAN)], 150..400)) {
        let history = DemandHistory::try_new((0..values.len()).map(|i| i64::try_from(i).unwrap() * MINUTE).collect(), values).unwrap();
        let rules = rules(3);
        let options = CompareOptions { day_ms: 60 * MINUTE, ..options() };
        let mut policy = Predictive::new(rules, options.predictive(MINUTE));
        let trace = simulate(&history, &rules, 4, &mut policy);
        for idx in 1..history.len() {
            prop_assert!((1..=20).contains(&trace.desired[idx]));
            prop_assert!(trace.desired[idx] >= rules.needed(history.values()[idx - 1]).min(20));
        }
    }
}
