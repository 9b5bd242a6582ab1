//! Tests of functions.

use super::fixture::Fixture;

const MINUTE: i64 = 60_000;

#[test]
fn rates_extrapolate_to_the_window() {
    // 10 a minute, samples at each minute from 0 to 20 min.
    let f = Fixture::new(MINUTE, &["c 0+10x20"]);
    // At 15 min: samples at 11…15 min rise by 40 in 4 min. The window starts 1 min before the first one, less than
    // 1.1 × 1 min, so that the increase is extrapolated to 50 in 5 min.
    f.check(15 * MINUTE, "increase(c[5m])", &["{} 50"]);
    f.check(15 * MINUTE, "rate(c[5m])", &["{} 0.166666667"]);
    f.check(15 * MINUTE, "delta(c[5m])", &["{} 50"]);
    f.check(15 * MINUTE, "irate(c[5m])", &["{} 0.166666667"]);
    f.check(15 * MINUTE, "idelta(c[5m])", &["{} 10"]);
    f.check(15 * MINUTE, "deriv(c[5m])", &["{} 0.166666667"]);
    // After the last sample: samples at 18…20 min, and a window that ends 2 min later. Extrapolated by half a minute
    // only.
    f.check(22 * MINUTE, "increase(c[5m])", &["{} 35"]);
    // One sample is not enough.
    f.check(22 * MINUTE, "increase(c[2m30s])", &[]);
}

#[test]
fn counters_are_not_extrapolated_below_zero() {
    let f = Fixture::new(MINUTE, &["c 5+10x20", "g 5+10x20"]);
    // Samples at 0…3 min rise from 5 by 30 in 3 min: the counter would have been 0 half a minute before.
    f.check(3 * MINUTE, "increase(c[5m])", &["{} 35"]);
    // A gauge is extrapolated by half a sample distance, which is the same here; to the boundary if that is near
    // enough.
    f.check(3 * MINUTE, "increase(c[3m30s])", &["{} 35"]);
    f.check(3 * MINUTE, "delta(g[3m50s])", &["{} 38.3333333"]);
}

#[test]
fn counter_resets_are_added() {
    let f = Fixture::new(MINUTE, &["c 10 20 5 15 3 4"]);
    // From 10: +10, reset at 20 (+5), +10, reset at 15 (+3), +1 = 29 in 5 min.
    f.check(5 * MINUTE, "increase(c[6m])", &["{} 34.8"]);
    f.check(5 * MINUTE, "resets(c[6m])", &["{} 2"]);
    f.check(5 * MINUTE, "changes(c[6m])", &["{} 5"]);
    f.check(5 * MINUTE, "delta(c[6m])", &["{} -7.2"]);
    f.check(4 * MINUTE, "irate(c[6m])", &["{} 0.05"]);
    // A window that starts after a reset does not count it.
    f.check_range((3 * MINUTE, 5 * MINUTE, MINUTE), "resets(c[2m])", &["{} 0 1 0"]);
    f.check_range((3 * MINUTE, 5 * MINUTE, MINUTE), "idelta(c[2m])", &["{} 10 -12 1"]);
}

#[test]
fn functions_over_time() {
    let f = Fixture::new(MINUTE, &["g 1 5 3 3 8"]);
    let over = |function: &str, expected: &str| {
        f.check(4 * MINUTE, &format!("{function}_over_time(g[5m])"), &[&format!("{{}} {expected}")]);
    };
    over("avg", "4");
    over("min", "1");
    over("max", "8");
    over("sum", "20");
    over("count", "5");
    over("present", "1");
    over("stdvar", "5.6");
    over("stddev", "2.36643191");
    over("mad", "2");
    over("ts_of_min", "0");
    over("ts_of_max", "240");
    over("ts_of_first", "0");
    over("ts_of_last", "240");
    f.check(4 * MINUTE, "last_over_time(g[5m])", &["g 8"]);
    f.check(4 * MINUTE, "first_over_time(g[5m])", &["g 1"]);
    f.check(4 * MINUTE, "quantile_over_time(0.5, g[5m])", &["{} 3"]);
    f.check(4 * MINUTE, "quantile_over_time(2, g[5m])", &["{} inf"]);
    f.check_range((0, 6 * MINUTE, MINUTE), "max_over_time(g[2m])", &["{} 1 5 5 3 8 8 _"]);
    f.check_range((0, 6 * MINUTE, MINUTE), "min_over_time(g[2m])", &["{} 1 1 3 3 3 8 _"]);
}

#[test]
fn nan_in_windows() {
    let f = Fixture::new(MINUTE, &["g NaN 2 1", "h 2 NaN NaN"]);
    f.check(2 * MINUTE, "min_over_time(g[5m])", &["{} 1"]);
    f.check(2 * MINUTE, "max_over_time(g[5m])", &["{} 2"]);
    f.check(2 * MINUTE, "sum_over_time(g[5m])", &["{} NaN"]);
    f.check(2 * MINUTE, "changes(h[5m])", &["{} 1"]);
    f.check_range((0, 2 * MINUTE, MINUTE), "max_over_time(h[1m])", &["{} 2 NaN NaN"]);
}

#[test]
fn regressions() {
    let f = Fixture::new(MINUTE, &["g 0+6x10", "flat 3 3 3"]);
    f.check(10 * MINUTE, "predict_linear(g[5m], 60)", &["{} 66"]);
    f.check(10 * MINUTE, "predict_linear(g[5m] offset 5m, 60)", &["{} 66"]);
    f.check(2 * MINUTE, "deriv(flat[5m])", &["{} 0"]);
    f.check(2 * MINUTE, "double_exponential_smoothing(flat[5m], 0.5, 0.5)", &["{} 3"]);
    assert!(f.error(0, "double_exponential_smoothing(flat[5m], 1, 0.5)").contains("smoothing factor 1"));
}

#[test]
fn functions_of_values() {
    let f = Fixture::new(MINUTE, &[r#"g{a="1"} -2.5"#, r#"g{a="2"} 7.5"#]);
    let check = |expr: &str, first: &str, second: &str| {
        f.check(0, expr, &[&format!("{{a=\"1\"}} {first}"), &format!("{{a=\"2\"}} {second}")]);
    };
    check("abs(g)", "2.5", "7.5");
    check("ceil(g)", "-2", "8");
    check("floor(g)", "-3", "7");
    check("round(g)", "-2", "8");
    check("round(g, 5)", "0", "10");
    check("sgn(g)", "-1", "1");
    check("sqrt(g)", "NaN", "2.73861279");
    check("ln(g)", "NaN", "2.01490302");
    check("log2(g)", "NaN", "2.9068906");
    check("log10(g)", "NaN", "0.875061263");
    check("exp(g)", "0.0820849986", "1808.04241");
    check("clamp(g, 0, 5)", "0", "5");
    check("clamp_min(g, 0)", "0", "7.5");
    check("clamp_max(g, 0)", "-2.5", "0");
    check("clamp(g, 0, NaN)", "NaN", "NaN");
    check("-g", "2.5", "-7.5");
    check("deg(g)", "-143.239449", "429.718346");
    f.check(0, "clamp(g, 5, 0)", &[]);
    f.check(0, "+g", &[r#"g{a="1"} -2.5"#, r#"g{a="2"} 7.5"#]);
}

#[test]
fn scalars_vectors_and_time() {
    let f = Fixture::new(MINUTE, &["one 3", r#"two{a="1"} 1"#, r#"two{a="2"} 2"#]);
    f.check(1500, "time()", &["1.5"]);
    f.check(0, "scalar(one)", &["3"]);
    f.check(0, "scalar(two)", &["NaN"]);
    f.check(0, "scalar(none)", &["NaN"]);
    f.check(0, "vector(1 + 1)", &["{} 2"]);
    f.check(30_000, "timestamp(one)", &["{} 0"]);
    f.check(30_000, "timestamp(one + 0)", &["{} 30"]);
    f.check(0, r#""text""#, &["text"]);
    f.check_range((0, 120_000, MINUTE), "time()", &["{} 0 60 120"]);
    f.check_range((0, 120_000, MINUTE), "vector(7)", &["{} 7 7 7"]);
    // 2024-02-29T13:07:45Z
    f.check(1_709_212_065_000, "hour() + minute() / 100", &["{} 13.07"]);
    f.check(1_709_212_065_000, "day_of_week(vector(time() - 86400))", &["{} 3"]);
    f.check(1_709_212_065_000, "days_in_month() * 100 + day_of_month()", &["{} 2929"]);
    f.check(1_709_212_065_000, "year() * 100 + month()", &["{} 202402"]);
}

#[test]
fn absence() {
    let f = Fixture::new(MINUTE, &[r#"up{job="a"} 1 1 1 stale"#]);
    f.check(0, "absent(up)", &[]);
    f.check(0, r#"absent(down{job="a",x=~"y",z="1",z="2"})"#, &[r#"{job="a"} 1"#]);
    f.check(0, "absent(sum(down))", &["{} 1"]);
    f.check(0, r#"absent_over_time(down{job="a"}[5m])"#, &[r#"{job="a"} 1"#]);
    f.check_range((0, 9 * MINUTE, 3 * MINUTE), "absent(up)", &["{} _ 1 1 1"]);
    f.check_range((0, 9 * MINUTE, 3 * MINUTE), "absent_over_time(up[5m])", &["{} _ _ _ 1"]);
}

#[test]
fn labels_change() {
    let f = Fixture::new(MINUTE, &[r#"m{host="db-1",dc="x"} 1"#, r#"m{host="db-2",dc="x"} 2"#]);
    f.check(
        0,
        r#"label_replace(m, "n", "$1", "host", "db-(.*)")"#,
        &[r#"m{dc="x",host="db-1",n="1"} 1"#, r#"m{dc="x",host="db-2",n="2"} 2"#],
    );
    f.check(
        0,
        r#"label_replace(m, "n", "$1", "host", "b-(.*)")"#,
        &[r#"m{dc="x",host="db-1"} 1"#, r#"m{dc="x",host="db-2"} 2"#],
    );
    f.check(0, r#"label_replace(m{host="db-1"}, "dc", "", "dc", ".*")"#, &[r#"m{host="db-1"} 1"#]);
    f.check(
        0,
        r#"label_join(m{host="db-1"}, "id", "/", "dc", "none", "host")"#,
        &[r#"m{dc="x",host="db-1",id="x//db-1"} 1"#],
    );
    f.check(0, r#"label_replace(rate(m{host="none"}[5m]), "__name__", "n", "", "")"#, &[]);
    assert!(f.error(0, r#"label_replace(m, "host", "same", "dc", ".*")"#).contains(r#"m{dc="x",host="same"}"#));
    assert!(f.error(0, r#"label_replace(m, "n", "", "dc", "(")"#).contains("missing closing )"));
    assert!(f.error(0, r#"label_join(m, "", "", "dc")"#).contains("empty"));
}

#[test]
fn sorting() {
    let f = Fixture::new(MINUTE, &[r#"m{a="p10"} 2"#, r#"m{a="p9"} 3"#, r#"m{a="p1"} NaN"#]);
    f.check_ordered(0, "sort(m)", &[r#"m{a="p10"} 2"#, r#"m{a="p9"} 3"#, r#"m{a="p1"} NaN"#]);
    f.check_ordered(0, "sort_desc(m)", &[r#"m{a="p9"} 3"#, r#"m{a="p10"} 2"#, r#"m{a="p1"} NaN"#]);
    f.check_ordered(0, r#"sort_by_label(m, "a")"#, &[r#"m{a="p1"} NaN"#, r#"m{a="p9"} 3"#, r#"m{a="p10"} 2"#]);
    f.check_ordered(0, r#"sort_by_label_desc(m, "a")"#, &[r#"m{a="p10"} 2"#, r#"m{a="p9"} 3"#, r#"m{a="p1"} NaN"#]);
}

#[test]
fn names_are_dropped_when_the_meaning_changes() {
    let f = Fixture::new(MINUTE, &["x 1 2", "y 3 4"]);
    for expr in ["abs({__name__=~'x|y'})", "-{__name__=~'x|y'}", "rate({__name__=~'x|y'}[5m])", "{__name__=~'x|y'} + 1"]
    {
        assert!(f.error(MINUTE, expr).contains("labels {}"), "{expr}");
    }
    f.check(MINUTE, "{__name__=~'x|y'} > 3", &["y 4"]);
    f.check(MINUTE, "sum by (__name__) ({__name__=~'x|y'})", &["x 2", "y 4"]);
    f.check(MINUTE, "last_over_time({__name__=~'x|y'}[5m])", &["x 2", "y 4"]);
}

#[test]
fn series_without_overlap_are_merged() {
    let f = Fixture::new(MINUTE, &["x 1 stale", "y _ 2"]);
    f.check_range((0, MINUTE, MINUTE), "{__name__=~'x|y'} * 2", &["{} 2 4"]);
}
