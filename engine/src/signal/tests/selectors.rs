//! Tests of selectors: look-back, staleness, offsets, subqueries.

use super::fixture::Fixture;

const MINUTE: i64 = 60_000;

#[test]
fn all_matchers() {
    let f = Fixture::new(MINUTE, &[r#"a{x="1",y="p"} 1"#, r#"a{x="2"} 2"#, r#"a{x="22"} 3"#, "b 4"]);
    f.check(0, r#"a{x="1"}"#, &[r#"a{x="1",y="p"} 1"#]);
    f.check(0, r#"a{x!="1"}"#, &[r#"a{x="2"} 2"#, r#"a{x="22"} 3"#]);
    f.check(0, r#"a{x=~"2"}"#, &[r#"a{x="2"} 2"#]);
    f.check(0, r#"a{x=~"2+"}"#, &[r#"a{x="2"} 2"#, r#"a{x="22"} 3"#]);
    f.check(0, r#"a{x!~"2.*"}"#, &[r#"a{x="1",y="p"} 1"#]);
    f.check(0, r#"a{y=""}"#, &[r#"a{x="2"} 2"#, r#"a{x="22"} 3"#]);
    f.check(0, r#"{__name__=~"a|b",x=""}"#, &["b 4"]);
    f.check(0, r#"{"a",x="1"}"#, &[r#"a{x="1",y="p"} 1"#]);
    f.check(0, "c", &[]);
}

#[test]
fn the_look_back_is_five_minutes_without_its_left_end() {
    let f = Fixture::new(MINUTE, &["a 1"]);
    f.check(-1, "a", &[]);
    f.check(0, "a", &["a 1"]);
    f.check(5 * MINUTE - 1, "a", &["a 1"]);
    f.check(5 * MINUTE, "a", &[]);
}

#[test]
fn stale_markers_end_a_series_at_once() {
    let f = Fixture::new(MINUTE, &["a 1 stale _ 3"]);
    f.check_range((0, 4 * MINUTE, MINUTE), "a", &["a 1 _ _ 3 3"]);
    f.check_range((0, 4 * MINUTE, MINUTE), "count_over_time(a[10m])", &["{} 1 1 1 2 2"]);
    f.check(2 * MINUTE, "a[5m]", &["a 1@0"]);
}

#[test]
fn nan_is_a_value_and_not_a_stale_marker() {
    let f = Fixture::new(MINUTE, &["a NaN"]);
    f.check(0, "a", &["a NaN"]);
    f.check(0, "count(a)", &["{} 1"]);
}

#[test]
fn offsets_and_fixed_times() {
    let f = Fixture::new(MINUTE, &["a 0+1x20"]);
    f.check(10 * MINUTE, "a offset 3m", &["a 7"]);
    f.check(10 * MINUTE, "a offset -3m", &["a 13"]);
    f.check(10 * MINUTE, "a @ 240", &["a 4"]);
    f.check(10 * MINUTE, "a @ 240 offset 1m", &["a 3"]);
    f.check(10 * MINUTE, "a offset 1m @ 240", &["a 3"]);
    f.check(10 * MINUTE, "sum_over_time(a[2m] @ 240)", &["{} 7"]);
    f.check(10 * MINUTE, "sum_over_time(a[2m] offset 1m)", &["{} 17"]);
    f.check_range((5 * MINUTE, 7 * MINUTE, MINUTE), "a @ start()", &["a 5 5 5"]);
    f.check_range((5 * MINUTE, 7 * MINUTE, MINUTE), "a @ end()", &["a 7 7 7"]);
    // The requested end, although the last step is before it.
    f.check_range((5 * MINUTE, 7 * MINUTE, 90_000), "a @ end()", &["a 7 7"]);
}

#[test]
fn ranges_exclude_their_left_end() {
    let f = Fixture::new(MINUTE, &["a 0+1x20"]);
    f.check(5 * MINUTE, "a[2m]", &["a 4@240000 5@300000"]);
    f.check(5 * MINUTE + 1, "a[2m]", &["a 4@240000 5@300000"]);
    f.check(5 * MINUTE - 1, "a[2m]", &["a 3@180000 4@240000"]);
    f.check(5 * MINUTE, "a[1ms]", &["a 5@300000"]);
    f.check(5 * MINUTE + 1, "a[1ms]", &[]);
}

#[test]
fn subqueries_step_on_multiples_of_their_step() {
    let f = Fixture::new(MINUTE, &["a 0+1x20"]);
    f.check(10 * MINUTE + 1, "a[3m:1m]", &["a 8@480000 9@540000 10@600000"]);
    f.check(10 * MINUTE, "a[3m:]", &["a 8@480000 9@540000 10@600000"]);
    f.check(10 * MINUTE, "a[2m:50s]", &["a 8@500000 9@550000 10@600000"]);
    f.check(10 * MINUTE, "max_over_time(a[5m:1m] offset 5m)", &["{} 5"]);
    f.check(10 * MINUTE, "max_over_time(rate(a[5m])[5m:1m])", &["{} 0.0166666667"]);
    f.check(10 * MINUTE, "sum_over_time(sum(a)[3m:1m] @ 300)", &["{} 12"]);
    f.check(10 * MINUTE, "a[10s:1m]", &["a 10@600000"]);
    f.check(10 * MINUTE + 30_000, "a[10s:1m]", &[]);
    f.check_range((10 * MINUTE, 12 * MINUTE, MINUTE), "min_over_time(a[3m:1m])", &["{} 8 9 10"]);
}

#[test]
fn extreme_times_do_not_overflow() {
    let f = Fixture::new(MINUTE, &["a 1"]);
    for time in [i64::MIN, i64::MAX, -1] {
        f.check(time, "a", &[]);
        f.check(time, "rate(a[5m] offset 1y)", &[]);
        f.check(time, "max_over_time(a[5m:1m])", &[]);
    }
    f.check(0, "a offset -292y", &[]);
}
