//! Tests of range queries, sparse and dense.

use super::fixture::Fixture;
use crate::signal::{EvalLimits, SignalError, parse, range, range_dense};

const MINUTE: i64 = 60_000;

#[test]
fn series_come_by_labels_and_gaps_are_left_out() {
    let f = Fixture::new(MINUTE, &[r#"m{a="2"} 1 _x6 8"#, r#"m{a="1"} _ 2"#]);
    f.check_range((0, 8 * MINUTE, 2 * MINUTE), "m", &[r#"m{a="1"} _ 2 2 _ _"#, r#"m{a="2"} 1 1 1 _ 8"#]);
    f.check_range((20 * MINUTE, 30 * MINUTE, MINUTE), "m", &[]);
    f.check_range((0, 0, MINUTE), "sum(m)", &["{} 1"]);
}

#[test]
fn invalid_ranges_are_rejected() {
    let f = Fixture::new(MINUTE, &["m 1"]);
    let error = |expr: &str, start, end, step| {
        range(&f, &parse(expr).unwrap(), start, end, step, &EvalLimits::default()).unwrap_err()
    };
    assert!(matches!(error("m[5m]", 0, 1, 1), SignalError::Kind { found: "a range vector", .. }));
    assert!(matches!(error("\"x\"", 0, 1, 1), SignalError::Kind { found: "a string", .. }));
    assert!(matches!(error("m", 1, 0, 1), SignalError::Range { .. }));
    assert!(matches!(error("m", 0, 1, 0), SignalError::Range { .. }));
    assert!(matches!(error("m", 0, 11_001, 1), SignalError::TooManySteps { steps: 11_002, limit: 11_000 }));
    assert!(matches!(error("m", i64::MIN, i64::MAX, 1), SignalError::TooManySteps { .. }));
    assert!(range(&f, &parse("m").unwrap(), 0, 11_000, 1, &EvalLimits::default()).is_ok());
}

#[test]
fn dense_values_are_those_of_the_range_with_nan_between() {
    let f = Fixture::new(MINUTE, &[r#"m{a="2"} 1 _x6 8"#, r#"m{a="1"} _ 2 NaN"#, "gone 1"]);
    let (end, step) = (8 * MINUTE, 2 * MINUTE);
    for max_samples in [usize::MAX, 12] {
        // With the second limit the range is evaluated in parts.
        let limits = EvalLimits { max_samples, ..EvalLimits::default() };
        for expr in ["m", "m * 2", "sum(m)", "time()", "m offset 1h"] {
            let query = parse(expr).unwrap();
            let sparse = range(&f, &query, 0, end, step, &limits).unwrap();
            let dense = range_dense(&f, &query, 0, end, step, &limits).unwrap();
            assert_eq!((dense.start_ms, dense.step_ms, dense.steps), (0, step, 5));
            assert_eq!(dense.series.len(), sparse.len(), "{expr}");
            for (row, series) in dense.series.iter().zip(&sparse) {
                assert_eq!((&row.labels, row.values.len()), (&series.labels, 5), "{expr}");
                for (value, time) in row.values.iter().zip((0..).map(|step_idx| step_idx * step)) {
                    let stored = series.timestamps.iter().position(|at| *at == time).map(|at| series.values[at]);
                    let wanted = stored.unwrap_or(f64::NAN);
                    assert!(
                        value.to_bits() == wanted.to_bits() || (value.is_nan() && wanted.is_nan()),
                        "{expr} {time}"
                    );
                }
            }
        }
    }
    let scalar_of_string = range_dense(&f, &parse("\"x\"").unwrap(), 0, 1, 1, &EvalLimits::default());
    assert!(matches!(scalar_of_string, Err(SignalError::Kind { .. })));
}
