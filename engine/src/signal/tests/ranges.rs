use super::fixture::Fixture;
use crate::signal::{EvalLimits, SignalError, parse, range};

const MINUTE: i64 = 60_000;

#[test]
fn series_come_by_labels_and_gaps_are_left_out() {
    let f = Fixture::new(MINUTE, &[r#"m{a="2"} 1 _x6 8"#, r#"m{a="1"} _ 2"#]);
    f.check_range((0, 8 * MINUTE, 2 * MINUTE), "m", &[r#"m{a="1"} _ 2 2 _ _"#, r#"m{a="2"} 1 1 1 _ 8"#]);
    f.check_range((20 * MINUTE, 30 * MINUTE, MINUTE), "m", &[]);
    f.check_range((0, 0, MINUTE), "sum(m)", &["{} 1"]);
}

#[test]
fn what_is_no_range_is_refused() {
    let f = Fixture::new(MINUTE, &["m 1"]);
    let error = |expr: &str, start, end, step| {
        range(&f, &parse(expr).unwrap(), start, end, step, &EvalLimits::default()).unwrap_err()
    };
    assert!(matches!(error("m[5m]", 0, 1, 1), SignalError::Kind { found: "range vector", .. }));
    assert!(matches!(error("\"x\"", 0, 1, 1), SignalError::Kind { found: "string", .. }));
    assert!(matches!(error("m", 1, 0, 1), SignalError::Range { .. }));
    assert!(matches!(error("m", 0, 1, 0), SignalError::Range { .. }));
    assert!(matches!(error("m", 0, 11_001, 1), SignalError::TooManySteps { steps: 11_002, limit: 11_000 }));
    assert!(matches!(error("m", i64::MIN, i64::MAX, 1), SignalError::TooManySteps { .. }));
    assert!(range(&f, &parse("m").unwrap(), 0, 11_000, 1, &EvalLimits::default()).is_ok());
}
