//! Cost of one block: the order of its joins, its sort, its limit.

use super::{
    access::{Path, Question, by_index, sequential},
    costs::{Costs, work},
    design::Design,
    selectivity::share,
    statement::{PathUse, Seen},
};
use crate::database::shape::{Amount, Block, Filter, Join, Key, Operand, OrderKey, Test};

/// Most relations whose orders are all tried.
const ALL_ORDERS: usize = 5;
/// Part of the pages of its tables from which an execution has read all of them.
const COMPLETE: f64 = 0.5;
/// Pages that a reader with OFFSET is in, on average, when nothing is known.
const PAGES_DEEP: f64 = 20.0;

/// Cost of one execution of a block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BlockCost {
    pub(super) planner: f64,
    pub(super) work: f64,
    /// Rows before LIMIT.
    pub(super) rows: f64,
    /// Rows of the result.
    pub(super) returned: f64,
    pub(super) uses: Vec<PathUse>,
}

/// Partial plan: the relations read so far.
#[derive(Clone)]
struct Partial {
    planner: f64,
    startup: f64,
    work: f64,
    rows: f64,
    is_ordered: bool,
    uses: Vec<PathUse>,
}

/// Estimates one execution of a block.
pub(super) fn block_cost(block: &Block, number: usize, design: &Design<'_>, costs: &Costs, seen: Seen) -> BlockCost {
    let count = block.relations.len();
    let is_complete = is_complete(block, design, seen);
    let least = returned(block, seen);
    let orders = orders(block);
    let mut best: Option<BlockCost> = None;
    for order in &orders {
        for wants_order in [true, false] {
            if wants_order && (block.order.is_empty() || block.is_order_computed || block.is_grouped) {
                continue;
            }
            let Some(mut partial) = join_in_order(block, number, order, design, costs, (wants_order, least)) else {
                continue;
            };
            partial.is_ordered &= wants_order;
            let found = finish(block, partial, costs, if is_complete { None } else { limit_of(block, seen) });
            if best.as_ref().is_none_or(|best| found.planner < best.planner) {
                best = Some(found);
            }
        }
    }
    best.unwrap_or(BlockCost {
        planner: 0.01,
        work: 0.0,
        rows: if count == 0 { 1.0 } else { 100.0 },
        returned: 1.0,
        uses: Vec::new(),
    })
}

/// Returns the measured rows of a block that returns the rows of its only relation as they are, else 0: no index reads fewer.
fn returned(block: &Block, seen: Seen) -> f64 {
    let is_plain = block.relations.len() == 1 && !block.is_grouped && !block.is_aggregate && block.limit.is_none();
    if is_plain { seen.rows.unwrap_or(0.0) } else { 0.0 }
}

/// Returns whether the blocks of an execution show that its limit did not end the scans: it reads most of the tables, and no
/// sort needs all rows. Then fewer rows than the limit were found.
fn is_complete(block: &Block, design: &Design<'_>, seen: Seen) -> bool {
    let tables = block.relations.iter().filter_map(|relation| design.table(relation.table.as_deref()?)?.pages);
    let pages: f64 = tables.sum();
    block.order.is_empty()
        && !block.is_order_computed
        && seen.blocks.is_some_and(|blocks| pages > 0.0 && blocks >= COMPLETE * pages)
}

/// Returns the orders of relations to try: all of a few, else that of FROM.
fn orders(block: &Block) -> Vec<Vec<usize>> {
    let count = block.relations.len();
    let identity: Vec<usize> = (0..count).collect();
    if count > ALL_ORDERS {
        return vec![identity];
    }
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..count {
        let mut longer = Vec::new();
        for order in &all {
            for next in (0..count).filter(|next| !order.contains(next)) {
                longer.push([order.as_slice(), &[next]].concat());
            }
        }
        all = longer;
    }
    // The nullable side of an outer join is not read first.
    all.retain(|order| {
        count < 2 || order.first().and_then(|first| block.relations.get(*first)).is_some_and(|first| !first.is_optional)
    });
    if all.is_empty() { vec![identity] } else { all }
}

fn join_in_order(
    block: &Block,
    number: usize,
    order: &[usize],
    design: &Design<'_>,
    costs: &Costs,
    (wants_order, least): (bool, f64),
) -> Option<Partial> {
    let mut done: Vec<usize> = Vec::new();
    let mut plan = Partial { planner: 0.0, startup: 0.0, work: 0.0, rows: 1.0, is_ordered: true, uses: Vec::new() };
    for &at in order {
        let relation = block.relations.get(at)?;
        let own: Vec<Filter> = block.filters.iter().filter(|filter| filter.relation == at).cloned().collect();
        let wanted: Vec<OrderKey> = if wants_order && done.is_empty() {
            if block.order.iter().any(|key| key.relation != at) {
                return None;
            }
            block.order.clone()
        } else {
            Vec::new()
        };
        let Some(table) = relation.table.as_deref().and_then(|key| design.table(key)) else {
            // A subquery or a function: its rows are read as they come.
            plan.rows *= if done.is_empty() { 100.0 } else { 1.0 };
            plan.planner += 1.0;
            plan.is_ordered &= wanted.is_empty();
            done.push(at);
            continue;
        };
        let joined: Vec<Filter> = block.joins.iter().filter_map(|join| parameter(join, at, &done)).collect();
        let whole = Question { table, relation, filters: &own, order: &wanted, skew: costs.skew, least };
        let with: Vec<Filter> = own.iter().chain(&joined).cloned().collect();
        let inner = Question { table, relation, filters: &with, order: &[], skew: costs.skew, least };
        let path = best(&whole, design, costs, !wanted.is_empty())?;
        if done.is_empty() {
            plan = Partial {
                planner: path.planner,
                startup: path.startup,
                work: path.work,
                rows: whole.kept(),
                is_ordered: path.is_ordered,
                uses: vec![used(number, at, &path, 1.0)],
            };
        } else {
            let matching = joined.iter().map(|filter| share(filter, table, costs.skew)).fold(1.0, f64::min);
            let rows = (plan.rows * whole.kept() * matching).max(if relation.is_optional { plan.rows } else { 1.0 });
            let nested = if joined.is_empty() { None } else { best(&inner, design, costs, false) };
            let hash = path.planner + (whole.kept() + plan.rows) * (costs.cpu_operator + costs.cpu_tuple);
            let hash_work = path.work + (whole.kept() + plan.rows) * work::HASH;
            let (planner, work, read, times) = match nested {
                // Repeated descents find the upper pages in the cache.
                // A hash join loses the order, so that only a nested loop keeps it; a limit then ends the loop early.
                Some(nested) if nested.index.is_some() && (wants_order || plan.rows * nested.planner * 0.8 < hash) => {
                    (plan.rows * nested.planner * 0.8, plan.rows * nested.work, nested, plan.rows)
                }
                _ => {
                    plan.is_ordered &= wants_order && joined.is_empty();
                    (hash, hash_work, path, 1.0)
                }
            };
            // The side that is hashed is built before the first row.
            if times <= 1.0 {
                plan.startup += planner;
            }
            plan.uses.push(used(number, at, &read, times));
            plan.planner += planner;
            plan.work += work;
            plan.rows = rows;
        }
        done.push(at);
    }
    (!wants_order || plan.is_ordered).then_some(plan)
}

/// Returns the filter that a join puts on the relation `at` once the other side is read.
fn parameter(join: &Join, at: usize, done: &[usize]) -> Option<Filter> {
    let (other, key): (usize, &Key) = if join.left.0 == at {
        (join.right.0, &join.left.1)
    } else if join.right.0 == at {
        (join.left.0, &join.right.1)
    } else {
        return None;
    };
    done.contains(&other).then(|| Filter { relation: at, key: key.clone(), test: Test::Equal(Operand::Outer) })
}

fn used(block: usize, relation: usize, path: &Path, times: f64) -> PathUse {
    PathUse { block, relation, index: path.index.clone(), read: path.read, times }
}

/// Returns the cheapest path; `ordered`: among those in the wanted order.
fn best(question: &Question<'_>, design: &Design<'_>, costs: &Costs, ordered: bool) -> Option<Path> {
    let paths = design.indexes(question.table).filter_map(|index| by_index(question, index, costs));
    let all = std::iter::once(sequential(question, costs)).chain(paths);
    all.filter(|path| !ordered || path.is_ordered).min_by(|a, b| a.planner.total_cmp(&b.planner))
}

/// Adds grouping, sort and limit: rows up to which the block is read, if it has a limit.
fn finish(block: &Block, partial: Partial, costs: &Costs, limit: Option<f64>) -> BlockCost {
    let Partial { mut planner, startup, mut work, rows, is_ordered, uses } = partial;
    let orders = !block.order.is_empty() || block.is_order_computed;
    let needs_sort = orders && (!is_ordered || block.is_grouped);
    let out = if block.is_aggregate {
        1.0
    } else if block.is_grouped {
        (rows / 10.0).max(1.0)
    } else {
        rows
    };
    let limit = limit.map(|limit| limit.min(out.max(1.0)));
    if block.is_grouped || block.is_aggregate {
        planner += rows * (costs.cpu_operator + costs.cpu_tuple * 0.5);
        work += rows * work::HASH * if block.is_aggregate { 0.3 } else { 1.0 };
    }
    if needs_sort {
        let depth = limit.unwrap_or(out).min(out).max(2.0).log2();
        planner += out * depth * 2.0 * costs.cpu_operator;
        work += out * depth * work::COMPARE;
    } else if let Some(limit) = limit
        && !block.is_aggregate
        && !block.is_grouped
    {
        // Rows come as they are needed, so that the rest is not read.
        let part = (limit / out.max(1.0)).min(1.0);
        planner = startup + (planner - startup) * part;
        work *= part;
    }
    let returned = limit.map_or(out, |limit| limit.min(out));
    BlockCost { planner: planner.max(0.01), work, rows: out, returned, uses }
}

/// Returns the rows up to which a block is read, or none without LIMIT.
fn limit_of(block: &Block, seen: Seen) -> Option<f64> {
    let limit = match block.limit? {
        Amount::Known(limit) => limit,
        Amount::Parameter(_) => seen.rows.filter(|rows| block.parent.is_none() && *rows > 0.0).unwrap_or(20.0).max(1.0),
    };
    let offset = match block.offset {
        None => 0.0,
        Some(Amount::Known(offset)) => offset,
        Some(Amount::Parameter(_)) => limit * PAGES_DEEP,
    };
    Some(limit + offset)
}
