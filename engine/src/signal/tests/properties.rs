//! Property tests of the evaluator and the parser.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::Fixture;
use crate::{
    series::{Labels, stale_marker},
    signal::{EvalLimits, Value, instant, parse, range},
};

/// Expressions of every kind, except sorting ones.
const EXPRESSIONS: &[&str] = &[
    "m",
    "m offset 70s",
    "m offset -45s",
    "-m",
    "rate(m[3m])",
    "increase(m[90s])",
    "irate(m[2m])",
    "delta(m[4m] offset 1m)",
    "max_over_time(m[5m])",
    "min_over_time(m[5m])",
    "avg_over_time(m[2m])",
    "quantile_over_time(0.3, m[5m])",
    "changes(m[5m]) + resets(m[5m])",
    "deriv(m[5m])",
    "sum by (a) (m)",
    "avg without (b) (rate(m[2m]))",
    "topk(1, m)",
    "bottomk by (a) (1, m)",
    "stddev(m)",
    "quantile(0.7, m)",
    "count_values(\"v\", m > 5)",
    "m > 3",
    "m{b=\"x\"} - on(a) m{b=\"y\"}",
    "m{b=\"x\"} or m{b=\"y\"}",
    "m and on(a) m{b=\"y\"} > 4",
    "m unless m > 2",
    "absent(m > 8)",
    "absent_over_time(m[1m])",
    "scalar(sum(m)) + time()",
    "timestamp(m)",
    "max_over_time(sum by (a) (m)[4m:30s])",
    "last_over_time(m[3m])",
    "predict_linear(m[5m], 30)",
    "label_replace(m, \"c\", \"$1\", \"a\", \"(.)\")",
    "clamp(m, 2, scalar(m{a=\"1\",b=\"x\"}))",
];

/// Operands that may be computed in parts, and some that may not.
const REDUCED: &[&str] = &[
    "m",
    "m offset 70s",
    "rate(m[3m])",
    "-m * 2 > bool 3",
    "timestamp(m)",
    "max_over_time(rate(m[2m])[4m:30s])",
    "quantile_over_time(0.3, m[5m])",
    "m - on(a, b) m",
    "clamp(m, 2, scalar(m{a=\"1\",b=\"x\"}))",
];

fn points() -> impl Strategy<Value = Vec<Option<f64>>> {
    let point = prop_oneof![
        6 => (0_u8..10).prop_map(|value| Some(f64::from(value))),
        2 => Just(None),
        1 => Just(Some(stale_marker())),
        1 => Just(Some(f64::NAN)),
    ];
    prop::collection::vec(point, 30)
}

fn fixture(series: &[Vec<Option<f64>>]) -> Fixture {
    let names = ["m{a=\"1\",b=\"x\"}", "m{a=\"1\",b=\"y\"}", "m{a=\"2\",b=\"x\"}", "m{a=\"2\",b=\"y\"}"];
    let mut fixture = Fixture::default();
    for ((name, points), shift) in names.iter().zip(series).zip(0..) {
        for (value, idx) in points.iter().zip(0..) {
            if let Some(value) = value {
                fixture.insert(name, idx * 20_000 + shift * 700, *value);
            }
        }
    }
    fixture
}

type Answer = BTreeMap<(Labels, i64), u64>;

fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A range query equals an instant query at each step.
    #[test]
    fn ranges_are_instants_in_a_row(series in prop::collection::vec(points(), 4), start in 0_i64..400_000, step in 1_000_i64..90_000) {
        let (fixture, limits) = (fixture(&series), EvalLimits::default());
        let end = start + step * 7;
        for expr in EXPRESSIONS {
            let query = parse(expr).unwrap();
            let mut ranged = Answer::new();
            for series in range(&fixture, &query, start, end, step, &limits).unwrap() {
                for (time, value) in series.timestamps.iter().zip(&series.values) {
                    ranged.insert((series.labels.clone(), *time), bits(*value));
                }
            }
            let mut single = Answer::new();
            for time in (start..=end).step_by(usize::try_from(step).unwrap()) {
                match instant(&fixture, &query, time, &limits).unwrap() {
                    Value::Vector(elements) => single.extend(
                        elements.into_iter().map(|element| ((element.labels, element.timestamp_ms), bits(element.value))),
                    ),
                    Value::Scalar(value) => {
                        single.insert((Labels::default(), time), bits(value));
                    }
                    other => panic!("{expr}: {other:?}"),
                }
            }
            prop_assert_eq!(ranged, single, "{}", expr);
        }
    }

    /// Reductions of parts equal those of the whole, bit by bit.
    #[test]
    fn parts_are_the_whole(series in prop::collection::vec(points(), 4), start in 0_i64..400_000, part_values in 1_usize..12) {
        let (fixture, whole) = (fixture(&series), EvalLimits::default());
        let parts = EvalLimits { part_values, range_samples: 5 * part_values, ..EvalLimits::default() };
        for expr in REDUCED {
            for op in ["sum", "avg by (a)", "min without (b)", "max by (b)", "count", "group by (a, b)", "stddev", "stdvar by (a)"] {
                let query = parse(&format!("{op} ({expr})")).unwrap();
                let ask = |limits| {
                    let found = range(&fixture, &query, start, start + 240_000, 60_000, limits).unwrap();
                    let bits = |one: &crate::signal::RangeSeries| one.values.iter().copied().map(bits).collect::<Vec<_>>();
                    found.iter().map(|one| (one.labels.clone(), one.timestamps.clone(), bits(one))).collect::<Vec<_>>()
                };
                prop_assert_eq!(ask(&parts), ask(&whole), "{} ({})", op, expr);
            }
        }
    }

    /// The parser neither panics nor overflows on any text.
    #[test]
    fn any_text_is_parsed_or_rejected(text in "[a-z0-9(){}\\[\\]\"'=~!<>+*/%^@:., -]{0,60}") {
        let _ = parse(&text);
    }
}
