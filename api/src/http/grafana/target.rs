//! Parses the text of a target.

use almanac_engine::{
    series::{MatchOp, Matcher},
    signal::{self, Query},
};

use crate::http::ApiError;

/// A parsed target.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Measured values of these signals.
    Values(Vec<String>),
    /// Forecasts of these signals.
    Forecast(Vec<String>),
    /// Scored points of these signals; empty: of all signals.
    Anomalies(Vec<String>),
    /// Recommendations.
    Recommendations,
    /// Labelled incidents.
    Incidents,
    /// Suspected incidents.
    Suspected,
    /// Deploys.
    Deploys,
    /// Signals and their models.
    Signals,
    /// Expected breaches of alerting rules.
    Breaches,
    /// Verdicts of the advisors on their targets.
    Advice,
    /// A `PromQL` expression.
    Expression(Query),
}

/// Targets that are a whole table.
pub(super) const TABLES: [&str; 8] =
    ["recommendations", "incidents", "suspected_incidents", "deploys", "signals", "anomalies", "breaches", "advice"];

impl Target {
    /// Parses a target; `signals` are the names of all signals.
    ///
    /// Names of tables take precedence over signals, and signals over expressions.
    ///
    /// # Errors
    /// 400 `unknown_target`.
    pub(super) fn read(text: &str, signals: &[String]) -> Result<Self, ApiError> {
        let text = text.trim();
        match text {
            "recommendations" => return Ok(Self::Recommendations),
            "incidents" => return Ok(Self::Incidents),
            "suspected_incidents" => return Ok(Self::Suspected),
            "deploys" => return Ok(Self::Deploys),
            "signals" => return Ok(Self::Signals),
            "breaches" => return Ok(Self::Breaches),
            "advice" => return Ok(Self::Advice),
            "anomalies" => return Ok(Self::Anomalies(Vec::new())),
            _ => {}
        }
        if let Some(inner) = argument(text, "forecast") {
            return named(inner, signals).map(Self::Forecast).ok_or_else(|| unknown(inner));
        }
        if let Some(inner) = argument(text, "anomalies") {
            return named(inner, signals).map(Self::Anomalies).ok_or_else(|| unknown(inner));
        }
        if let Some(names) = named(text, signals) {
            return Ok(Self::Values(names));
        }
        expression(text).map(Self::Expression)
    }
}

/// Parses an expression into which Grafana may have inserted variables as regular expressions.
///
/// # Errors
/// 400 `unknown_target`.
pub(super) fn expression(text: &str) -> Result<Query, ApiError> {
    signal::parse(&without_inserted_patterns(text)).map_err(|error| {
        let message = format!("{text:?} is neither a signal nor PromQL: {}", crate::chain(&error));
        ApiError::bad_request("unknown_target", message)
    })
}

fn unknown(name: &str) -> ApiError {
    ApiError::bad_request(
        "unknown_target",
        format!("no signal has the name {name:?}; the target \"signals\" lists all"),
    )
}

/// Returns the argument of `function(argument)`.
fn argument<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    text.strip_prefix(function)?.trim_start().strip_prefix('(')?.strip_suffix(')').map(str::trim)
}

/// Returns the signals that a name or a pattern matches; `None` without a match.
fn named(text: &str, signals: &[String]) -> Option<Vec<String>> {
    if signals.iter().any(|signal| signal == text) {
        return Some(vec![text.to_owned()]);
    }
    let pattern = Matcher::new("signal", MatchOp::Regex, text).ok()?;
    let names: Vec<String> = signals.iter().filter(|signal| pattern.matches_value(signal)).cloned().collect();
    (!names.is_empty()).then_some(names)
}

/// Turns `="(a|b\.c)"` into `=~"(a|b\\.c)"`.
///
/// Grafana escapes a variable's values for a pattern, also where the dashboard compares with `=`.
fn without_inserted_patterns(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let (before, quoted) = rest.split_at(at);
        let Some(end) = closing_quote(&quoted[1..]) else { break };
        let literal = &quoted[1..=end];
        rest = &quoted[end + 2..];
        let compares = before.trim_end();
        let is_pattern = compares.ends_with("=~") || compares.ends_with("!~");
        let equal = !is_pattern && compares.ends_with('=');
        // Signs of an inserted pattern: an escape that is invalid in a string, or `(a|b)`.
        let inserted = has_pattern_escape(literal)
            || (literal.starts_with('(') && literal.ends_with(')') && literal.contains('|'));
        if equal && inserted {
            let start = compares.len() - if compares.ends_with("!=") { 2 } else { 1 };
            out.push_str(&compares[..start]);
            out.push_str(if compares.ends_with("!=") { "!~" } else { "=~" });
        } else {
            out.push_str(before);
        }
        out.push('"');
        if is_pattern || equal {
            push_doubled(&mut out, literal)
        } else {
            out.push_str(literal)
        }
        out.push('"');
    }
    out.push_str(rest);
    out
}

/// Returns the position of the closing quote, skipping escaped characters.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

/// Characters that may follow a backslash in a `PromQL` string.
const STRING_ESCAPES: &str = "abfnrtvxuU01234567\\\"'";

/// Whether the literal has an escape that is only valid in a pattern.
fn has_pattern_escape(literal: &str) -> bool {
    let mut characters = literal.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.next().is_some_and(|next| !STRING_ESCAPES.contains(next)) {
            return true;
        }
    }
    false
}

/// Appends a literal with doubled backslashes where the escape is only valid in a pattern.
fn push_doubled(out: &mut String, literal: &str) {
    let mut characters = literal.chars().peekable();
    while let Some(character) = characters.next() {
        out.push(character);
        if character == '\\' {
            match characters.peek() {
                Some(next) if STRING_ESCAPES.contains(*next) => {
                    out.push(*next);
                    characters.next();
                }
                _ => out.push('\\'),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals() -> Vec<String> {
        ["api.p95", "api.rate", "db"].map(str::to_owned).to_vec()
    }

    #[test]
    fn names_may_be_patterns() {
        let check = |text: &str, expected: &str| {
            let found = Target::read(text, &signals()).map(|target| format!("{target:?}"));
            assert_eq!(found.unwrap(), expected, "{text}");
        };
        check("db", "Values([\"db\"])");
        check("api.p95", "Values([\"api.p95\"])");
        check("api\\.p95", "Values([\"api.p95\"])");
        check("(db|api\\.rate)", "Values([\"api.rate\", \"db\"])");
        check("forecast(api\\.p95)", "Forecast([\"api.p95\"])");
        check("forecast((db|api\\.p95))", "Forecast([\"api.p95\", \"db\"])");
        check("anomalies(db)", "Anomalies([\"db\"])");
        check("anomalies", "Anomalies([])");
        check(" recommendations ", "Recommendations");
        assert!(matches!(Target::read("sum(rate(x[5m]))", &signals()), Ok(Target::Expression(_))));
        assert!(matches!(Target::read("up", &[]), Ok(Target::Expression(_))));
        assert_eq!(Target::read("forecast(nope)", &signals()).unwrap_err().code(), "unknown_target");
        assert_eq!(Target::read("no such thing", &signals()).unwrap_err().code(), "unknown_target");
    }

    #[test]
    fn variables_in_pattern_format_become_patterns() {
        let check = |text: &str, expected: &str| assert_eq!(without_inserted_patterns(text), expected);
        check(r#"up{job="api"}"#, r#"up{job="api"}"#);
        check(r#"up{job="a\.b"}"#, r#"up{job=~"a\\.b"}"#);
        check(r#"up{job!="(a|b\.c)", x=~"a\.b"}"#, r#"up{job!~"(a|b\\.c)", x=~"a\\.b"}"#);
        check(r#"up{job=~"a\\.b"}"#, r#"up{job=~"a\\.b"}"#);
        check(r#"label_replace(up, "a", "$1", "b", "(.*)")"#, r#"label_replace(up, "a", "$1", "b", "(.*)")"#);
        check(r#"up{job="a\"b"}"#, r#"up{job="a\"b"}"#);
        check(r#"up{job="unclosed"#, r#"up{job="unclosed"#);
    }
}
