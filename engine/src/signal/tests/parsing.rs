//! Tests of the parser: accepted and rejected expressions, precedence, kinds.

use crate::signal::{SignalError, ValueKind, parse, plan::Node};

/// Experimental constructs are accepted, and each is named with the feature of Prometheus that enables it.
#[test]
fn experimental_constructs_have_their_feature() {
    use crate::signal::Feature::{ExperimentalFunctions, ExtendedRangeSelectors, FillModifiers};
    for (expr, expected) in [
        ("info(up)", &[(ExperimentalFunctions, "info")][..]),
        ("limit_ratio(0.5, x)", &[(ExperimentalFunctions, "limit_ratio")]),
        ("a + fill(0) b", &[(FillModifiers, "fill")]),
        ("a + fill_right(0) fill_left(1) b", &[(FillModifiers, "fill_right"), (FillModifiers, "fill_left")]),
        ("rate(a[5m] smoothed)", &[(ExtendedRangeSelectors, "smoothed")]),
        (
            "increase(a[5m] anchored) > start()",
            &[(ExtendedRangeSelectors, "anchored"), (ExperimentalFunctions, "start")],
        ),
        ("rate(a[5m + 1m])", &[]),
        ("histogram_count(x)", &[]),
        ("a @ start()", &[]),
    ] {
        let query = parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}"));
        assert_eq!(query.experimental().collect::<Vec<_>>(), expected, "{expr}");
    }
}

#[test]
fn modifiers_are_checked() {
    for (expr, part) in [
        ("rate(a[5m] smoothed anchored)", "one of anchored and smoothed"),
        ("max_over_time(a[5m] anchored)", "anchored is valid in changes"),
        ("rate(a[5m:1m] smoothed)", "not after a subquery"),
        ("a + fill(b) c", "fill needs a number"),
        ("a + fill(1) fill_left(2) b", "filled twice"),
        ("a and fill(0) b", "and takes no fill modifier"),
        ("a + fill(0) 1", "needs two instant vectors"),
        ("a[1m / 0]", "divided by zero"),
        ("a[1m - 2m]", "greater than 0"),
        ("a[min_of(1m)]", "takes two durations"),
        ("a[(1m]", ") is expected"),
        ("info(up, up)", "selector of labels without a name"),
        ("{a=\"1\" or b=\"2\"}", "two selectors joined by or"),
        (&format!("a[{}1m{}]", "(".repeat(200), ")".repeat(200)), "nested deeper"),
    ] {
        let error = parse(expr).unwrap_err().to_string();
        assert!(error.contains(part), "{expr}: {error}");
    }
}

/// Keywords are names wherever Prometheus accepts them as names.
#[test]
fn names_may_be_keywords() {
    for name in [
        "anchored",
        "smoothed",
        "start",
        "end",
        "step",
        "range",
        "offset",
        "by",
        "without",
        "and",
        "or",
        "unless",
        "sum",
        "count_values",
        "topk",
        "limit_ratio",
        "fill",
        "fill_left",
        "info",
        "job:up:sum",
        ":colon",
        "AND",
    ] {
        let query = parse(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(query.plain_metric(), Some(name));
        for expr in
            [format!("{name}{{a=\"b\"}}"), format!("sum({name}) + {name}"), format!("rate({name}[5m] offset 1m)")]
        {
            assert!(parse(&expr).is_ok(), "{expr}");
        }
    }
    for label in
        ["anchored", "smoothed", "start", "end", "offset", "bool", "on", "by", "and", "group_left", "sum", "fill"]
    {
        for expr in [
            format!("up{{{label}=\"a\"}}"),
            format!("sum by ({label}) (up)"),
            format!("a / on ({label}) group_left ({label}2) b"),
            format!("sum without ({label}, x,) (up)"),
        ] {
            assert!(parse(&expr).is_ok(), "{expr}");
        }
    }
    for expr in ["up{\"http.status\"=\"200\"}", "{\"http.requests\", job=\"a\"}", "sum by (\"http.status\") (up)"] {
        assert!(parse(expr).is_ok(), "{expr}");
    }
    for wrong in ["bool", "on", "ignoring", "group_left", "atan2", "sum by (without) (up)", "sum by (a:b) (up)"] {
        assert!(matches!(parse(wrong), Err(SignalError::Parse { .. })), "{wrong}");
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    // Each pair gives the same plan.
    for (expr, same) in [
        ("-1 ^ 2 * vector(1)", "(-(1 ^ 2)) * vector(1)"),
        ("2 ^ 3 ^ 2 + vector(1)", "(2 ^ (3 ^ 2)) + vector(1)"),
        ("2 ^ -1 * 3 + vector(1)", "((2 ^ (-1)) * 3) + vector(1)"),
        ("a or b and c unless d", "a or ((b and c) unless d)"),
        ("a + b * c > d == e", "((a + (b * c)) > d) == e"),
        ("a % b atan2 c / d", "((a % b) atan2 c) / d"),
        ("-a offset 5m", "-(a offset 5m)"),
        ("+a - -b", "a - (-b)"),
        ("a AND ON (x) b OR c", "(a and on(x) b) or c"),
        ("1h + vector(0x1f) + 1_000", "(3600 + vector(31)) + 1000"),
        ("a[300]", "a[5m]"),
        ("a[5m:60]", "a[5m:1m]"),
        ("a offset -5m @ 1.5", "a @ 1.5 offset -5m"),
        ("SUM(a) BY (b)", "sum by (b) (a)"),
        ("a{b='c', d=`e`,}", "a{b=\"c\",d=\"e\"}"),
    ] {
        let plan = |expr: &str| shape(parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}")).root());
        assert_eq!(plan(expr), plan(same), "{expr}");
    }
}

/// Returns the operations of a plan without parentheses, signs without effect and positions.
fn shape(node: &Node) -> String {
    match node {
        Node::Paren(inner) | Node::Plus(inner) => shape(inner),
        Node::Negate(inner) => format!("-({})", shape(inner)),
        Node::Number(value) | Node::Duration(value) => value.to_string(),
        Node::Binary(binary) => {
            let (left, right) = (shape(&binary.left), shape(&binary.right));
            format!("({left} {} {:?} {right})", binary.op.symbol(), binary.matching)
        }
        Node::Call(call) => {
            format!("{}({})", call.function.name, call.args.iter().map(shape).collect::<Vec<_>>().join(", "))
        }
        other => without_positions(format!("{other:?}").split("param_start").next().unwrap()),
    }
}

/// Removes the positions of selectors from the text of a node.
fn without_positions(text: &str) -> String {
    let mut parts = text.split(", start: ");
    let mut shape = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| shape.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit())));
    shape
}

#[test]
fn invalid_expressions_are_rejected() {
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
fn deep_and_long_expressions_do_not_overflow() {
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
