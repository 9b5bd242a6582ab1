//! Compares each instance with its peers: the series of one expression whose labels differ only in the instance.

use std::collections::{BTreeMap, BTreeSet};

use almanac_models::{Step, Timestamp, peers::PeerDetector};
use promql_parser::{
    label::MatchOp,
    parser::{Expr, VectorSelector},
};

use crate::{
    learn::{LearnError, SignalSpec, grid::SignalGrid},
    series::SampleSource,
    signal::{self, DenseRow, EvalLimits, parse, range_dense},
    store::{
        Store,
        rows::{EventFilter, PeerOutlierRow},
    },
};

/// Labels that identify an instance of a service. Series that differ in another label are not peers.
const INSTANCE_LABELS: [&str; 8] = ["instance", "pod", "node", "host", "hostname", "container_id", "server", "replica"];
/// Minimum number of peers: of three, the different one may be a leader with another role.
const PEERS_MIN: usize = 4;
/// Maximum number of peers; larger groups are not compared.
const PEERS_MAX: usize = 500;
/// Maximum number of expressions that one run compares.
const EXPRESSIONS_MAX: usize = 64;
/// Number of newest steps that are compared.
const COMPARED_STEPS: usize = 240;

/// Compares each signal with its peers, stores the outliers and returns their number. The peers are the series that the
/// signal's expression returns without the instance label. An expression that cannot be evaluated is left out.
///
/// # Errors
/// [`LearnError::Store`].
pub(in crate::learn) fn compare_peers(
    store: &Store,
    specs: &[SignalSpec],
    now: Timestamp,
) -> Result<usize, LearnError> {
    let expressions: BTreeSet<(String, i64)> =
        specs.iter().filter_map(|spec| Some((without_instance(&spec.expr)?, spec.step.millis()))).collect();
    let mut rows = Vec::new();
    for (expr, step_ms) in expressions.into_iter().take(EXPRESSIONS_MAX) {
        let Ok(step) = Step::from_millis(step_ms) else { continue };
        let grid = SignalGrid::until(now, step, COMPARED_STEPS);
        match evaluate_peers(store, &expr, grid) {
            Ok(series) => rows.extend(outlier_rows(&expr, grid, &series)),
            Err(error) => tracing::debug!(expr, error = error.chain(), "peers were not compared"),
        }
    }
    let found = rows.len();
    if let Some(start) = rows.iter().map(|row| row.started_at).min() {
        // Rows that are stored already are not written again.
        let known = store.peer_outliers(&EventFilter { start: Some(start), ..EventFilter::default() })?;
        rows.retain(|row| !known.contains(row));
    }
    if !rows.is_empty() {
        store.put_peer_outliers(&rows)?;
    }
    Ok(found)
}

fn evaluate_peers(source: &dyn SampleSource, expr: &str, grid: SignalGrid) -> Result<Vec<DenseRow>, LearnError> {
    let (start_ms, end_ms, step_ms) = (grid.start_ms, grid.end_ms, grid.step_ms);
    Ok(range_dense(source, &parse(expr)?, start_ms, end_ms, step_ms, &EvalLimits::background())?.series)
}

/// Groups the series by their labels without the instance and returns a row for each span in which one differs from its
/// group.
fn outlier_rows(expr: &str, grid: SignalGrid, series: &[DenseRow]) -> Vec<PeerOutlierRow> {
    let mut groups: BTreeMap<String, Vec<&DenseRow>> = BTreeMap::new();
    for one in series {
        groups.entry(one.labels.without(&INSTANCE_LABELS).to_string()).or_default().push(one);
    }
    let mut rows = Vec::new();
    for peers in groups.into_values().filter(|peers| (PEERS_MIN..=PEERS_MAX).contains(&peers.len())) {
        let slices: Vec<&[f64]> = peers.iter().map(|one| one.values.as_slice()).collect();
        // Cannot fail: all peers have the same length, and there are enough of them.
        let Ok(scored) = PeerDetector::default().detect(&slices) else { continue };
        for (peer, found) in peers.iter().zip(scored) {
            rows.extend(found.outlying.into_iter().map(|span| PeerOutlierRow {
                expr: expr.to_owned(),
                series: peer.labels.to_string(),
                started_at: time_of(grid, span.start),
                ended_at: time_of(grid, span.end - 1),
                peak: found.scores[span].iter().copied().fold(0.0, f64::max),
                peers: peers.len() as u64,
            }));
        }
    }
    rows
}

/// Returns the time of the step `idx` of the grid.
fn time_of(grid: SignalGrid, idx: usize) -> Timestamp {
    let steps = i64::try_from(idx).unwrap_or(i64::MAX);
    Timestamp::from_millis(grid.start_ms.saturating_add(steps.saturating_mul(grid.step_ms)))
}

/// Removes the instance label from the expression. `None` if the expression selects no instance, or if it aggregates,
/// because an aggregate over all instances is not comparable with one instance.
fn without_instance(expr: &str) -> Option<String> {
    signal::tree(expr, |mut tree| {
        let mut removed = false;
        remove_instance(&mut tree, &mut removed).then_some(())?;
        removed.then(|| tree.to_string())
    })
}

/// Removes the instance label from every selector; sets `removed` if there was one. False if the expression contains an
/// aggregation, a subquery or an extension.
fn remove_instance(expr: &mut Expr, removed: &mut bool) -> bool {
    match expr {
        Expr::VectorSelector(selector) => {
            *removed |= remove_instance_matchers(selector);
            true
        }
        Expr::MatrixSelector(matrix) => {
            *removed |= remove_instance_matchers(&mut matrix.vs);
            true
        }
        Expr::Call(call) => call.args.args.iter_mut().all(|arg| remove_instance(arg, removed)),
        Expr::Binary(binary) => remove_instance(&mut binary.lhs, removed) && remove_instance(&mut binary.rhs, removed),
        Expr::Paren(paren) => remove_instance(&mut paren.expr, removed),
        Expr::Unary(unary) => remove_instance(&mut unary.expr, removed),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => true,
        Expr::Aggregate(_) | Expr::Subquery(_) | Expr::Extension(_) => false,
    }
}

/// Removes the matchers `=` of instance labels; true if there were any.
fn remove_instance_matchers(selector: &mut VectorSelector) -> bool {
    let before = selector.matchers.matchers.len();
    selector
        .matchers
        .matchers
        .retain(|matcher| !(matches!(matcher.op, MatchOp::Equal) && INSTANCE_LABELS.contains(&matcher.name.as_str())));
    selector.matchers.matchers.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Labels;

    #[test]
    fn the_instance_label_is_removed() {
        let check =
            |expr: &str, expected: Option<&str>| assert_eq!(without_instance(expr).as_deref(), expected, "{expr}");
        check(r#"node_load1{instance="a:9100",job="node"}"#, Some(r#"node_load1{job="node"}"#));
        check(r#"rate(s_sum{pod="x"}[5m]) / rate(s_count{pod="x"}[5m])"#, Some("rate(s_sum[5m]) / rate(s_count[5m])"));
        check(r#"sum(up{instance="a"})"#, None);
        check("node_load1", None);
        check(r#"up{instance=~"a|b"}"#, None);
        check("not promql(", None);
    }

    #[test]
    fn one_outlier_of_six_is_found() {
        let grid = SignalGrid { start_ms: 0, end_ms: 99 * 60_000, step_ms: 60_000 };
        let series: Vec<DenseRow> = (0..6)
            .map(|peer| DenseRow {
                labels: Labels::from_pairs([("__name__", "load"), ("instance", ["a", "b", "c", "d", "e", "f"][peer])])
                    .unwrap(),
                values: (0..100)
                    .map(|t| {
                        let noise = ((t * 7 + peer * 3) % 11) as f64 * 0.1;
                        10.0 + noise + if peer == 2 && (40..60).contains(&t) { 30.0 } else { 0.0 }
                    })
                    .collect(),
            })
            .collect();
        let rows = outlier_rows("load", grid, &series);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].series, r#"load{instance="c"}"#);
        assert_eq!((rows[0].started_at.millis(), rows[0].ended_at.millis()), (40 * 60_000, 59 * 60_000));
        assert_eq!(rows[0].peers, 6);
        // Three peers are too few to decide which one differs.
        assert!(outlier_rows("load", grid, &series[1..4]).is_empty());
    }
}
