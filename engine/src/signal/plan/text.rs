//! Writes plans as PromQL in the normal form of Prometheus: on one line, or split where a line would be long.

use std::fmt::Write;

use super::{
    Aggregate, Binary, BinaryOp, Call, Cardinality, DurationNode, Grouping, Matching, Node, Selector, Subquery,
};
use crate::{
    series::{METRIC_NAME, MatchOp, Matcher},
    signal::time::{At, TimeShift},
};

/// Longest line of a formatted expression in bytes, unless a part cannot be split.
const LINE_MAX: usize = 100;

/// Units of a written duration, with their length in milliseconds. Weeks and years are written only if they are whole.
const UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * 86_400_000, true),
    ("w", 7 * 86_400_000, true),
    ("d", 86_400_000, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1_000, false),
    ("ms", 1, false),
];

/// Returns an expression on one line.
pub(super) fn line(node: &Node) -> String {
    match node {
        Node::Number(value) => number(*value),
        Node::Duration(seconds) => {
            let sign = if *seconds < 0.0 { "-" } else { "" };
            format!("{sign}{}", duration_of_seconds(seconds.abs()))
        }
        Node::String(text) => quoted(text),
        Node::Select(selector) => selector_text(selector, None),
        Node::Range(range) => {
            let length = written(range.range.as_deref(), range.range_ms);
            selector_text(&range.selector, Some(&length))
        }
        Node::Subquery(subquery) => line(&subquery.inner) + &subquery_suffix(subquery),
        Node::Negate(inner) => format!("-{}", line(inner)),
        Node::Plus(inner) => format!("+{}", line(inner)),
        Node::Paren(inner) => format!("({})", line(inner)),
        Node::Call(call) => {
            let args: Vec<String> = call.args.iter().map(line).collect();
            format!("{}({})", call.function.name, args.join(", "))
        }
        Node::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref().map_or(String::new(), |param| line(param) + ", ");
            format!("{}({param}{})", aggregate_head(aggregate), line(&aggregate.inner))
        }
        Node::Binary(binary) => format!("{} {} {}", line(&binary.left), operator(binary), line(&binary.right)),
    }
}

/// Returns an expression on several lines if it is long. `depth`: number of enclosing parts that were split.
pub(super) fn lines(node: &Node, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let text = line(node);
    if text.len() <= LINE_MAX && !matches!(node, Node::Negate(_) | Node::Plus(_)) {
        return if matches!(node, Node::Subquery(_)) { text } else { indent + &text };
    }
    match node {
        Node::Negate(inner) => format!("{indent}-{}", lines(inner, depth).trim_start()),
        Node::Plus(inner) => format!("{indent}+{}", lines(inner, depth).trim_start()),
        Node::Paren(inner) => format!("{indent}(\n{}\n{indent})", lines(inner, depth + 1)),
        Node::Call(Call { function, args, .. }) => {
            let args: Vec<String> = args.iter().map(|arg| lines(arg, depth + 1)).collect();
            format!("{indent}{}(\n{}\n{indent})", function.name, args.join(",\n"))
        }
        Node::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref().map_or(String::new(), |param| lines(param, depth + 1) + ",\n");
            format!("{indent}{}(\n{param}{}\n{indent})", aggregate_head(aggregate), lines(&aggregate.inner, depth + 1))
        }
        Node::Binary(binary) => format!(
            "{}\n{indent}{}\n{}",
            lines(&binary.left, depth + 1),
            operator(binary),
            lines(&binary.right, depth + 1)
        ),
        Node::Subquery(subquery) => lines(&subquery.inner, depth) + &subquery_suffix(subquery),
        Node::Number(_) | Node::Duration(_) | Node::String(_) | Node::Select(_) | Node::Range(_) => indent + &text,
    }
}

/// Formats a number with the fewest digits and without an exponent.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

/// Quotes a text with the escapes of PromQL.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Formats a duration in milliseconds.
pub(super) fn duration(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let (mut rest, mut out) = (ms, String::new());
    for (unit, length, only_whole) in UNITS {
        if only_whole && rest % length != 0 {
            continue;
        }
        if rest >= length {
            let _ = write!(out, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    out
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "durations are positive and below 2^53 ms")]
fn duration_of_seconds(seconds: f64) -> String {
    duration((seconds * 1000.0).round() as u64)
}

/// Returns a duration as written: its expression, or its length.
fn written(expression: Option<&DurationNode>, ms: i64) -> String {
    match expression {
        Some(expression) => duration_expression(expression),
        None => duration(ms.unsigned_abs()),
    }
}

/// Returns an expression of durations.
pub(super) fn duration_expression(node: &DurationNode) -> String {
    match node {
        DurationNode::Number { seconds, has_unit: true } => duration_of_seconds(*seconds),
        DurationNode::Number { seconds, has_unit: false } => number(*seconds),
        DurationNode::Step => "step()".to_owned(),
        DurationNode::Range => "range()".to_owned(),
        DurationNode::Signed { negative: true, inner } => format!("-{}", duration_expression(inner)),
        DurationNode::Signed { negative: false, inner } => duration_expression(inner),
        DurationNode::Bracketed(inner) => format!("({})", duration_expression(inner)),
        DurationNode::LeastOf(left, right) => {
            format!("min_of({}, {})", duration_expression(left), duration_expression(right))
        }
        DurationNode::GreatestOf(left, right) => {
            format!("max_of({}, {})", duration_expression(left), duration_expression(right))
        }
        DurationNode::Arithmetic { op, left, right } => {
            format!("{} {} {}", duration_expression(left), op.symbol(), duration_expression(right))
        }
    }
}

/// Returns a selector with its modifiers. `range`: the length of a range.
fn selector_text(selector: &Selector, range: Option<&str>) -> String {
    let (name, rest) = match selector.matchers.split_first() {
        Some((first, rest)) if selector.has_name => (first.value(), rest),
        _ => ("", &*selector.matchers),
    };
    let mut matchers: Vec<String> = rest.iter().map(matcher).collect();
    matchers.sort();
    let mut out = name.to_owned();
    if !matchers.is_empty() || name.is_empty() {
        let _ = write!(out, "{{{}}}", matchers.join(","));
    }
    let extension = selector.extension.map_or(String::new(), |extension| format!(" {}", extension.name()));
    let (at, offset) = (at(selector.shift), offset(selector.offset.as_deref(), selector.shift));
    match range {
        Some(range) => out + &format!("[{range}]{extension}{at}{offset}"),
        None => out + &format!("{at}{extension}{offset}"),
    }
}

fn matcher(matcher: &Matcher) -> String {
    let name = if is_plain_name(matcher.name()) { matcher.name().to_owned() } else { quoted(matcher.name()) };
    format!("{name}{}{}", match_symbol(matcher.op()), quoted(matcher.value()))
}

/// Returns an operator of matchers as written.
pub(super) fn match_symbol(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    }
}

/// Whether a label name needs no quotes.
fn is_plain_name(name: &str) -> bool {
    name == METRIC_NAME
        || (name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()))
}

fn at(shift: TimeShift) -> String {
    match shift.at {
        None => String::new(),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
        Some(At::Time(ms)) => {
            let sign = if ms < 0 { "-" } else { "" };
            format!(" @ {sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
        }
    }
}

fn offset(expression: Option<&DurationNode>, shift: TimeShift) -> String {
    match (expression, shift.offset_ms) {
        (Some(expression), _) => format!(" offset {}", duration_expression(expression)),
        (None, 0) => String::new(),
        (None, ms) => format!(" offset {}{}", if ms < 0 { "-" } else { "" }, duration(ms.unsigned_abs())),
    }
}

fn subquery_suffix(subquery: &Subquery) -> String {
    let range = written(subquery.range.as_deref(), subquery.range_ms);
    let step = subquery.step_ms.map_or(String::new(), |ms| written(subquery.step.as_deref(), ms));
    format!("[{range}:{step}]{}{}", at(subquery.shift), offset(subquery.offset.as_deref(), subquery.shift))
}

/// Returns the name of an aggregation with its labels.
fn aggregate_head(aggregate: &Aggregate) -> String {
    let Grouping { names, without } = &aggregate.grouping;
    match (without, names.is_empty()) {
        (true, _) => format!("{} without ({}) ", aggregate.op.name(), labels(names)),
        (false, false) => format!("{} by ({}) ", aggregate.op.name(), labels(names)),
        (false, true) => aggregate.op.name().to_owned(),
    }
}

fn labels(names: &[String]) -> String {
    let all: Vec<String> =
        names.iter().map(|name| if is_plain_name(name) { name.clone() } else { quoted(name) }).collect();
    all.join(", ")
}

/// Returns an operator with its modifiers.
fn operator(binary: &Binary) -> String {
    let Binary { op, matching, return_bool, .. } = binary;
    let mut out = op.symbol().to_owned();
    if *return_bool {
        out.push_str(" bool");
    }
    let Matching { names, on, cardinality, fill_left, fill_right } = matching;
    if *on || !names.is_empty() || *cardinality != Cardinality::OneToOne {
        let _ = write!(out, " {} ({})", if *on { "on" } else { "ignoring" }, labels(names));
    }
    match cardinality {
        Cardinality::OneToOne => {}
        Cardinality::ManyToOne(included) => {
            let _ = write!(out, " group_left ({})", labels(included));
        }
        Cardinality::OneToMany(included) => {
            let _ = write!(out, " group_right ({})", labels(included));
        }
    }
    match (fill_left, fill_right) {
        (Some(left), Some(right)) if left.to_bits() == right.to_bits() => {
            let _ = write!(out, " fill ({})", number(*left));
        }
        _ => {
            for (name, value) in [("fill_left", fill_left), ("fill_right", fill_right)] {
                if let Some(value) = value {
                    let _ = write!(out, " {name} ({})", number(*value));
                }
            }
        }
    }
    debug_assert!(!matches!(op, BinaryOp::Set(_)) || fill_left.is_none());
    out
}

#[cfg(test)]
mod tests {
    use crate::signal::parse;

    #[test]
    fn expressions_have_one_form() {
        // Expected texts: the documented form of Prometheus' /api/v1/format_query, checked with promtool 2.42 where the
        // construct exists there.
        for (text, expected) in [
            ("foo/bar", "foo / bar"),
            ("sum(rate(x_total[5m]))by(job,instance)", "sum by (job, instance) (rate(x_total[5m]))"),
            ("sum without(a)(x)", "sum without (a) (x)"),
            ("sum by () (x)", "sum(x)"),
            ("topk(5,x{b='1',a!=\"2\"})", "topk(5, x{a!=\"2\",b=\"1\"})"),
            ("{__name__=~'a.*'}", "{__name__=~\"a.*\"}"),
            ("{'a.b'='c'}", "{\"a.b\"=\"c\"}"),
            ("x offset 90m @ 5", "x @ 5.000 offset 1h30m"),
            ("x[ 1d ] offset -1w", "x[1d] offset -1w"),
            ("rate(x[2*step()] smoothed)", "rate(x[2 * step()] smoothed)"),
            ("x[1h:5m] @ end()", "x[1h:5m] @ end()"),
            ("x[1h:]", "x[1h:]"),
            ("a*on(b)group_left(c)d", "a * on (b) group_left (c) d"),
            ("a + ignoring(b) c", "a + ignoring (b) c"),
            ("a > bool 1", "a > bool 1"),
            ("a+fill(0)b", "a + fill (0) b"),
            ("a+fill_left(1)fill_right(-2)b", "a + fill_left (1) fill_right (-2) b"),
            ("-(a+1)^2", "-(a + 1) ^ 2"),
            ("+a", "+a"),
            ("0x10", "16"),
            ("1e3", "1000"),
            ("5m", "5m"),
            ("'a\"b'", "\"a\\\"b\""),
            ("a # comment\n+ b", "a + b"),
        ] {
            assert_eq!(parse(text).unwrap().formatted(), expected, "{text}");
            assert_eq!(parse(expected).unwrap().formatted(), expected);
        }
    }

    #[test]
    fn long_expressions_are_split() {
        let long = "histogram_quantile(0.95, sum by (le, route) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m]))) > 0.5";
        assert_eq!(
            parse(long).unwrap().formatted(),
            "  histogram_quantile(\n    0.95,\n    sum by (le, route) (rate(http_request_duration_seconds_bucket{job=\"api\"}[5m]))\n  )\n>\n  0.5"
        );
    }
}
