//! Reduces series part by part, so that a sum over many series at many steps takes the memory of a part.

use super::evaluator::Evaluator;
use crate::signal::{
    SignalError,
    aggregate::{Groups, Reduction},
    frame::{Frame, RowLabels, StepGrid},
    plan::{Aggregate, Node, Selector},
    select::SelectedSeries,
};

impl Evaluator<'_> {
    /// Returns the reduction of an operand that has an element for each series of its only selector, if it has more values than
    /// a part. `None` for any other aggregation, which is computed as a whole.
    pub(super) fn reduced_in_parts(
        &self,
        aggregate: &Aggregate,
        grid: &StepGrid,
    ) -> Result<Option<Frame>, SignalError> {
        let Some(selector) = only_selector(&aggregate.inner) else { return Ok(None) };
        let Some(selected) = self.samples.of(selector) else { return Ok(None) };
        let most = (self.limits.part_values / grid.steps.max(1)).max(1);
        // Rows of several metrics may have the same labels without the name, which is an error wherever they are.
        if selected.len() <= most || !selected.loaded.one_metric || selected.loaded.has_histograms {
            return Ok(None);
        }
        let mut reduced = Frame::new(grid.steps);
        for batch in batches(self.series_by_group(aggregate, selected), most) {
            let Ok(mut reduction) = Reduction::new(aggregate.op, &aggregate.grouping, grid.steps) else {
                return Ok(None);
            };
            for part in batch.chunks(most) {
                let evaluator = Self { samples: self.samples.narrowed(selector, part), ..*self };
                reduction.add(&evaluator.vector(&aggregate.inner, grid)?, self.limits)?;
            }
            reduced.append(reduction.finish());
            self.limits.check_cells(reduced.cells.len())?;
        }
        Ok(Some(reduced))
    }

    /// Returns the indices of the series of each group.
    fn series_by_group(&self, aggregate: &Aggregate, selected: SelectedSeries<'_>) -> Vec<Vec<usize>> {
        if aggregate.grouping.names.is_empty() && !aggregate.grouping.without {
            return vec![(0..selected.len()).collect()];
        }
        // An operation may drop the name, which is the same for all, so that the groups do not depend on it.
        let label = |labels: &crate::series::Labels| RowLabels::selected(labels.clone(), self.limits.delays_names);
        let mut groups = Groups::empty(&aggregate.grouping);
        groups.add(&selected.iter().map(|series| label(&series.labels)).collect::<Vec<_>>());
        groups.rows()
    }
}

/// Joins groups up to `most` series; a larger group stays alone.
fn batches(groups: Vec<Vec<usize>>, most: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for group in groups {
        match batches.last_mut() {
            Some(last) if last.len() + group.len() <= most => last.extend(group),
            _ => batches.push(group),
        }
    }
    batches
}

/// Returns the only selector of an expression whose elements are each computed from one of its series.
fn only_selector(node: &Node) -> Option<&Selector> {
    match node {
        Node::Select(selector) => Some(selector),
        Node::Range(range) => Some(&range.selector),
        Node::Subquery(subquery) => only_selector(&subquery.inner),
        Node::Paren(inner) | Node::Plus(inner) | Node::Negate(inner) => only_selector(inner),
        Node::Call(call) if call.function.is_by_element() => {
            let (constant, other): (Vec<&Node>, Vec<&Node>) = call.args.iter().partition(|arg| is_constant(arg));
            match other[..] {
                [only] if constant.len() + 1 == call.args.len() => only_selector(only),
                _ => None,
            }
        }
        Node::Binary(binary) if is_constant(&binary.right) => only_selector(&binary.left),
        Node::Binary(binary) if is_constant(&binary.left) => only_selector(&binary.right),
        _ => None,
    }
}

/// Whether a node is a number, so that it is no work to compute it for each part.
fn is_constant(node: &Node) -> bool {
    match node.unwrapped() {
        Node::Number(_) | Node::Duration(_) => true,
        Node::Negate(inner) | Node::Plus(inner) => is_constant(inner),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::parse;

    #[test]
    fn operands_with_an_element_for_each_series_are_found() {
        let check = |expr: &str, expected: bool| {
            let query = parse(expr).unwrap();
            let Node::Aggregate(aggregate) = query.root() else { panic!("{expr}") };
            assert_eq!(only_selector(&aggregate.inner).is_some(), expected, "{expr}");
        };
        for expr in ["m", "rate(m[5m])", "-(m)", "2 * rate(m[5m]) > bool -1", "quantile_over_time(.9, m[5m])"] {
            check(&format!("sum({expr})"), true);
        }
        check("sum by (a) (max_over_time(rate(m[1m])[5m:]))", true);
        check("sum(clamp(m, 0, 1))", true);
        for expr in ["m + m", "absent(m)", "histogram_quantile(.9, m)", "sum(m)", "vector(1)", "m * scalar(n)"] {
            check(&format!("sum({expr})"), false);
        }
        check("sum(label_replace(m, \"a\", \"$1\", \"b\", \"(.*)\"))", false);
        check("sum(clamp_max(m, scalar(n)))", false);
        check("sum(topk(2, m))", false);
    }

    #[test]
    fn groups_stay_whole() {
        let groups = vec![vec![0, 4], vec![1], vec![2, 3, 5, 6, 7], vec![8], vec![9, 10]];
        let expected = [vec![0, 4, 1], vec![2, 3, 5, 6, 7], vec![8, 9, 10]];
        assert_eq!(batches(groups, 3), expected);
    }
}
