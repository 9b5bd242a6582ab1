//! Tests of aggregations.

use super::fixture::Fixture;

const MINUTE: i64 = 60_000;

fn requests() -> Fixture {
    Fixture::new(
        MINUTE,
        &[
            r#"r{job="api",host="1"} 100"#,
            r#"r{job="api",host="2"} 200"#,
            r#"r{job="web",host="1"} 300"#,
            r#"r{job="web",host="2"} 500"#,
        ],
    )
}

#[test]
fn every_aggregation_by_group() {
    let f = requests();
    let check = |op: &str, api: &str, web: &str| {
        let rows = [format!("{{job=\"api\"}} {api}"), format!("{{job=\"web\"}} {web}")];
        let expected: Vec<&str> = rows.iter().map(String::as_str).collect();
        f.check(0, &format!("{op} by (job) (r)").replace("(P) by (job) (r)", " by (job)"), &expected);
        f.check(0, &format!("{op} without (host) (r)"), &expected);
    };
    check("sum", "300", "800");
    check("avg", "150", "400");
    check("min", "100", "300");
    check("max", "200", "500");
    check("count", "2", "2");
    check("group", "1", "1");
    check("stdvar", "2500", "10000");
    check("stddev", "50", "100");
    f.check(0, "quantile by (job) (0.25, r)", &[r#"{job="api"} 125"#, r#"{job="web"} 350"#]);
    f.check(0, "quantile(-1, r)", &["{} -inf"]);
    f.check(0, "quantile(scalar(none), r)", &["{} NaN"]);
    f.check(0, "sum(r)", &["{} 1100"]);
    f.check(0, "sum by () (r)", &["{} 1100"]);
    f.check(0, "sum without () (r{host=\"1\"})", &[r#"{host="1",job="api"} 100"#, r#"{host="1",job="web"} 300"#]);
    f.check(0, "sum(none)", &[]);
    f.check(0, "count(none)", &[]);
}

#[test]
fn the_k_greatest_and_least() {
    let f = requests();
    f.check_ordered(0, "topk(2, r)", &[r#"r{host="2",job="web"} 500"#, r#"r{host="1",job="web"} 300"#]);
    f.check_ordered(0, "bottomk(2, r)", &[r#"r{host="1",job="api"} 100"#, r#"r{host="2",job="api"} 200"#]);
    f.check(0, "topk by (job) (1, r)", &[r#"r{host="2",job="api"} 200"#, r#"r{host="2",job="web"} 500"#]);
    f.check(0, "count(topk(99, r))", &["{} 4"]);
    f.check(0, "topk(0, r)", &[]);
    f.check(0, "topk(-3, r)", &[]);
    f.check(0, "count(limitk(3, r))", &["{} 3"]);
    assert!(f.error(0, "topk(NaN, r)").contains("topk: NaN"));
    assert!(f.error(0, "topk(1e30, r)").contains("is not a number of elements"));
}

#[test]
fn ranks_change_from_step_to_step() {
    let f = Fixture::new(MINUTE, &[r#"g{a="1"} 1 5 1"#, r#"g{a="2"} 2 2 NaN"#]);
    f.check_range((0, 2 * MINUTE, MINUTE), "topk(1, g)", &[r#"g{a="1"} _ 5 1"#, r#"g{a="2"} 2 _ _"#]);
    f.check_range((0, 2 * MINUTE, MINUTE), "bottomk(1, g)", &[r#"g{a="1"} 1 _ 1"#, r#"g{a="2"} _ 2 _"#]);
    f.check_range((0, 2 * MINUTE, MINUTE), "topk(scalar(g{a=\"1\"}), g)", &[r#"g{a="1"} _ 5 1"#, r#"g{a="2"} 2 2 _"#]);
}

#[test]
fn values_are_counted() {
    let f = Fixture::new(
        MINUTE,
        &[r#"v{a="1",b="x"} 6"#, r#"v{a="2",b="x"} 6"#, r#"v{a="3",b="y"} 0.5"#, r#"v{a="4",b="y"} +Inf"#],
    );
    f.check(0, r#"count_values("n", v)"#, &[r#"{n="6"} 2"#, r#"{n="0.5"} 1"#, r#"{n="+Inf"} 1"#]);
    f.check(0, r#"count_values by (b) ("n", v < 10)"#, &[r#"{b="x",n="6"} 2"#, r#"{b="y",n="0.5"} 1"#]);
    // The label of the value replaces a label with the same name.
    f.check(0, r#"count_values without (a) ("b", v)"#, &[r#"{b="6"} 2"#, r#"{b="0.5"} 1"#, r#"{b="+Inf"} 1"#]);
    assert!(f.error(0, r#"count_values("", v)"#).contains("empty"));
}

#[test]
fn nan_and_infinity() {
    let f = Fixture::new(MINUTE, &[r#"v{a="1"} NaN"#, r#"v{a="2"} 2"#, r#"w{a="1"} +Inf"#, r#"w{a="2"} -Inf"#]);
    f.check(0, "min(v)", &["{} 2"]);
    f.check(0, "max(v)", &["{} 2"]);
    f.check(0, "sum(v)", &["{} NaN"]);
    f.check(0, "avg(v)", &["{} NaN"]);
    f.check(0, "stddev(v)", &["{} NaN"]);
    f.check(0, "sum(w)", &["{} NaN"]);
    f.check(0, "max(w)", &["{} inf"]);
    f.check(0, "topk(2, v)", &[r#"v{a="2"} 2"#, r#"v{a="1"} NaN"#]);
}

#[test]
fn large_sums_keep_small_addends() {
    let f = Fixture::new(MINUTE, &[r#"v{a="1"} 1"#, r#"v{a="2"} 1e100"#, r#"v{a="3"} 1"#, r#"v{a="4"} -1e100"#]);
    f.check(0, "sum(v)", &["{} 2"]);
    f.check(0, "avg(v)", &["{} 0.5"]);
    let f = Fixture::new(MINUTE, &[r#"v{a="1"} 1e308"#, r#"v{a="2"} 1e308"#, "w 1e308 1e308 1e308"]);
    f.check(0, "avg(v)", &[&format!("{{}} {}", 1e308)]);
    f.check(2 * MINUTE, "avg_over_time(w[5m])", &[&format!("{{}} {}", 1e308)]);
}
