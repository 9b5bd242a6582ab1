//! Leaves out default signals whose series a configured signal already shows in the same way. Reads the store's series only.

use almanac_models::Timestamp;
use promql_parser::parser::{Expr, parse};

use crate::{
    learn::{LearnError, SignalSpec},
    series::Labels,
    signal,
    store::{Store, StoreError},
};

/// How long before `now` a series must have had a sample to count as one that an expression reads.
const ALIVE_MS: i64 = 300_000;
/// Functions after which a value still shows the counter's rate.
const RATES: [&str; 3] = ["rate", "irate", "increase"];
/// Functions after which a value still shows the gauge's level.
const LEVELS: [&str; 5] = ["avg_over_time", "last_over_time", "max_over_time", "min_over_time", "median_over_time"];

/// How an expression shows the series that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Level,
    Rate,
    RatioOfRates,
}

/// The series an expression reads, and how it shows them; equal ones are the same signal under two names.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    view: View,
    series: Vec<Labels>,
}

/// Keeps of `chosen` the signals that differ from every configured one: in name, and in the series that are read.
///
/// `sum(rate(x_total[5m]))` and `rate(x_total{job="api"}[60s])` are the same signal where `x_total` has that one series:
/// learning both costs twice and reports each anomaly twice.
///
/// # Errors
/// [`LearnError::Store`] when the store cannot be read.
pub(in crate::learn) fn without_covered(
    store: &Store,
    configured: &[SignalSpec],
    mut chosen: Vec<SignalSpec>,
    now: Timestamp,
) -> Result<Vec<SignalSpec>, LearnError> {
    let mut covered = Vec::new();
    for spec in configured {
        covered.extend(reading(store, &spec.expr, now)?);
    }
    let mut kept = Vec::with_capacity(chosen.len());
    for spec in chosen.drain(..) {
        let is_named = configured.iter().any(|own| own.name == spec.name || own.expr == spec.expr);
        let is_covered = match reading(store, &spec.expr, now)? {
            Some(reading) => covered.contains(&reading),
            None => false,
        };
        if !is_named && !is_covered {
            kept.push(spec);
        }
    }
    Ok(kept)
}

/// What an expression reads; `None` where it combines several series in a way of its own.
fn reading(store: &Store, expr: &str, now: Timestamp) -> Result<Option<Reading>, StoreError> {
    // The engine's parser first: it guards the grammar against input that makes it panic.
    let (Ok(query), Ok(parsed)) = (signal::parse(expr), parse(expr)) else { return Ok(None) };
    let Some(view) = view(&parsed) else { return Ok(None) };
    let mut series = Vec::new();
    for matchers in query.selectors() {
        let since = now.millis().saturating_sub(ALIVE_MS);
        let mut found = store.series(&[matchers.to_vec()], since, now.millis())?;
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => series.push(one),
            _ => return Ok(None),
        }
    }
    Ok(Some(Reading { view, series }))
}

/// How an expression of one series, or a ratio of two rates, shows what it reads; scaling by a number changes nothing.
fn view(expr: &Expr) -> Option<View> {
    match expr {
        Expr::Paren(paren) => view(&paren.expr),
        // Over one series these give the series itself.
        Expr::Aggregate(aggregate) if ["sum", "avg", "min", "max"].contains(&aggregate.op.to_string().as_str()) => {
            view(&aggregate.expr)
        }
        Expr::VectorSelector(selector) if selector.offset.is_none() && selector.at.is_none() => Some(View::Level),
        Expr::Call(call) => {
            let shown = [(&RATES[..], View::Rate), (&LEVELS[..], View::Level)];
            let (_, view) = shown.into_iter().find(|(names, _)| names.contains(&call.func.name))?;
            match call.args.args.first().map(Box::as_ref) {
                Some(Expr::MatrixSelector(matrix)) if matrix.vs.offset.is_none() && matrix.vs.at.is_none() => {
                    Some(view)
                }
                _ => None,
            }
        }
        Expr::Binary(binary) => match (binary.op.to_string().as_str(), &*binary.lhs, &*binary.rhs) {
            ("*" | "/", inner, Expr::NumberLiteral(_)) | ("*", Expr::NumberLiteral(_), inner) => view(inner),
            ("/", numerator, denominator) => match (view(numerator)?, view(denominator)?) {
                (View::Rate, View::Rate) => Some(View::RatioOfRates),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_of_an_expression_is_read_from_its_form() {
        let check = |expr: &str, expected: Option<View>| {
            assert_eq!(parse(expr).ok().and_then(|parsed| view(&parsed)), expected, "{expr}");
        };
        check("queue_depth", Some(View::Level));
        check(r#"sum(queue_depth{job="api"})"#, Some(View::Level));
        check("max_over_time(queue_depth[5m])", Some(View::Level));
        check("sum(rate(requests_total[5m])) * 60", Some(View::Rate));
        check("(increase(requests_total[1h]))", Some(View::Rate));
        check("rate(latency_sum[5m]) / rate(latency_count[5m])", Some(View::RatioOfRates));
        // Each of these shows something else than the series itself.
        check("queue_depth offset 1d", None);
        check("deriv(queue_depth[5m])", None);
        check("count(queue_depth)", None);
        check("queue_depth - queue_depth offset 1d", None);
        check("histogram_quantile(0.9, rate(latency_bucket[5m]))", None);
    }
}
