//! Statement families that write temporary files, and the memory with which they would write none.

use super::need::{sorted, spills};
use crate::{
    advise::database::settings::facts::SettingsFacts,
    database::{
        Plan, StatementUse,
        shape::{Shape, Verb, shape},
        statement::parse,
    },
};

/// Bytes of a block.
pub(super) const BLOCK: f64 = 8_192.0;
/// Share of all temporary bytes below which a family is left out.
const SHARE_MIN: f64 = 0.01;
/// Factor of the mean concurrency for its busiest hour, where hours are not known.
const BUSIEST: f64 = 4.0;
/// Bytes that a sort reserves for each run that it merges (`MERGE_BUFFER_SIZE` and `TAPE_BUFFER_OVERHEAD`, `tuplesort.c`).
const RUN_BUFFER: f64 = 33.0 * BLOCK;
/// Least and most runs that are merged at one time.
const RUNS: (f64, f64) = (6.0, 500.0);

/// A family that writes temporary files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spilling<'a> {
    pub(super) used: &'a StatementUse,
    /// Bytes of temporary files that it reads and writes in a day.
    pub(super) bytes_a_day: f64,
    /// What is known of its need; none: no plan shows by which node it writes.
    pub(super) need: Option<Need>,
    /// Mean number of its executions that run at one time, in its busiest hour.
    pub(super) concurrency: f64,
}

/// Memory with which a family writes no temporary file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Need {
    /// Bytes of `work_mem`: the largest need of a node.
    pub(super) bytes: f64,
    /// Bytes of all its nodes, in all processes of an execution.
    pub(super) all: f64,
    /// The nodes, such as `sort of 300000 rows`.
    pub(super) nodes: Vec<String>,
    /// Whether a plan with measured rows shows it; else it follows from the statement's counters.
    pub(super) is_planned: bool,
}

impl Spilling<'_> {
    /// Returns the temporary bytes of one execution.
    pub(super) fn bytes_a_call(&self) -> f64 {
        self.used.blocks_temporary * BLOCK / self.used.calls.max(1.0)
    }
}

/// Returns the families that write at least 1 % of all temporary bytes, the most first.
pub(super) fn spilling<'a>(facts: &'a SettingsFacts, work_mem: f64) -> Vec<Spilling<'a>> {
    let workload = &facts.database.workload;
    let all: f64 = workload.statements.iter().map(|used| used.blocks_temporary).sum();
    let mut found: Vec<Spilling<'_>> = workload
        .statements
        .iter()
        .filter(|used| used.calls > 0.0 && used.blocks_temporary > 0.0 && used.blocks_temporary >= SHARE_MIN * all)
        .map(|used| Spilling {
            used,
            bytes_a_day: used.blocks_temporary * BLOCK / facts.days(),
            need: need(used, facts, work_mem),
            concurrency: concurrency(used, facts),
        })
        .collect();
    found.sort_by(|a, b| b.bytes_a_day.total_cmp(&a.bytes_a_day).then_with(|| a.used.family.cmp(&b.used.family)));
    found
}

/// Returns the mean number of executions at one time in the busiest hour: by Little's law the executions of a second times
/// their time.
fn concurrency(used: &StatementUse, facts: &SettingsFacts) -> f64 {
    let mean = used.total_ms / 1_000.0 / (facts.days() * 86_400.0);
    facts.busiest.get(&used.family).map_or(BUSIEST * mean, |busiest| busiest.concurrency).max(mean)
}

fn need(used: &StatementUse, facts: &SettingsFacts, work_mem: f64) -> Option<Need> {
    let plans = facts.database.workload.plans.iter().filter(|plan| plan.family == used.family);
    let found = plans.filter_map(|plan| of_plan(plan, facts)).max_by(|a, b| a.bytes.total_cmp(&b.bytes));
    found.or_else(|| of_counters(used, facts, work_mem))
}

/// Returns the need of an executed plan.
fn of_plan(plan: &Plan, facts: &SettingsFacts) -> Option<Need> {
    let version = facts.database.catalogue.version;
    // Version 15 raised the default from 1 to 2.
    let default = if version >= 150_000 || version == 0 { 2.0 } else { 1.0 };
    let multiplier = facts.number("hash_mem_multiplier").unwrap_or(default);
    let found = spills(&plan.root, version, multiplier);
    let bytes = found.iter().map(|spill| spill.need).fold(0.0, f64::max);
    if found.is_empty() {
        return None;
    }
    // Each process of a parallel plan has its own nodes.
    let workers = plan.root.all().iter().filter_map(|node| node.workers).fold(0.0, f64::max);
    let sum: f64 =
        found.iter().map(|spill| if spill.what == "sort" { spill.need } else { spill.need * multiplier }).sum();
    let nodes = found.iter().map(|spill| format!("{} of {:.0} rows", spill.what, spill.rows)).collect();
    Some(Need { bytes, all: sum * (1.0 + workers), nodes, is_planned: true })
}

/// Returns the need of a statement whose only node that can write temporary files is the sort of all its rows: what it
/// writes is known, and so are its rows.
fn of_counters(used: &StatementUse, facts: &SettingsFacts, work_mem: f64) -> Option<Need> {
    let rows = used.rows / used.calls.max(1.0);
    let shape = shape(&parse(&used.statement).ok()?, &facts.database.catalogue);
    if !is_plain_sort(&shape) || !(rows >= 1_000.0) {
        return None;
    }
    // Each pass over the runs writes and reads all rows.
    let moved = used.blocks_temporary * BLOCK / used.calls / 2.0;
    let version = facts.database.catalogue.version;
    let most = (work_mem / RUN_BUFFER).floor().clamp(RUNS.0, RUNS.1);
    let disk = (1..=4_u32).map(|passes| moved / f64::from(passes)).find(|disk| {
        let runs = (sorted(*disk, rows, version) / work_mem).max(1.0);
        let passes = (runs.ln() / most.ln()).ceil().max(1.0);
        (moved / disk - passes).abs() < 0.5
    })?;
    let bytes = sorted(disk, rows, version);
    let nodes = vec![format!("sort of {rows:.0} rows")];
    Some(Need { bytes, all: bytes, nodes, is_planned: false })
}

/// Returns whether a statement reads one relation and sorts all its rows, and does nothing else that needs memory.
fn is_plain_sort(shape: &Shape) -> bool {
    let [block] = shape.blocks.as_slice() else { return false };
    let is_sorted = !block.order.is_empty() || block.is_order_computed;
    shape.verb == Verb::Select
        && block.relations.len() == 1
        && is_sorted
        && !block.is_grouped
        && !block.is_aggregate
        && block.limit.is_none()
        && block.offset.is_none()
}
