//! Removes default signals that read the same series in the same way as a configured signal. Reads no samples.

use almanac_models::Timestamp;
use promql_parser::parser::Expr;

use crate::{
    learn::{LearnError, SignalSpec},
    series::Labels,
    signal,
    store::{Store, StoreError},
};

/// Maximum age of the last sample of a series that counts as read by an expression, in milliseconds.
const ALIVE_MS: i64 = 300_000;
/// Functions whose result is a rate of the counter.
const RATES: [&str; 3] = ["rate", "irate", "increase"];
/// Functions whose result is a level of the gauge.
const LEVELS: [&str; 5] = ["avg_over_time", "last_over_time", "max_over_time", "min_over_time", "median_over_time"];

/// The quantity that an expression computes of the series that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Level,
    Rate,
    RatioOfRates,
}

/// The series that an expression reads, and the quantity that it computes of them. Expressions with equal content are
/// the same signal under two names.
#[derive(Debug, PartialEq, Eq)]
struct SignalContent {
    quantity: Quantity,
    series: Vec<Labels>,
}

/// Keeps the signals of `chosen` that differ from every configured one in name, expression and content.
///
/// `sum(rate(x_total[5m]))` and `rate(x_total{job="api"}[60s])` are the same signal if `x_total` has only that series.
/// Learning both would cost twice and report each anomaly twice.
///
/// # Errors
/// [`LearnError::Store`] if the store cannot be read.
pub(in crate::learn) fn without_covered(
    store: &Store,
    configured: &[SignalSpec],
    mut chosen: Vec<SignalSpec>,
    now: Timestamp,
) -> Result<Vec<SignalSpec>, LearnError> {
    let mut covered = Vec::new();
    for spec in configured {
        covered.extend(content(store, &spec.expr, now)?);
    }
    let mut kept = Vec::with_capacity(chosen.len());
    for spec in chosen.drain(..) {
        let is_named = configured.iter().any(|own| own.name == spec.name || own.expr == spec.expr);
        let is_covered = match content(store, &spec.expr, now)? {
            Some(content) => covered.contains(&content),
            None => false,
        };
        if !is_named && !is_covered {
            kept.push(spec);
        }
    }
    Ok(kept)
}

/// Returns the content of an expression; `None` if it is not a level or rate of single series.
fn content(store: &Store, expr: &str, now: Timestamp) -> Result<Option<SignalContent>, StoreError> {
    let Some(quantity) = signal::tree(expr, |tree| quantity(&tree)) else { return Ok(None) };
    let Ok(query) = signal::parse(expr) else { return Ok(None) };
    let mut series = Vec::new();
    for matchers in query.selectors() {
        let since = now.millis().saturating_sub(ALIVE_MS);
        let mut found = store.series(&[matchers.to_vec()], since, now.millis())?;
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => series.push(one),
            _ => return Ok(None),
        }
    }
    Ok(Some(SignalContent { quantity, series }))
}

/// Returns the quantity that an expression of one series, or a ratio of two rates, computes. Scaling by a number does
/// not change it.
fn quantity(expr: &Expr) -> Option<Quantity> {
    match expr {
        Expr::Paren(paren) => quantity(&paren.expr),
        // Of a single series these aggregations return the series itself.
        Expr::Aggregate(aggregate) if ["sum", "avg", "min", "max"].contains(&aggregate.op.to_string().as_str()) => {
            quantity(&aggregate.expr)
        }
        Expr::VectorSelector(selector) if selector.offset.is_none() && selector.at.is_none() => Some(Quantity::Level),
        Expr::Call(call) => {
            let known = [(&RATES[..], Quantity::Rate), (&LEVELS[..], Quantity::Level)];
            let (_, quantity) = known.into_iter().find(|(names, _)| names.contains(&call.func.name))?;
            match call.args.args.first().map(Box::as_ref) {
                Some(Expr::MatrixSelector(matrix)) if matrix.vs.offset.is_none() && matrix.vs.at.is_none() => {
                    Some(quantity)
                }
                _ => None,
            }
        }
        Expr::Binary(binary) => match (binary.op.to_string().as_str(), &*binary.lhs, &*binary.rhs) {
            ("*" | "/", inner, Expr::NumberLiteral(_)) | ("*", Expr::NumberLiteral(_), inner) => quantity(inner),
            ("/", numerator, denominator) => match (quantity(numerator)?, quantity(denominator)?) {
                (Quantity::Rate, Quantity::Rate) => Some(Quantity::RatioOfRates),
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
    fn the_quantity_of_an_expression_follows_from_its_form() {
        let check = |expr: &str, expected: Option<Quantity>| {
            assert_eq!(signal::tree(expr, |tree| quantity(&tree)), expected, "{expr}");
        };
        check("queue_depth", Some(Quantity::Level));
        check(r#"sum(queue_depth{job="api"})"#, Some(Quantity::Level));
        check("max_over_time(queue_depth[5m])", Some(Quantity::Level));
        check("sum(rate(requests_total[5m])) * 60", Some(Quantity::Rate));
        check("(increase(requests_total[1h]))", Some(Quantity::Rate));
        check("rate(latency_sum[5m]) / rate(latency_count[5m])", Some(Quantity::RatioOfRates));
        // None of these is a level or a rate of the series.
        check("queue_depth offset 1d", None);
        check("deriv(queue_depth[5m])", None);
        check("count(queue_depth)", None);
        check("queue_depth - queue_depth offset 1d", None);
        check("histogram_quantile(0.9, rate(latency_bucket[5m]))", None);
    }
}
