//! Tests of the messages about common mistakes in expressions: position, piece, and correction.

use crate::signal::{SignalError, parse};

/// Expression, line, column, piece, part of the message.
type Row = (&'static str, usize, usize, &'static str, &'static str);

const MISTAKES: &[Row] = &[
    // Brackets and quotes.
    ("up{job=\"api\"", 1, 3, "{job=\"api\"", "brace that opens here is never closed; write }"),
    ("sum(rate(up{job=\"api\"[5m]))", 1, 22, "[", "write } before this"),
    ("up{job=\"api\" > 0", 1, 14, ">", "write } before this"),
    ("rate(up[5m)", 1, 11, ")", "] is expected here"),
    ("rate(up[5m]", 1, 5, "(up[5m]", "bracket that opens here is never closed; write )"),
    ("(a + b", 1, 1, "(a + b", "write )"),
    ("sum(up))", 1, 8, ")", "has no opening bracket"),
    ("up}", 1, 3, "}", "has no opening bracket"),
    ("up{job=\"api}", 1, 8, "\"api}", "string that starts here is never closed; write \""),
    ("up{job=“api”}", 1, 8, "“", "typographic quotes are not quotes here; write \""),
    ("up{job=‘api’}", 1, 8, "‘", "write '"),
    ("a – b", 1, 3, "–", "write -"),
    ("a\u{a0}+ b", 1, 2, "", "write a space"),
    ("label_replace(up, \"a\", \"$1\", \"b\", \"\\d\")", 1, 36, "\\d", "write \\\\ for a backslash"),
    // Ranges and durations.
    ("rate(up)", 1, 6, "up", "rate needs a range vector, this is an instant vector; add a range: up[5m]"),
    ("rate(sum(up))", 1, 6, "sum(up)", "make it a subquery: sum(up)[5m:1m]"),
    ("sum(up[5m])", 1, 5, "up[5m]", "rate(up[5m])"),
    ("up[5m] + 1", 1, 1, "up[5m]", "last_over_time(up[5m])"),
    ("rate(up[5min])", 1, 9, "5min", "\"min\" is not a unit of time; write m"),
    ("rate(up[5 m])", 1, 11, "m", "] is expected here"),
    ("rate(up[5M])", 1, 9, "5M", "write m"),
    ("rate(up[1.5h])", 1, 9, "1.5h", "durations have no fractions"),
    ("rate(up[])", 1, 8, "[]", "such as [5m]"),
    ("rate(up[0s])", 1, 9, "0s", "at least a millisecond"),
    ("rate(up[300y])", 1, 9, "300y", "292 years"),
    ("up offset", 1, 4, "offset", "needs a duration, such as 5m"),
    ("sum(up) offset 5m", 1, 9, "offset", "move it inside"),
    ("up offset 5m [1h]", 1, 14, "[1h]", "offset and @ must be after the range"),
    ("sum(up)[5m]", 1, 8, "[5m]", "use a subquery for any other expression: [5m:1m]"),
    ("up @ now", 1, 6, "now", "epoch seconds, start() or end()"),
    // Aggregations and modifiers.
    ("sum by foo", 1, 8, "foo", "must be in brackets: by (foo)"),
    ("sum by foo (up)", 1, 8, "foo", "by (foo)"),
    ("sum(up) by job", 1, 12, "job", "by (job)"),
    ("sum by (job)", 1, 1, "sum", "in brackets after the labels"),
    ("sum by (job) up", 1, 14, "up", "in brackets after the labels"),
    ("sum by (job instance) (up)", 1, 13, "instance", ") is expected here"),
    ("sum by (\"\") (up)", 1, 9, "\"\"", "a label's name"),
    ("up by (job)", 1, 4, "by", "belongs to an aggregation: sum by (job) (up)"),
    ("topk(up)", 1, 1, "topk(up)", "topk(parameter, vector)"),
    ("sum(2, up)", 1, 1, "sum(2, up)", "sum(vector)"),
    ("a / on job b", 1, 8, "job", "on (job)"),
    ("a / group_left b", 1, 5, "group_left", "on(…) or ignoring(…) before it"),
    ("a / on(b) group_left(b) c", 1, 3, "/", "is already in on(…)"),
    ("a + bool b", 1, 3, "+", "bool is valid for comparisons only"),
    ("1 > 2", 1, 3, ">", "write > bool"),
    ("a and 1", 1, 7, "1", "write vector(1)"),
    // Matchers.
    ("up{job=api}", 1, 8, "api", "must be in quotes: job=\"api\""),
    ("up{job==\"api\"}", 1, 7, "==", "one of =, !=, =~, !~"),
    ("up{job:\"api\"}", 1, 7, ":", "one of =, !=, =~, !~"),
    ("up{job=\"a\" instance=\"b\"}", 1, 12, "instance", "a comma is missing"),
    ("up{,}", 1, 4, ",", "a matcher such as"),
    ("up{job=~\"(\"}", 1, 9, "\"(\"", "missing closing )"),
    ("up{job=~\"a(?!b)\"}", 1, 9, "\"a(?!b)\"", "lookaround"),
    ("{job=~\".*\"}", 1, 1, "{job=~\".*\"}", "does not match the empty text"),
    ("up{__name__=\"x\"}", 1, 4, "__name__=\"x\"", "set twice"),
    ("up =~ \"a\"", 1, 4, "=~", "matched in braces"),
    // Functions and operators.
    ("ratee(up[5m])", 1, 1, "ratee", "did you mean rate?"),
    ("Rate(up[5m])", 1, 1, "Rate", "did you mean rate?"),
    ("holt_winters(up[5m], 0.5, 0.5)", 1, 1, "holt_winters", "double_exponential_smoothing"),
    ("clamp(up, 1)", 1, 1, "clamp(up, 1)", "clamp(instant vector, scalar, scalar)"),
    ("abs(1)", 1, 5, "1", "write vector(1)"),
    ("histogram_quantile(\"0.9\", up)", 1, 20, "\"0.9\"", "needs a scalar, this is a string"),
    ("label_replace(up, a, \"b\", \"c\", \"d\")", 1, 19, "a", "write it in quotes"),
    ("rate(up[5m],)", 1, 12, ",", "an argument of rate is missing"),
    ("up = 1", 1, 4, "=", "a comparison is written =="),
    ("up && down", 1, 4, "&", "the word and"),
    ("up || down", 1, 4, "|", "the word or"),
    ("up down", 1, 4, "down", "an operator is missing between up and down"),
    ("up +", 1, 4, "+", "the right side of + is missing"),
    ("* up", 1, 1, "*", "has no left side"),
    ("rate($metric[5m])", 1, 6, "$", "dashboard variable"),
    ("", 1, 1, "", "the expression is empty"),
    ("()", 1, 1, "()", "the brackets are empty"),
    ("on", 1, 1, "on", "{__name__=\"on\"}"),
    ("up\n  + # a comment\n  sum by job (up)", 3, 10, "job", "by (job)"),
];

#[test]
fn mistakes_are_reported_with_position_and_correction() {
    let mut wrong = Vec::new();
    for (expr, line, column, piece, part) in MISTAKES {
        match parse(expr) {
            Err(SignalError::Parse { line: l, column: c, piece: p, message, .. }) => {
                if (l, c, p.as_str()) != (*line, *column, *piece) || !message.contains(part) {
                    wrong.push(format!("{expr}: {l}:{c} {p:?} {message}"));
                }
            }
            other => wrong.push(format!("{expr}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_are_one_line_of_bounded_length() {
    let long = format!("up{{job=~\"{}\"}} +", vec!["name"; 20_000].join("|"));
    for expr in [long.as_str(), "up\n+\n\n", "\"\n", "up{a=~\"\n(\"}"] {
        let text = parse(expr).unwrap_err().to_string();
        assert!(text.lines().count() == 1 && text.len() < 700, "{text}");
    }
    assert_eq!(
        parse("sum(rate(up{job=\"api\"[5m]))").unwrap_err().to_string(),
        "expression \"sum(rate(up{job=\\\"api\\\"[5m]))\" is not valid PromQL: line 1, column 22, at \"[\": the open brace is \
         not closed; write } before this, or , before the next matcher"
    );
}
