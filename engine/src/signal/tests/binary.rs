//! Tests of binary operators and the matching of their sides.

use super::fixture::Fixture;

const MINUTE: i64 = 60_000;

fn errors() -> Fixture {
    Fixture::new(
        MINUTE,
        &[
            r#"e{method="get",code="500"} 24"#,
            r#"e{method="get",code="404"} 30"#,
            r#"e{method="put",code="501"} 3"#,
            r#"e{method="post",code="500"} 6"#,
            r#"r{method="get"} 600"#,
            r#"r{method="del"} 34"#,
            r#"r{method="post"} 120"#,
        ],
    )
}

#[test]
fn numbers() {
    let f = Fixture::default();
    let check = |expr: &str, expected: &str| f.check(0, expr, &[expected]);
    check("1 + 2 * 3 ^ 2", "19");
    check("-2 ^ 2", "-4");
    check("2 ^ 3 ^ 2", "512");
    check("7 % 4 - 1", "2");
    check("-7 % 4", "-3");
    check("1 / 0", "inf");
    check("0 / 0", "NaN");
    check("3 > bool 2", "1");
    check("NaN == bool NaN", "0");
    check("1 atan2 1", "0.785398163");
    check("0x1F + 1e2 + .5", "131.5");
}

#[test]
fn vector_and_number() {
    let f = errors();
    f.check(0, "r{method=\"get\"} / 2", &[r#"{method="get"} 300"#]);
    f.check(0, "1200 / r{method=\"get\"}", &[r#"{method="get"} 2"#]);
    f.check(0, "r > 100", &[r#"r{method="get"} 600"#, r#"r{method="post"} 120"#]);
    // A filter keeps the value of the vector, from either side.
    f.check(0, "100 > r", &[r#"r{method="del"} 34"#]);
    f.check(0, "r == bool 34", &[r#"{method="get"} 0"#, r#"{method="del"} 1"#, r#"{method="post"} 0"#]);
    f.check(0, "r != 34 and r <= 120", &[r#"r{method="post"} 120"#]);
    f.check(0, "r{method=\"get\"} ^ 0.5 % 7", &[r#"{method="get"} 3.49489743"#]);
}

#[test]
fn one_to_one() {
    let f = errors();
    f.check(0, r#"e{code="500"} / ignoring(code) r"#, &[r#"{method="get"} 0.04"#, r#"{method="post"} 0.05"#]);
    f.check(0, r#"e{code="500"} / on(method) r"#, &[r#"{method="get"} 0.04"#, r#"{method="post"} 0.05"#]);
    f.check(0, "r - r", &[r#"{method="get"} 0"#, r#"{method="del"} 0"#, r#"{method="post"} 0"#]);
    f.check(0, "e / r", &[]);
    // A comparison keeps the left side's name and value.
    f.check(0, r#"r > ignoring(code) e{code="500"}"#, &[r#"r{method="get"} 600"#, r#"r{method="post"} 120"#]);
    f.check(0, r#"r > on(method) e{code="500"}"#, &[r#"{method="get"} 600"#, r#"{method="post"} 120"#]);
    f.check(0, r#"r > bool ignoring(code) e{code="500"}"#, &[r#"{method="get"} 1"#, r#"{method="post"} 1"#]);
    f.check(0, "vector(1) + on() vector(2)", &["{} 3"]);
}

#[test]
fn many_to_one() {
    let f = errors();
    let expected = [
        r#"{code="500",method="get"} 0.04"#,
        r#"{code="404",method="get"} 0.05"#,
        r#"{code="500",method="post"} 0.05"#,
    ];
    f.check(0, "e / ignoring(code) group_left r", &expected);
    f.check(0, "e / on(method) group_left() r", &expected);
    f.check(0, "1 / (r / on(method) group_right e)", &expected);
    let f = Fixture::new(MINUTE, &[r#"m{host="a",x="1"} 2"#, r#"info{host="a",version="7"} 1"#]);
    f.check(0, "m * on(host) group_left(version) info", &[r#"{host="a",version="7",x="1"} 2"#]);
    f.check(0, "m * on(host) group_left(x) info", &[r#"{host="a"} 2"#]);
    f.check(0, "info * on(host) group_right(version) m", &[r#"{host="a",version="7",x="1"} 2"#]);
}

#[test]
fn ambiguous_matches_are_an_error() {
    let f = errors();
    assert!(f.error(0, "r / ignoring(code) e").contains("several elements on the right side match {method=\"get\"}"));
    assert!(f.error(0, "e / ignoring(code) r").contains("must be explicit (group_left or group_right)"));
    assert!(f.error(0, "r / on(method) group_left e").contains("many-to-many"));

    let twice = Fixture::new(MINUTE, &[r#"m{host="a",x="1"} 2"#, r#"m{host="a",x="2"} 2"#, r#"i{host="a"} 1"#]);
    assert!(twice.error(0, "m * on(host) group_left(x) i").contains("grouping labels must ensure unique matches"));
    // Matches that are ambiguous at no step are allowed.
    let turns = Fixture::new(MINUTE, &[r#"m{x="1"} 2 stale"#, r#"m{x="2"} _ 3"#, "n 1 1"]);
    turns.check_range((0, MINUTE, MINUTE), "n * on() m", &["{} 2 3"]);
    turns.check_range((0, MINUTE, MINUTE), "m * on() n", &["{} 2 3"]);
}

#[test]
fn sets() {
    let f = errors();
    f.check(0, r#"r and on(method) e{code="500"}"#, &[r#"r{method="get"} 600"#, r#"r{method="post"} 120"#]);
    f.check(0, r#"r unless on(method) e"#, &[r#"r{method="del"} 34"#]);
    f.check(
        0,
        r#"r{method="del"} or on(method) r{method!="post"}"#,
        &[r#"r{method="del"} 34"#, r#"r{method="get"} 600"#],
    );
    f.check(0, "none or vector(0)", &["{} 0"]);
    f.check(0, "r and none", &[]);
    f.check(0, "count(r unless none)", &["{} 3"]);
    let f = Fixture::new(MINUTE, &["a 1 stale 3", "b 5 6 7"]);
    f.check_range((0, 2 * MINUTE, MINUTE), "a or on() b", &["a 1 _ 3", "b _ 6 _"]);
    f.check_range((0, 2 * MINUTE, MINUTE), "b and on() a", &["b 5 _ 7"]);
    f.check_range((0, 2 * MINUTE, MINUTE), "b unless on() a", &["b _ 6 _"]);
}
