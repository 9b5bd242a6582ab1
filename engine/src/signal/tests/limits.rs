//! Tests of the limits on samples and steps, and of cancellation.

use super::fixture::Fixture;
use crate::signal::{EvalLimits, SignalError, instant, parse, range};

const MINUTE: i64 = 60_000;

#[test]
fn samples_are_limited() {
    let f = Fixture::new(MINUTE, &[r#"m{a="1"} 0+1x99"#, r#"m{a="2"} 0+1x99"#]);
    let limits = |max_samples| EvalLimits { max_samples, ..EvalLimits::default() };
    let ask = |expr: &str, max_samples| instant(&f, &parse(expr).unwrap(), 99 * MINUTE, &limits(max_samples));
    assert!(ask("sum_over_time(m[100m])", 200).is_ok());
    assert!(matches!(ask("sum_over_time(m[100m])", 199), Err(SignalError::TooManySamples { limit: 199 })));
    // The samples of both selectors count; a shared read counts once.
    assert!(ask("sum_over_time(m[100m]) + max_over_time(m[100m])", 200).is_ok());
    let both = "sum_over_time(m[100m]) + max_over_time(m{a!=\"3\"}[100m])";
    assert!(matches!(ask(both, 399), Err(SignalError::TooManySamples { limit: 399 })));
    assert!(ask(both, 400).is_ok());
    // The results of a subquery count too, independently of what it reads.
    assert!(matches!(ask("count_over_time(vector(1)[1y:1s])", 1_000_000), Err(SignalError::TooManySamples { .. })));
    let many_steps = range(&f, &parse("m").unwrap(), 0, 99 * MINUTE, 1000, &limits(5000));
    assert!(matches!(many_steps, Err(SignalError::TooManySamples { limit: 5000 })));
}

#[test]
fn long_ranges_are_evaluated_in_parts() {
    let f = Fixture::new(1000, &["m{a=\"1\"} 0+1x9999", "m{a=\"2\"} 0+1x5000 stale 0+1x3000"]);
    let limits = |max_samples| EvalLimits { max_samples, ..EvalLimits::default() };
    for expr in ["m", "rate(m[1m])", "sum(m) - m{a=\"1\"} @ end()", "topk(1, m)", "time()"] {
        let ask = |limits: &EvalLimits| range(&f, &parse(expr).unwrap(), 0, 9_999_000, 20_000, limits);
        let whole = ask(&limits(usize::MAX)).unwrap();
        assert_eq!(ask(&limits(1500)).unwrap(), whole, "{expr}");
    }
    // A single step needs 600 samples of the range.
    let ask =
        |max_samples| range(&f, &parse("sum_over_time(m[5m])").unwrap(), 0, 600_000, 20_000, &limits(max_samples));
    assert!(ask(650).is_ok());
    assert!(matches!(ask(550), Err(SignalError::TooManySamples { limit: 550 })));
}

#[test]
fn a_cancelled_evaluation_ends() {
    let f = Fixture::new(MINUTE, &["m 1"]);
    let limits = EvalLimits::default();
    limits.cancel.clone().cancel();
    assert!(matches!(instant(&f, &parse("m").unwrap(), 0, &limits), Err(SignalError::Cancelled)));
    assert!(matches!(instant(&f, &parse("1").unwrap(), 0, &limits), Err(SignalError::Cancelled)));
}
