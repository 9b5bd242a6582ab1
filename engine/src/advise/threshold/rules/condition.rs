//! Takes an alerting expression apart into a signal, a comparison and a bound; guards stay with the signal.
//!
//! Set operators commute with a comparison: `X > c and G` fires for the same labels as `(X and G) > c`. So the guard is evaluated with
//! the signal, and the bound alone is advised on.

use std::ops::Range;

use super::{
    comparison::{Comparison, format_bound},
    expression::{Binary, Group, Part, PartKind, parse},
    tokens::plain_numbers,
};
use crate::signal;

/// An alerting expression taken apart: a signal compared with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The signal's expression, its guards included.
    pub signal: String,
    /// The comparison, the signal on its left.
    pub comparison: Comparison,
    /// The constant.
    pub bound: f64,
    /// The comparison alone, as written, where the expression has more than it: `X > c` of `X > c and G`.
    pub guarded: Option<String>,
    /// The expression and the place of the bound in it; `None` where `signal comparison bound` says all.
    written: Option<(String, Range<usize>)>,
}

/// Why an expression has no bound to advise on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoBound {
    /// It is a valid rule without one, such as `up == 0` or `absent(up)`.
    Kept(String),
    /// It cannot be evaluated.
    Skipped(String),
}

impl Condition {
    /// The expression with another bound; all else stays as it was written.
    #[must_use]
    pub fn with_bound(&self, bound: f64) -> String {
        match &self.written {
            Some((text, place)) => format!("{}{}{}", &text[..place.start], format_bound(bound), &text[place.end..]),
            None => format!("{} {} {}", self.signal, self.comparison.symbol(), format_bound(bound)),
        }
    }

    /// The same condition on one series of a file.
    #[must_use]
    pub fn on_series(&self, series: &str) -> Self {
        let escaped = series.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        Self { signal: format!("value{{series=\"{escaped}\"}}"), written: None, ..self.clone() }
    }
}

/// Takes `signal > X`, `X < signal`, `signal > X and guard` and their kin apart.
///
/// Of several comparisons with a number the first is taken whose bound is not 0: `X > 0` in a guard says that there is something at all.
///
/// # Errors
/// [`NoBound`]: why there is no bound to advise on.
pub fn split_condition(expr: &str) -> Result<Condition, NoBound> {
    let invalid = |message: String| NoBound::Skipped(format!("its expression is not valid PromQL: {message}"));
    let text = plain_numbers(expr.trim()).map_err(invalid)?;
    let query = signal::parse(&text).map_err(|error| match error {
        signal::SignalError::Parse { message, .. } => invalid(first_line(&message)),
        other => NoBound::Skipped(format!("its expression cannot be evaluated: {other}")),
    })?;
    drop(query);
    let root = parse(&text).map_err(invalid)?;
    let mut found = Reader { text: &text }.candidates(&root);
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

/// Why an expression that compares nothing with a bound is kept.
fn without_bound(root: &Part) -> String {
    let part = root.bare();
    let PartKind::Binary(binary) = &part.kind else {
        return "no numeric bound to advise on: it fires whenever its expression has a value".to_owned();
    };
    let comparison = Comparison::parse(&binary.operator).is_some();
    match binary.operator.as_str() {
        "==" | "!=" => format!("no numeric bound to advise on: {} tests for a state", binary.operator),
        _ if comparison && binary.bool_modifier => {
            "a comparison with bool always has a value, so the alert always fires; leave out bool".to_owned()
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
struct Found {
    /// What is compared, with what else must hold.
    signal: String,
    comparison: Comparison,
    bound: f64,
    /// Place of the number.
    place: Range<usize>,
    /// Place of the comparison.
    whole: Range<usize>,
    guarded: bool,
}

impl Found {
    fn with(self, signal: String) -> Self {
        Self { signal, guarded: true, ..self }
    }

    /// The aggregation that keeps the element nearest to breaching.
    fn extreme(&self) -> &'static str {
        if self.comparison.is_upper() { "max" } else { "min" }
    }
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn of(&self, part: &Part) -> &str {
        &self.text[part.span.clone()]
    }

    /// A part as an operand of another operator.
    fn operand(&self, part: &Part) -> String {
        let text = self.of(part);
        match part.kind {
            PartKind::Binary(_) | PartKind::Negated(_) => format!("({text})"),
            _ => text.to_owned(),
        }
    }

    /// The comparisons with a number that decide whether the expression has elements, in the order written.
    fn candidates(&self, part: &Part) -> Vec<Found> {
        match &part.kind {
            PartKind::Number(_) | PartKind::Operand => Vec::new(),
            PartKind::Paren(inner) | PartKind::Negated(inner) => self.candidates(inner),
            PartKind::Aggregate { grouping, inner } => self
                .candidates(inner)
                .into_iter()
                .map(|found| {
                    let signal = format!("{} {} ({})", found.extreme(), &self.text[grouping.clone()], found.signal);
                    found.with(signal)
                })
                .collect(),
            PartKind::Passing(inner) => self
                .candidates(inner)
                .into_iter()
                .map(|found| {
                    let (before, after) = (part.span.start..inner.span.start, inner.span.end..part.span.end);
                    let signal = format!("{}{}{}", &self.text[before], found.signal, &self.text[after]);
                    found.with(signal)
                })
                .collect(),
            PartKind::Binary(binary) => self.of_binary(part, binary),
        }
    }

    fn of_binary(&self, part: &Part, binary: &Binary) -> Vec<Found> {
        let Binary { operator, left, right, .. } = binary;
        match operator.as_str() {
            "and" | "unless" | "or" => self.of_set(binary),
            "==" | "!=" | "<" | "<=" | ">" | ">=" => self.of_comparison(part, binary),
            // Arithmetic with a number changes no element's being there.
            _ if right.constant().is_some() => self.candidates(left),
            _ if left.constant().is_some() => self.candidates(right),
            _ => {
                let matching = self.matching(binary);
                let joined = |founds: Vec<Found>, other: &Part| -> Vec<Found> {
                    founds
                        .into_iter()
                        .map(|found| {
                            let signal = format!("({} and{matching} {})", found.signal, self.operand(other));
                            found.with(signal)
                        })
                        .collect()
                };
                let mut found = Vec::new();
                if binary.group != Some(Group::Right) {
                    found.extend(joined(self.candidates(left), right));
                }
                if binary.group != Some(Group::Left) {
                    found.extend(joined(self.candidates(right), left));
                }
                found
            }
        }
    }

    fn of_comparison(&self, part: &Part, binary: &Binary) -> Vec<Found> {
        let (left, right) = (binary.left.constant(), binary.right.constant());
        // `(X > bool c) == 1` and its kin say `X > c`.
        let one = matches!((binary.operator.as_str(), right), ("==" | ">=", Some(1.0)) | ("!=" | ">", Some(0.0)));
        if let PartKind::Binary(inner) = &binary.left.bare().kind
            && inner.bool_modifier
            && one
            && !binary.bool_modifier
        {
            let inner = Binary { bool_modifier: false, ..(**inner).clone() };
            return self
                .of_comparison(binary.left.bare(), &inner)
                .into_iter()
                .map(|found| Found { guarded: true, ..found })
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
        if let PartKind::Binary(inner) = &signal.bare().kind
            && Comparison::parse(&inner.operator).is_some()
            && !inner.bool_modifier
        {
            all.extend(self.of_comparison(signal.bare(), inner).into_iter().map(|found| {
                let signal = format!("({} {} {})", found.signal, comparison.symbol(), format_bound(bound));
                found.with(signal)
            }));
        }
        all.push(Found {
            signal: self.operand(signal),
            comparison,
            bound,
            place: place.span.clone(),
            whole: part.span.clone(),
            guarded: false,
        });
        all
    }

    fn of_set(&self, binary: &Binary) -> Vec<Found> {
        let Binary { operator, left, right, matching, .. } = binary;
        let with = self.matching(binary);
        let of_left = self.candidates(left);
        let of_right = self.candidates(right);
        // An element of the other side makes the alert fire whatever the signal is: it counts as infinitely far beyond the bound.
        let either = |found: Found, other: &Part| {
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
            // Which elements of the right side count depends on the left side's bound.
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

    /// `A and X > c`: the elements are those of `A`, each with the value of its group of `X` that is nearest to breaching.
    fn guarded_right(&self, found: &Found, left: &Part, matching: Option<&Range<usize>>) -> String {
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

    fn matching(&self, binary: &Binary) -> String {
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
        // What only says that there is something is no bound where there is another one.
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
    fn what_has_no_bound_says_why() {
        for (expr, why) in [
            ("up == 0", "== tests for a state"),
            ("a != b", "!= tests for a state"),
            ("a > bool 1", "leave out bool"),
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
        for expr in ["a >", "a{", "{{ $value }}", "info(up) > 1", ""] {
            let Err(NoBound::Skipped(reason)) = split_condition(expr) else { panic!("{expr}") };
            assert!(reason.starts_with("its expression ") && !reason.contains('\n'), "{expr}: {reason}");
        }
    }
}
