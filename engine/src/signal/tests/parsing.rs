use crate::signal::{SignalError, ValueKind, parse};

#[test]
fn what_is_not_supported_is_named() {
    for (expr, name) in [
        ("info(up)", "function info"),
        ("histogram_count(x)", "function histogram_count"),
        ("limit_ratio(0.5, x)", "aggregation limit_ratio"),
        ("a + fill(0) b", "binary modifier fill"),
        ("rate(a[5m] smoothed)", "modifier smoothed"),
        ("increase(a[5m] anchored)", "modifier anchored"),
        ("rate(a[5m + 1m])", "arithmetic in a duration"),
        ("rate(a[(5m)])", "arithmetic in a duration"),
        ("{a=\"1\" or b=\"2\"}", "\"or\" between label matchers"),
    ] {
        match parse(expr) {
            Err(SignalError::Unsupported { what }) => assert_eq!(what, name, "{expr}"),
            other => panic!("{expr}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_promql_is_refused() {
    for expr in [
        "",
        "(",
        "up{",
        "up}",
        "sum(",
        "rate(up)",
        "nope(up)",
        "1 > 2",
        "{}",
        "{a=~\".*\"}",
        "up[5m] + 1",
        "abs(1)",
        "abs(\"x\")",
        "sum(1)",
        "topk(up)",
        "sum(2, up)",
        "up offset",
        "a[1e300]",
        "a[0s]",
        "a @ NaN",
        "\"a\" + 1",
        "a and 1",
        "count_values(1, up)",
        "a on(b) group_left(b) c",
    ] {
        let error = parse(expr).unwrap_err();
        assert!(matches!(error, SignalError::Parse { .. }), "{expr}: {error}");
        assert!(error.to_string().contains(&format!("{expr:?}")), "{error}");
    }
    assert!(matches!(parse("up{a=~\"(\"}"), Err(SignalError::Parse { .. })));
}

#[test]
fn deep_and_long_expressions_are_refused_or_answered_but_never_overflow() {
    let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(100)).is_ok());
    assert!(matches!(parse(&nested(100_000)), Err(SignalError::TooDeep { .. })));
    let chain = |n: usize| format!("1{}", " + 1".repeat(n));
    assert!(parse(&chain(150)).is_ok());
    assert!(matches!(parse(&chain(900)), Err(SignalError::TooDeep { .. })));
    assert!(matches!(parse(&chain(1_000_000)), Err(SignalError::TooDeep { .. })));
    assert!(matches!(parse(&"-".repeat(1_000_000)), Err(SignalError::TooDeep { .. })));
    let names: Vec<String> = (0..5000).map(|n| format!("host-{n}\\\\.example")).collect();
    assert!(parse(&format!("up{{instance=~\"{}\"}}", names.join("|"))).is_ok());
}

#[test]
fn kinds_and_selectors() {
    for (expr, kind) in [
        ("1 + 1", ValueKind::Scalar),
        ("time() - 1", ValueKind::Scalar),
        ("up", ValueKind::Vector),
        ("1 + up", ValueKind::Vector),
        ("up[5m]", ValueKind::Matrix),
        ("up[5m:]", ValueKind::Matrix),
        ("\"x\"", ValueKind::String),
        ("scalar(up)", ValueKind::Scalar),
    ] {
        assert_eq!(parse(expr).unwrap().kind(), kind, "{expr}");
    }
    let query = parse("sum(rate(a{x=\"1\"}[5m])) / b").unwrap();
    let names: Vec<&str> = query.selectors().iter().map(|matchers| matchers[0].value()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(parse("up{a=\"b\"}").unwrap().plain_metric(), Some("up"));
    assert_eq!(query.plain_metric(), None);
}
