//! Tests of functions of classic histograms.

use super::fixture::Fixture;

const MINUTE: i64 = 60_000;

fn latency() -> Fixture {
    Fixture::new(
        MINUTE,
        &[
            r#"d_bucket{job="api",le="0.1"} 0+5x10"#,
            r#"d_bucket{job="api",le="0.5"} 0+8x10"#,
            r#"d_bucket{job="api",le="+Inf"} 0+10x10"#,
            r#"d_bucket{job="web",le="0.1"} 0+0x10"#,
            r#"d_bucket{job="web",le="0.5"} 0+10x10"#,
            r#"d_bucket{job="web",le="+Inf"} 0+10x10"#,
        ],
    )
}

#[test]
fn quantiles_of_rates() {
    let f = latency();
    let at = 10 * MINUTE;
    // Rank 5 of 10 is the end of the first bucket in one series and the middle of the second bucket in the other.
    f.check(at, "histogram_quantile(0.5, rate(d_bucket[5m]))", &[r#"{job="api"} 0.1"#, r#"{job="web"} 0.3"#]);
    f.check(
        at,
        "histogram_quantile(0.25, sum by (le, job) (rate(d_bucket[5m])))",
        &[r#"{job="api"} 0.05"#, r#"{job="web"} 0.2"#],
    );
    // Together the counts are 5, 18, 20; rank 16 is at 11/13 of the second bucket.
    f.check(at, "histogram_quantile(0.8, sum by (le) (rate(d_bucket[5m])))", &["{} 0.438461538"]);
    f.check(at, "histogram_quantile(0.95, rate(d_bucket{job=\"api\"}[5m]))", &[r#"{job="api"} 0.5"#]);
    f.check(at, "histogram_quantile(2, d_bucket{job=\"api\"})", &[r#"{job="api"} inf"#]);
    f.check_range(
        (at, at + MINUTE, MINUTE),
        "histogram_quantile(0.5, rate(d_bucket[5m]))",
        &[r#"{job="api"} 0.1 0.1"#, r#"{job="web"} 0.3 0.3"#],
    );
    f.check(at, "histogram_fraction(0, 0.1, rate(d_bucket[5m]))", &[r#"{job="api"} 0.5"#, r#"{job="web"} 0"#]);
}

#[test]
fn rows_without_bounds_are_left_out() {
    let f = Fixture::new(MINUTE, &["a 1", r#"a{le="x"} 1"#, r#"b{le="1"} 1"#, r#"b{le="2"} 2"#]);
    f.check(0, "histogram_quantile(0.5, a)", &[]);
    f.check(0, "histogram_quantile(0.5, b)", &["{} NaN"]);
}
