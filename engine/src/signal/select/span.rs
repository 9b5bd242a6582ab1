//! Computes the span of samples that each selector of a query reads.

use crate::{
    series::Part,
    signal::{
        frame::StepGrid,
        plan::{Node, RangeSelector, Selector, Subquery},
        time::{Extension, QueryTimes},
    },
};

/// A span of time in epoch milliseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) struct Span {
    pub(in crate::signal) start_ms: i64,
    pub(in crate::signal) end_ms: i64,
}

impl QueryTimes {
    /// Returns the span that an instant selector reads when it is evaluated over `span`.
    fn selector_span(&self, selector: &Selector, span: Span) -> Span {
        // The left end is excluded, hence the additional millisecond.
        Span {
            start_ms: self.shifted(selector.shift, span.start_ms).saturating_sub(self.lookback_ms).saturating_add(1),
            end_ms: self.shifted(selector.shift, span.end_ms).saturating_add(self.reach_after(selector)),
        }
    }

    /// Returns the span that a range selector reads when it is evaluated over `span`.
    fn range_span(&self, range: &RangeSelector, span: Span) -> Span {
        let shift = range.selector.shift;
        // Both extensions read the sample before the range.
        let before = if range.selector.extension.is_some() { self.lookback_ms } else { 0 };
        let start_ms = self.shifted(shift, span.start_ms).saturating_sub(range.range_ms).saturating_sub(before);
        let end_ms = self.shifted(shift, span.end_ms).saturating_add(self.reach_after(&range.selector));
        Span { start_ms: start_ms.saturating_add(1), end_ms }
    }

    /// Returns the time after the end for which a selector reads samples, in milliseconds.
    fn reach_after(&self, selector: &Selector) -> i64 {
        if selector.extension == Some(Extension::Smoothed) { self.lookback_ms } else { 0 }
    }

    /// Returns the steps of a subquery that is evaluated over `span`: the multiples of its step after the left end of
    /// the first range, up to the right end of the last. There may be none.
    pub(in crate::signal) fn subquery_grid(&self, subquery: &Subquery, span: Span) -> StepGrid {
        let step_ms = subquery.step_ms.unwrap_or(self.subquery_step_ms).max(1);
        let after = self.shifted(subquery.shift, span.start_ms).saturating_sub(subquery.range_ms);
        let start_ms = after.div_euclid(step_ms).saturating_add(1).saturating_mul(step_ms);
        let end_ms = self.shifted(subquery.shift, span.end_ms);
        let steps = if start_ms > end_ms { 0 } else { (end_ms.abs_diff(start_ms) / step_ms.unsigned_abs()) + 1 };
        StepGrid { start_ms, step_ms, steps: usize::try_from(steps).unwrap_or(usize::MAX) }
    }

    /// Calls `found` for each selector below `node` with what it reads when `node` is evaluated over `span`.
    pub(in crate::signal) fn spans<'a>(
        &self,
        node: &'a Node,
        span: Span,
        found: &mut impl FnMut(&'a Selector, Span, Part),
    ) {
        match node {
            Node::Select(selector) => {
                let is_once = span.start_ms == span.end_ms && selector.extension.is_none();
                found(selector, self.selector_span(selector, span), if is_once { Part::Newest } else { Part::All });
            }
            Node::Range(range) => found(&range.selector, self.range_span(range, span), Part::All),
            Node::Subquery(subquery) => {
                let grid = self.subquery_grid(subquery, span);
                if grid.steps > 0 {
                    let inner = Span { start_ms: grid.start_ms, end_ms: grid.last() };
                    self.spans(&subquery.inner, inner, found);
                }
            }
            // The evaluator reads the info series when it knows the series to which they belong.
            Node::Call(call) if call.function.name == "info" => {
                call.args.iter().take(1).for_each(|argument| self.spans(argument, span, found));
            }
            other => other.children().into_iter().for_each(|child| self.spans(child, span, found)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::parse;

    fn spans(expr: &str, start_ms: i64, end_ms: i64) -> Vec<(i64, i64)> {
        let query_times = QueryTimes { start_ms, end_ms, lookback_ms: 300_000, subquery_step_ms: 60_000 };
        let query = parse(expr).unwrap();
        let mut all = Vec::new();
        query_times
            .spans(query.root(), Span { start_ms, end_ms }, &mut |_, span, _| all.push((span.start_ms, span.end_ms)));
        all
    }

    #[test]
    fn spans_exclude_their_left_end() {
        assert_eq!(spans("a", 1_000_000, 2_000_000), [(700_001, 2_000_000)]);
        assert_eq!(spans("rate(a[1m])", 1_000_000, 2_000_000), [(940_001, 2_000_000)]);
        assert_eq!(spans("rate(a[1m] offset 10s)", 1_000_000, 2_000_000), [(930_001, 1_990_000)]);
        assert_eq!(spans("a offset -10s", 1_000_000, 2_000_000), [(710_001, 2_010_000)]);
        assert_eq!(spans("a @ 100", 1_000_000, 2_000_000), [(-199_999, 100_000)]);
        assert_eq!(
            spans("a @ end() + a @ start()", 1_000_000, 2_000_000),
            [(1_700_001, 2_000_000), (700_001, 1_000_000)]
        );
    }

    #[test]
    fn subqueries_are_evaluated_at_multiples_of_their_step() {
        assert_eq!(spans("max_over_time(a[5m:1m])", 1_000_000, 1_000_000), [(720_000 - 299_999, 960_000)]);
        assert_eq!(spans("max_over_time(a[5m:])", 1_020_000, 1_020_000), [(780_000 - 299_999, 1_020_000)]);
        assert_eq!(spans("max_over_time(a[10s:1m])", 1_000_000, 1_000_000), []);
    }
}
