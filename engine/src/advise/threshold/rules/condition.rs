//! Splits an alerting expression into a signal, a comparison and a bound. Guards become part of the signal.
//!
//! Set operators commute with a comparison: `X > c and G` fires for the same labels as `(X and G) > c`. The guard is
//! therefore evaluated with the signal, and advice concerns the bound alone.

use std::ops::Range;

use super::{
    comparison::{Comparison, format_bound},
    expression::{BinaryExpr, ExprKind, ExprNode, ManySide, parse},
    tokens::plain_numbers,
};
use crate::signal;

/// An alerting expression split into a signal, a comparison and a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The signal's expression, including its guards.
    pub signal: String,
    /// The comparison, with the signal on the left side.
    pub comparison: Comparison,
    /// The constant.
    pub bound: f64,
    /// The comparison as written, if the expression has other parts: `X > c` of `X > c and G`.
    pub guarded: Option<String>,
    /// The expression and the byte range of the bound in it; `None` when the expression is `signal comparison bound`.
    written: Option<(String, Range<usize>)>,
}

/// Reason why an expression has no bound to advise on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoBound {
    /// The rule is valid but has no bound, such as `up == 0` or `absent(up)`.
    Kept(String),
    /// The expression cannot be evaluated.
    Skipped(String),
}

impl Condition {
    /// Returns the expression with another bound; the rest keeps its text.
    #[must_use]
    pub fn with_bound(&self, bound: f64) -> String {
        match &self.written {
            Some((text, place)) => format!("{}{}{}", &text[..place.start], format_bound(bound), &text[place.end..]),
            None => format!("{} {} {}", self.signal, self.comparison.symbol(), format_bound(bound)),
        }
    }

    /// Returns the same condition on one series of a file, as `value{series="…"}`.
    #[must_use]
    pub fn on_series(&self, series: &str) -> Self {
        let escaped = series.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        Self { signal: format!("value{{series=\"{escaped}\"}}"), written: None, ..self.clone() }
    }
}

/// Splits expressions such as `signal > X`, `X < signal` and `signal > X and guard`.
///
/// Of several comparisons with a number, the first one with a bound other than 0 is chosen. A guard such as `X > 0`
/// only tests for existence.
///
/// # Errors
/// [`NoBound`]: the reason why there is no bound to advise on.
pub fn split_condition(expr: &str) -> Result<Condition, NoBound> {
    let invalid = |message: String| NoBound::Skipped(format!("its expression is not valid PromQL: {message}"));
    let text = plain_numbers(expr.trim()).map_err(invalid)?;
    // Checks validity only; the byte ranges come from the parser of this folder.
    signal::parse(&text).map_err(|error| match error {
        signal::SignalError::Parse { message, .. } => invalid(first_line(&message)),
        other => NoBound::Skipped(format!("its expression cannot be evaluated: {other}")),
    })?;
    let root = parse(&text).map_err(invalid)?;
    let mut found = BoundFinder { text: &text }.candidates(&root);
    let chosen = found.iter().position(|found| found.bound != 0.0).unwrap_or(0);
    if found.is_empty() {
        return Err(NoBound::Kept(without_bound(&root)));
    }
    let found = found.swap_remove(chosen);
    if !found.bound.is_finite() {
        return Err(NoBound::Kept(format!("its bound {} is not a finite number", format_bound(found.bound))));
    }
    if signal::parse(&found.signal).is_err() {
        return Err(NoBound::Skipped(format!("its signal {} cannot be evaluated alone", found.signal)));
    }
    let guarded = found.guarded.then(|| text[found.whole.clone()].to_owned());
    Ok(Condition {
        signal: found.signal,
        comparison: found.comparison,
        bound: found.bound,
        guarded,
        written: Some((text, found.place)),
    })
}

/// Returns the reason to keep an expression without a comparison with a bound.
fn without_bound(root: &ExprNode) -> String {
    let part = root.bare();
    let ExprKind::Binary(binary) = &part.kind else {
        return "no numeric bound to advise on: it fires whenever its expression has a value".to_owned();
    };
    let comparison = Comparison::parse(&binary.operator).is_some();
    match binary.operator.as_str() {
        "==" | "!=" => format!("no numeric bound to advise on: {} tests for a state", binary.operator),
        _ if comparison && binary.bool_modifier => {
            "a comparison with bool always has a value, so the alert always fires; remove bool".to_owned()
        }
        _ if comparison && (binary.left.constant().is_some() && binary.right.constant().is_some()) => {
            "no numeric bound to advise on: it compares two numbers".to_owned()
        }
        _ if comparison => "no numeric bound to advise on: it compares two signals".to_owned(),
        "or" if binary.matching.is_some() => {
            "no bound to advise on: with \"or on\" or \"or ignoring\" the bound decides which other elements fire"
                .to_owned()
        }
        "and" | "unless" | "or" => {
            "no numeric bound to advise on: no part that makes it fire compares a signal with a number".to_owned()
        }
        _ => "no numeric bound to advise on: it fires whenever its expression has a value".to_owned(),
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("it cannot be read").trim().to_owned()
}

/// A comparison with a number within an expression.
#[derive(Debug, Clone)]
struct BoundCandidate {
    /// The compared expression, with its guards.
    signal: String,
    comparison: Comparison,
    bound: f64,
    /// Byte range of the number.
    place: Range<usize>,
    /// Byte range of the comparison.
    whole: Range<usize>,
    /// Whether the expression has parts outside of the comparison.
    guarded: bool,
}

impl BoundCandidate {
    fn with(self, signal: String) -> Self {
        Self { signal, guarded: true, ..self }
    }

    /// Returns the aggregation that keeps the element nearest to a breach.
    fn extreme(&self) -> &'static str {
        if self.comparison.is_upper() { "max" } else { "min" }
    }
}

/// Searches a parsed expression for comparisons with a number.
struct BoundFinder<'a> {
    text: &'a str,
}

impl BoundFinder<'_> {
    fn of(&self, part: &ExprNode) -> &str {
        &self.text[part.span.clone()]
    }

    /// Returns the text of a part as an operand, in parentheses where precedence needs them.
    fn operand(&self, part: &ExprNode) -> String {
        let text = self.of(part);
        match part.kind {
            ExprKind::Binary(_) | ExprKind::Negated(_) => format!("({text})"),
            _ => text.to_owned(),
        }
    }

    /// Returns the comparisons with a number that decide whether the expression has elements, in the order of the text.
    fn candidates(&self, part: &ExprNode) -> Vec<BoundCandidate> {
        match &part.kind {
            ExprKind::Number(_) | ExprKind::Operand => Vec::new(),
            ExprKind::Paren(inner) | ExprKind::Negated(inner) => self.candidates(inner),
            ExprKind::Aggregate { grouping, inner } => self
                .candidates(inner)
                .into_iter()
                .map(|found| {
                    let signal = format!("{} {} ({})", found.extreme(), &self.text[grouping.clone()], found.signal);
                    found.with(signal)
                })
                .collect(),
            ExprKind::Passing(inner) => self
                .candidates(inner)
                .into_iter()
                .map(|found| {
                    let (before, after) = (part.span.start..inner.span.start, inner.span.end..part.span.end);
                    let signal = format!("{}{}{}", &self.text[before], found.signal, &self.text[after]);
                    found.with(signal)
                })
                .collect(),
            ExprKind::Binary(binary) => self.of_binary(part, binary),
        }
    }

    /// Returns the candidates of a binary operator.
    fn of_binary(&self, part: &ExprNode, binary: &BinaryExpr) -> Vec<BoundCandidate> {
        let BinaryExpr { operator, left, right, .. } = binary;
        match operator.as_str() {
            "and" | "unless" | "or" => self.of_set(binary),
            "==" | "!=" | "<" | "<=" | ">" | ">=" => self.of_comparison(part, binary),
            // Arithmetic with a number keeps all elements.
            _ if right.constant().is_some() => self.candidates(left),
            _ if left.constant().is_some() => self.candidates(right),
            // Arithmetic between two vectors keeps the matched elements, so the other side becomes a guard.
            _ => {
                let matching = self.matching(binary);
                let joined = |founds: Vec<BoundCandidate>, other: &ExprNode| -> Vec<BoundCandidate> {
                    founds
                        .into_iter()
                        .map(|found| {
                            let signal = format!("({} and{matching} {})", found.signal, self.operand(other));
                            found.with(signal)
                        })
                        .collect()
                };
                let mut found = Vec::new();
                if binary.group != Some(ManySide::Right) {
                    found.extend(joined(self.candidates(left), right));
                }
                if binary.group != Some(ManySide::Left) {
                    found.extend(joined(self.candidates(right), left));
                }
                found
            }
        }
    }

    /// Returns the candidates of a comparison operator: itself, and an inner comparison of its signal.
    fn of_comparison(&self, part: &ExprNode, binary: &BinaryExpr) -> Vec<BoundCandidate> {
        let (left, right) = (binary.left.constant(), binary.right.constant());
        // `(X > bool c) == 1` and similar forms are equivalent to `X > c`.
        let one = matches!((binary.operator.as_str(), right), ("==" | ">=", Some(1.0)) | ("!=" | ">", Some(0.0)));
        if let ExprKind::Binary(inner) = &binary.left.bare().kind
            && inner.bool_modifier
            && one
            && !binary.bool_modifier
        {
            let inner = BinaryExpr { bool_modifier: false, ..(**inner).clone() };
            return self
                .of_comparison(binary.left.bare(), &inner)
                .into_iter()
                .map(|found| BoundCandidate { guarded: true, ..found })
                .collect();
        }
        let Some(comparison) = Comparison::parse(&binary.operator).filter(|_| !binary.bool_modifier) else {
            return Vec::new();
        };
        let (signal, comparison, bound, place) = match (left, right) {
            (None, Some(bound)) => (&binary.left, comparison, bound, &binary.right),
            (Some(bound), None) => (&binary.right, comparison.flipped(), bound, &binary.left),
            _ => return Vec::new(),
        };
        let mut all = Vec::new();
        // Of `X > 0.9 < 1` the first is the bound, the second a guard: both filter the same signal.
        if let ExprKind::Binary(inner) = &signal.bare().kind
            && Comparison::parse(&inner.operator).is_some()
            && !inner.bool_modifier
        {
            all.extend(self.of_comparison(signal.bare(), inner).into_iter().map(|found| {
                let signal = format!("({} {} {})", found.signal, comparison.symbol(), format_bound(bound));
                found.with(signal)
            }));
        }
        all.push(BoundCandidate {
            signal: self.operand(signal),
            comparison,
            bound,
            place: place.span.clone(),
            whole: part.span.clone(),
            guarded: false,
        });
        all
    }

    /// Returns the candidates of a set operator; the other side becomes a guard.
    fn of_set(&self, binary: &BinaryExpr) -> Vec<BoundCandidate> {
        let BinaryExpr { operator, left, right, matching, .. } = binary;
        let with = self.matching(binary);
        let of_left = self.candidates(left);
        let of_right = self.candidates(right);
        // An element of the other side fires whatever the signal's value, so it becomes ±Inf in the signal.
        let either = |found: BoundCandidate, other: &ExprNode| {
            let beyond = if found.comparison.is_upper() { "+" } else { "-" };
            let signal = format!("(group without () ({}) {beyond} Inf or {})", self.of(other), found.signal);
            found.with(signal)
        };
        let mut all = Vec::new();
        match operator.as_str() {
            "or" if matching.is_none() => {
                all.extend(of_left.into_iter().map(|found| either(found, right)));
                all.extend(of_right.into_iter().map(|found| either(found, left)));
            }
            // With a matching clause, the bound of the left side decides which elements of the right side fire.
            "or" => {}
            "unless" => all.extend(of_left.into_iter().map(|found| {
                let signal = format!("({} unless{with} {})", found.signal, self.operand(right));
                found.with(signal)
            })),
            _ => {
                all.extend(of_left.into_iter().map(|found| {
                    let signal = format!("({} and{with} {})", found.signal, self.operand(right));
                    found.with(signal)
                }));
                all.extend(of_right.into_iter().map(|found| {
                    let signal = self.guarded_right(&found, left, matching.as_ref());
                    found.with(signal)
                }));
            }
        }
        all
    }

    /// Writes the signal of `A and X > c`: the elements of `A`, each with the value of its group of `X` nearest to a
    /// breach.
    fn guarded_right(&self, found: &BoundCandidate, left: &ExprNode, matching: Option<&Range<usize>>) -> String {
        let Some(matching) = matching else { return format!("({} and {})", found.signal, self.operand(left)) };
        let matching = &self.text[matching.clone()];
        let grouping = if matching.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("on")) {
            format!("by {}", matching[2..].trim_start())
        } else {
            format!("without {}", matching["ignoring".len()..].trim_start())
        };
        let extreme = found.extreme();
        format!(
            "(group without () ({}) * {matching} group_left () {extreme} {grouping} ({}))",
            self.of(left),
            found.signal
        )
    }

    /// Returns the matching clause with a leading space; empty without one.
    fn matching(&self, binary: &BinaryExpr) -> String {
        binary.matching.as_ref().map(|matching| format!(" {}", &self.text[matching.clone()])).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expr: &str, signal: &str, comparison: Comparison, bound: f64) {
        let condition = split_condition(expr).unwrap();
        assert_eq!(
            (condition.signal.as_str(), condition.comparison, condition.bound),
            (signal, comparison, bound),
            "{expr}"
        );
        let again = split_condition(&condition.with_bound(bound)).unwrap();
        assert_eq!((again.signal, again.comparison, again.bound), (condition.signal, comparison, bound), "{expr}");
    }

    #[test]
    fn either_side_and_any_comparison() {
        check("value > 0.5", "value", Comparison::Greater, 0.5);
        check("0.5 < value", "value", Comparison::Greater, 0.5);
        check("(100 >= value)", "value", Comparison::LessEqual, 100.0);
        check("value{series=\"a b\"} <= -5", "value{series=\"a b\"}", Comparison::LessEqual, -5.0);
        check("rate(x[5m]) * 2 > 80 / 100", "(rate(x[5m]) * 2)", Comparison::Greater, 0.8);
        check("queue >= 1e-9", "queue", Comparison::GreaterEqual, 1e-9);
        check("queue < 3e20", "queue", Comparison::Less, 3e20);
        check("value offset 5m > 3", "value offset 5m", Comparison::Greater, 3.0);
        check("a > 2 ^ 6", "a", Comparison::Greater, 64.0);
        check("a > 1_000", "a", Comparison::Greater, 1_000.0);
        check("a > (0.8 * 100)", "a", Comparison::Greater, 80.0);
        check("time() - a > 5m", "(time() - a)", Comparison::Greater, 300.0);
        check("0x10 < a", "a", Comparison::Greater, 16.0);
        check("a > 0.9 < 1", "(a < 1)", Comparison::Greater, 0.9);
        check("0 < a < 5", "(0 < a)", Comparison::Less, 5.0);
        check("(a > bool 5) == 1", "a", Comparison::Greater, 5.0);
    }

    #[test]
    fn guards_stay_with_the_signal() {
        check("a > 5 and b == 0", "(a and (b == 0))", Comparison::Greater, 5.0);
        check("a > 5 and on (x) b > 0", "(a and on (x) (b > 0))", Comparison::Greater, 5.0);
        check("a < 5 unless ignoring (x) b", "(a unless ignoring (x) b)", Comparison::Less, 5.0);
        check("b == 0 and a > 5", "(a and (b == 0))", Comparison::Greater, 5.0);
        check(
            "b == 0 and on (x) a > 5",
            "(group without () (b == 0) * on (x) group_left () max by (x) (a))",
            Comparison::Greater,
            5.0,
        );
        check("a > 5 or b < 3", "(group without () (b < 3) + Inf or a)", Comparison::Greater, 5.0);
        check("a < 5 or b == 3", "(group without () (b == 3) - Inf or a)", Comparison::Less, 5.0);
        check("sum by (x) (a > 5)", "max by (x) (a)", Comparison::Greater, 5.0);
        check("(a > 5) * on (x) group_left (y) info", "(a and on (x) info)", Comparison::Greater, 5.0);
        check("100 * (a < 0.5)", "a", Comparison::Less, 0.5);
        check(
            "label_replace(a > 5, \"d\", \"$1\", \"s\", \"(.*)\")",
            "label_replace(a, \"d\", \"$1\", \"s\", \"(.*)\")",
            Comparison::Greater,
            5.0,
        );
        // A test for existence (`> 0`) is not chosen when there is another bound.
        check("total > 0 and errors / total > 0.05", "((errors / total) and (total > 0))", Comparison::Greater, 0.05);
    }

    #[test]
    fn the_rest_of_the_expression_stays_as_written() {
        for (expr, bound, expected) in [
            ("a{x=\"> 5\"}  >  5 # why\n and b > 1", 7.5, "a{x=\"> 5\"}  >  7.5 # why\n and b > 1"),
            ("(0.8 * 100) < a", 85.0, "85 < a"),
            ("b == 0 and a > 2 ^ 6", 70.0, "b == 0 and a > 70"),
            ("a>-5", -3.0, "a>-3"),
        ] {
            assert_eq!(split_condition(expr).unwrap().with_bound(bound), expected);
        }
        let condition = split_condition("(a > 5 and b == 0)").unwrap();
        assert_eq!(condition.guarded.as_deref(), Some("a > 5"));
        assert_eq!(split_condition("a > 5").unwrap().guarded, None);
    }

    #[test]
    fn expressions_without_a_bound_have_a_reason() {
        for (expr, why) in [
            ("up == 0", "== tests for a state"),
            ("a != b", "!= tests for a state"),
            ("a > bool 1", "remove bool"),
            ("a > b", "compares two signals"),
            ("absent(up)", "fires whenever its expression has a value"),
            ("vector(1)", "fires whenever its expression has a value"),
            ("a and b", "no part that makes it fire compares"),
            ("a > 5 or on (x) b", "the bound decides which other elements fire"),
            ("a unless b > 5", "no part that makes it fire compares"),
            ("a > Inf", "not a finite number"),
        ] {
            let Err(NoBound::Kept(reason)) = split_condition(expr) else { panic!("{expr}") };
            assert!(reason.contains(why), "{expr}: {reason}");
        }
        for expr in ["a >", "a{", "{{ $value }}", ""] {
            let Err(NoBound::Skipped(reason)) = split_condition(expr) else { panic!("{expr}") };
            assert!(reason.starts_with("its expression ") && !reason.contains('\n'), "{expr}: {reason}");
        }
    }
}
