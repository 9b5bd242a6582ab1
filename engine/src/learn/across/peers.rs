//! Compares each instance with its peers, the series of one expression that differ in the instance alone.

use std::collections::{BTreeMap, BTreeSet};

use almanac_models::{Step, Timestamp, peers::PeerDetector};
use promql_parser::{
    label::MatchOp,
    parser::{Expr, VectorSelector},
};

use crate::{
    learn::{LearnError, SignalSpec, grid::Grid},
    series::SampleSource,
    signal::{DenseRow, EvalLimits, parse, range_dense},
    store::{
        Store,
        rows::{EventFilter, PeerOutlierRow},
    },
};

/// Labels that distinguish instances of one service; series that differ in another label are not peers.
const INSTANCE_LABELS: [&str; 8] = ["instance", "pod", "node", "host", "hostname", "container_id", "server", "replica"];
/// Peers below which none is called an outlier: one of three may be the leader.
const PEERS_MIN: usize = 4;
/// More are not compared.
const PEERS_MAX: usize = 500;
/// Expressions that are compared in one run.
const EXPRESSIONS_MAX: usize = 64;
/// Steps that are compared.
const POINTS: usize = 240;

/// Compares each signal with its peers, the series that its expression gives without the label of the instance, and stores
/// who differs. Answers how many differ at present. An expression that cannot be evaluated is left out.
///
/// # Errors
/// [`LearnError::Store`].
pub(in crate::learn) fn compare_peers(
    store: &Store,
    specs: &[SignalSpec],
    now: Timestamp,
) -> Result<usize, LearnError> {
    let expressions: BTreeSet<(String, i64)> =
        specs.iter().filter_map(|spec| Some((of_all_instances(&spec.expr)?, spec.step.millis()))).collect();
    let mut rows = Vec::new();
    for (expr, step_ms) in expressions.into_iter().take(EXPRESSIONS_MAX) {
        let Ok(step) = Step::from_millis(step_ms) else { continue };
        let grid = Grid::until(now, step, POINTS);
        match evaluate_all(store, &expr, grid) {
            Ok(series) => rows.extend(outlying(&expr, grid, &series)),
            Err(error) => tracing::debug!(expr, error = error.chain(), "peers were not compared"),
        }
    }
    let found = rows.len();
    if let Some(start) = rows.iter().map(|row| row.started_at).min() {
        // What is known already is not written again.
        let known = store.peer_outliers(&EventFilter { start: Some(start), ..EventFilter::default() })?;
        rows.retain(|row| !known.contains(row));
    }
    if !rows.is_empty() {
        store.put_peer_outliers(&rows)?;
    }
    Ok(found)
}

fn evaluate_all(source: &dyn SampleSource, expr: &str, grid: Grid) -> Result<Vec<DenseRow>, LearnError> {
    let (start_ms, end_ms, step_ms) = (grid.start_ms, grid.end_ms, grid.step_ms);
    Ok(range_dense(source, &parse(expr)?, start_ms, end_ms, step_ms, &EvalLimits::default())?.series)
}

/// Which of the series were not like the others that differ from them in the instance alone. Pure.
fn outlying(expr: &str, grid: Grid, series: &[DenseRow]) -> Vec<PeerOutlierRow> {
    let mut groups: BTreeMap<String, Vec<&DenseRow>> = BTreeMap::new();
    for one in series {
        groups.entry(one.labels.without(&INSTANCE_LABELS).to_string()).or_default().push(one);
    }
    let mut rows = Vec::new();
    for peers in groups.into_values().filter(|peers| (PEERS_MIN..=PEERS_MAX).contains(&peers.len())) {
        let slices: Vec<&[f64]> = peers.iter().map(|one| one.values.as_slice()).collect();
        // Peers are of one length and enough.
        let Ok(scored) = PeerDetector::default().detect(&slices) else { continue };
        for (peer, found) in peers.iter().zip(scored) {
            rows.extend(found.outlying.into_iter().map(|span| PeerOutlierRow {
                expr: expr.to_owned(),
                series: peer.labels.to_string(),
                started_at: at(grid, span.start),
                ended_at: at(grid, span.end - 1),
                peak: found.scores[span].iter().copied().fold(0.0, f64::max),
                peers: peers.len() as u64,
            }));
        }
    }
    rows
}

fn at(grid: Grid, idx: usize) -> Timestamp {
    let steps = i64::try_from(idx).unwrap_or(i64::MAX);
    Timestamp::from_millis(grid.start_ms.saturating_add(steps.saturating_mul(grid.step_ms)))
}

/// The expression without the label of the instance; `None` where it names none, or where a sum over all instances would be
/// something else than one of them.
fn of_all_instances(expr: &str) -> Option<String> {
    let mut parsed = promql_parser::parser::parse(expr).ok()?;
    let mut named = false;
    widen(&mut parsed, &mut named).then_some(())?;
    named.then(|| parsed.to_string())
}

/// Takes the instance out of every selector; false where the expression is not one of an instance.
fn widen(expr: &mut Expr, named: &mut bool) -> bool {
    match expr {
        Expr::VectorSelector(selector) => {
            *named |= forget_instance(selector);
            true
        }
        Expr::MatrixSelector(matrix) => {
            *named |= forget_instance(&mut matrix.vs);
            true
        }
        Expr::Call(call) => call.args.args.iter_mut().all(|arg| widen(arg, named)),
        Expr::Binary(binary) => widen(&mut binary.lhs, named) && widen(&mut binary.rhs, named),
        Expr::Paren(paren) => widen(&mut paren.expr, named),
        Expr::Unary(unary) => widen(&mut unary.expr, named),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => true,
        Expr::Aggregate(_) | Expr::Subquery(_) | Expr::Extension(_) => false,
    }
}

fn forget_instance(selector: &mut VectorSelector) -> bool {
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
    fn the_instance_is_taken_out() {
        let check =
            |expr: &str, expected: Option<&str>| assert_eq!(of_all_instances(expr).as_deref(), expected, "{expr}");
        check(r#"node_load1{instance="a:9100",job="node"}"#, Some(r#"node_load1{job="node"}"#));
        check(r#"rate(s_sum{pod="x"}[5m]) / rate(s_count{pod="x"}[5m])"#, Some("rate(s_sum[5m]) / rate(s_count[5m])"));
        check(r#"sum(up{instance="a"})"#, None);
        check("node_load1", None);
        check(r#"up{instance=~"a|b"}"#, None);
        check("not promql(", None);
    }

    #[test]
    fn one_of_six_that_goes_its_own_way_is_found() {
        let grid = Grid { start_ms: 0, end_ms: 99 * 60_000, step_ms: 60_000 };
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
        let rows = outlying("load", grid, &series);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].series, r#"load{instance="c"}"#);
        assert_eq!((rows[0].started_at.millis(), rows[0].ended_at.millis()), (40 * 60_000, 59 * 60_000));
        assert_eq!(rows[0].peers, 6);
        // Three are too few to say which is odd.
        assert!(outlying("load", grid, &series[1..4]).is_empty());
    }
}
