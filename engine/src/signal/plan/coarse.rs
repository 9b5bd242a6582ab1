//! Adapts a query to one point per step, so that rollups can answer it.

use std::sync::Arc;

use super::{Call, Node, Query};
use crate::series::Matcher;

/// Name of the matcher by which [`Query::coarse`] marks selectors whose function needs the newest sample of each step.
/// No series has this label, since names with two underscores at the start are reserved.
pub const LAST_OF_STEP: &str = "__last_of_step__";

/// Functions of a range that have the same meaning on one point per step: the rate over the step, and the mean of it.
const OF_STEPS: [&str; 2] = ["rate", "avg_over_time"];
/// Functions of instant vectors whose results need more than the value of a step.
const OF_SAMPLES: [&str; 8] = ["timestamp", "absent", "info", "start_timestamp", "start", "end", "step", "range"];

impl Query {
    /// Returns the query for series with one point at the end of each step of `step_ms`: ranges become the step, and
    /// selectors of counters have the matcher [`LAST_OF_STEP`]. `None` if a part needs the samples themselves: a
    /// subquery, `@`, an offset, or a function of a range other than a rate and a mean.
    #[must_use]
    pub fn coarse(&self, step_ms: i64) -> Option<Self> {
        let mut root = self.root().clone();
        adapt(&mut root, step_ms)?;
        Some(self.part(&root))
    }
}

/// Adapts a node in place; `None` if it cannot be adapted.
fn adapt(node: &mut Node, step_ms: i64) -> Option<()> {
    match node {
        Node::Number(_) | Node::Duration(_) | Node::String(_) => Some(()),
        Node::Select(selector) => selector.is_plain().then_some(()),
        // Only as the argument of a function below.
        Node::Range(_) | Node::Subquery(_) => None,
        Node::Negate(inner) | Node::Plus(inner) | Node::Paren(inner) => adapt(inner, step_ms),
        Node::Call(call) => adapt_call(call, step_ms),
        Node::Aggregate(aggregate) => {
            adapt(&mut aggregate.inner, step_ms)?;
            aggregate.param.as_mut().map_or(Some(()), |param| adapt(param, step_ms))
        }
        Node::Binary(binary) => {
            adapt(&mut binary.left, step_ms)?;
            adapt(&mut binary.right, step_ms)
        }
    }
}

fn adapt_call(call: &mut Call, step_ms: i64) -> Option<()> {
    let name = call.function.name;
    if OF_SAMPLES.contains(&name) {
        return None;
    }
    for arg in &mut call.args {
        let Node::Range(range) = arg else {
            adapt(arg, step_ms)?;
            continue;
        };
        let is_plain = range.selector.is_plain() && range.range.is_none();
        if !OF_STEPS.contains(&name) || !is_plain || range.range_ms > step_ms {
            return None;
        }
        if name == "rate" {
            // Both ends of the step: a range excludes its left end.
            range.range_ms = step_ms + 1;
            let last = Matcher::equal(LAST_OF_STEP, "");
            range.selector.matchers = range.selector.matchers.iter().cloned().chain([last]).collect::<Arc<[_]>>();
        } else {
            range.range_ms = step_ms;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::parse;

    #[test]
    fn rates_and_means_are_of_the_step() {
        let marked = |text: &str| {
            let query = parse(text).unwrap().coarse(3_600_000)?;
            Some(query.selectors().iter().filter(|all| all.iter().any(|one| one.name() == LAST_OF_STEP)).count())
        };
        assert_eq!(marked("cpu{host=\"a\"}"), Some(0));
        assert_eq!(marked("sum by (job) (rate(x[5m])) / scalar(sum(rate(y[5m]) + z))"), Some(2));
        assert_eq!(marked("histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))"), Some(1));
        assert_eq!(marked("avg_over_time(x[5m]) > 1 or topk(3, -x)"), Some(0));
        for needs_samples in [
            "max_over_time(x[5m])",
            "increase(x[5m])",
            "rate(x[2h])",
            "rate(x[5m] offset 1d)",
            "x offset 1d",
            "x @ 0",
            "avg_over_time(rate(x[5m])[1h:1m])",
            "absent(x)",
            "timestamp(x)",
        ] {
            assert_eq!(marked(needs_samples), None, "{needs_samples}");
        }
    }
}
