//! Time of the workload with given indexes, scaled to what was measured.

use std::collections::{BTreeMap, BTreeSet};

use super::types::Unread;
use crate::database::{
    Catalogue, StatementUse, TableKind, Workload,
    estimate::{Costs, Design, Estimate, Hypothetical, PathUse, Seen, estimate},
    shape::{Key, Shape, Verb, shape},
    statement::parse,
};

/// Most families that are read, the heaviest first.
const MOST_FAMILIES: usize = 2000;
/// Bounds of the ratio of measured time to modelled work within which the model is trusted.
const RATIO_LEAST: f64 = 0.12;
const RATIO_MOST: f64 = 25.0;

/// Part of the pages of a scan that a statement reads at least, if the scan is what it does.
const BLOCKS_LEAST: f64 = 0.3;

/// Scenarios of [`Costs::skew`]: values as frequent as the mean, and those of users with many rows. The expected time is
/// the mean of both.
pub(super) const SCENARIOS: [f64; 2] = [1.0, 25.0];

/// A workload with the shapes of its statements.
pub(super) struct Read<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) workload: &'a Workload,
    pub(super) costs: Costs,
    pub(super) families: Vec<Family<'a>>,
    pub(super) unread: Vec<Unread>,
    /// Time of all statements, in milliseconds.
    pub(super) total_ms: f64,
}

/// A family with its shape.
pub(super) struct Family<'a> {
    pub(super) used: &'a StatementUse,
    pub(super) shape: Shape,
    /// Tables that it reads or checks.
    pub(super) tables: BTreeSet<String>,
    /// Estimates with the present indexes, in each scenario.
    pub(super) present: Vec<Estimate>,
    /// Whether the blocks that it reads show that its present plan is not the estimated one.
    is_contradicted: bool,
}

/// Reads the statements of a workload against its catalogue.
pub(super) fn read<'a>(catalogue: &'a Catalogue, workload: &'a Workload) -> Read<'a> {
    let costs = Costs::of(catalogue);
    let mut heaviest: Vec<&StatementUse> = workload.statements.iter().filter(|used| used.calls > 0.0).collect();
    heaviest.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms).then_with(|| a.family.cmp(&b.family)));
    let total_ms = heaviest.iter().map(|used| used.total_ms).sum();
    let mut read = Read { catalogue, workload, costs, families: Vec::new(), unread: Vec::new(), total_ms };
    let nothing = BTreeSet::new();
    let design = Design { catalogue, added: &[], dropped: &nothing };
    for (nth, used) in heaviest.into_iter().enumerate() {
        let unread = |reason: String| Unread {
            family: used.family.clone(),
            statement: used.statement.clone(),
            total_ms: used.total_ms,
            reason,
        };
        if nth >= MOST_FAMILIES {
            read.unread.push(unread(format!("only the {MOST_FAMILIES} heaviest statements are read")));
            continue;
        }
        let shape = match parse(&used.statement) {
            Ok(statement) => with_values(shape(&statement, catalogue), used),
            Err(error) => {
                read.unread.push(unread(error.to_string()));
                continue;
            }
        };
        if let Some(view) = view_of(&shape, catalogue) {
            read.unread.push(unread(format!("it reads the view {view}, whose definition is not followed")));
            continue;
        }
        let mut tables: BTreeSet<String> = shape
            .blocks
            .iter()
            .flat_map(|block| block.relations.iter().filter_map(|relation| relation.table.clone()))
            .collect();
        if shape.verb == Verb::Delete {
            tables.extend(referring_tables(&shape, catalogue));
        }
        if tables.is_empty() {
            continue;
        }
        let present = scenarios(&shape, &design, &costs, used);
        let is_contradicted = is_contradicted(used, &shape, &present, catalogue);
        read.families.push(Family { used, shape, tables, present, is_contradicted });
    }
    read
}

/// Returns the first view that a statement reads.
fn view_of(shape: &Shape, catalogue: &Catalogue) -> Option<String> {
    let tables =
        shape.blocks.iter().flat_map(|block| &block.relations).filter_map(|relation| relation.table.as_deref());
    let is_view =
        |key: &&str| catalogue.tables.iter().any(|table| table.kind == TableKind::View && table.key() == **key);
    tables.into_iter().find(is_view).map(str::to_owned)
}

fn scenarios(shape: &Shape, design: &Design<'_>, costs: &Costs, used: &StatementUse) -> Vec<Estimate> {
    SCENARIOS.iter().map(|skew| estimate(shape, design, &Costs { skew: *skew, ..*costs }, seen(used))).collect()
}

/// Returns whether a statement reads far fewer blocks than the sequential scans of its estimate.
fn is_contradicted(used: &StatementUse, shape: &Shape, present: &[Estimate], catalogue: &Catalogue) -> bool {
    let blocks = (used.blocks_hit + used.blocks_read) / used.calls.max(1.0);
    let is_limited = shape.blocks.iter().any(|block| block.limit.is_some());
    let Some(present) = present.first().filter(|_| blocks > 0.0 && !is_limited) else { return false };
    let pages = |used: &PathUse| {
        let relation = shape.blocks.get(used.block)?.relations.get(used.relation)?;
        let table = catalogue.tables.iter().find(|table| Some(table.key()) == relation.table)?;
        table.pages.filter(|_| used.index.is_none())
    };
    let expected: f64 = present.uses.iter().filter_map(pages).sum();
    expected > 100.0 && blocks < BLOCKS_LEAST * expected
}

fn referring_tables(shape: &Shape, catalogue: &Catalogue) -> Vec<String> {
    let written = shape.written.as_deref().unwrap_or("");
    let refers = |table: &&crate::database::Table| table.foreign_keys.iter().any(|key| key.references == written);
    catalogue.tables.iter().filter(refers).map(crate::database::Table::key).collect()
}

/// Replaces parameters by the value that nearly all executions have.
fn with_values(mut shape: Shape, used: &StatementUse) -> Shape {
    use crate::database::shape::{Operand, Test};
    let constant = |number: usize| {
        let values = used.parameters.iter().find(|values| values.number == number)?;
        let (text, times) = values.values.first()?;
        (values.seen >= 20.0 && times / values.seen >= 0.95).then(|| text.clone())
    };
    for filter in shape.blocks.iter_mut().flat_map(|block| &mut block.filters) {
        if let Test::Equal(operand) = &mut filter.test
            && let Operand::Parameter(number) = operand
            && let Some(text) = constant(*number)
        {
            // A quoted literal has the type of what it is compared with.
            *operand = Operand::Literal(format!("'{}'", text.replace('\'', "''")));
        }
    }
    shape
}

pub(super) fn seen(used: &StatementUse) -> Seen {
    let mean = |sum: f64| (used.calls > 0.0).then(|| sum / used.calls);
    Seen { rows: mean(used.rows), blocks: mean(used.blocks_hit + used.blocks_read).filter(|blocks| *blocks > 0.0) }
}

/// Scales a measured time by the works before and after.
///
/// Where the measured time is far below the modelled work, the model misses something that makes the present plan fast, and
/// nothing is promised. Where it is far above, the statement waits for something else (locks, disks), and only the
/// modelled part is saved.
fn scaled(measured: f64, before: f64, after: f64) -> f64 {
    if !(before > 0.0) || after >= before {
        return measured;
    }
    let ratio = measured / before;
    if ratio < RATIO_LEAST {
        measured
    } else if ratio > RATIO_MOST {
        (measured - (before - after) * RATIO_MOST).max(0.0)
    } else {
        measured * after / before
    }
}

impl Read<'_> {
    /// Returns the estimates of a family with indexes added, in each scenario.
    pub(super) fn with(&self, family: &Family<'_>, added: &[&Hypothetical]) -> Vec<Estimate> {
        let nothing = BTreeSet::new();
        let design = Design { catalogue: self.catalogue, added, dropped: &nothing };
        scenarios(&family.shape, &design, &self.costs, family.used)
    }

    /// Returns the expected mean time of a family in milliseconds, given its estimates with other indexes.
    pub(super) fn expected_ms(&self, family: &Family<'_>, after: &[Estimate]) -> f64 {
        let measured = family.used.mean_ms();
        if family.is_contradicted {
            return measured;
        }
        let pairs = family.present.iter().zip(after);
        let times: Vec<f64> = pairs.map(|(before, after)| scaled(measured, before.work, after.work)).collect();
        #[expect(clippy::cast_precision_loss, reason = "there are two scenarios")]
        let count = times.len().max(1) as f64;
        times.iter().sum::<f64>() / count
    }

    /// Returns the time in milliseconds that writes of the span lose to an index.
    pub(super) fn write_ms(&self, candidate: &Hypothetical, share: f64) -> f64 {
        let Some(writes) = self.workload.writes.get(&candidate.table) else { return 0.0 };
        let index = &candidate.index;
        #[expect(clippy::cast_precision_loss, reason = "an index has few columns")]
        let columns = (index.keys.len() + index.include.len()) as f64;
        let one = match index.method.as_str() {
            "gin" => 0.06,
            "brin" => 0.000_3,
            _ => 0.004 + 0.001 * columns,
        };
        let columns: BTreeSet<&str> = index
            .keys
            .iter()
            .filter_map(|key| key.column.as_deref())
            .chain(index.include.iter().map(String::as_str))
            .chain(
                index
                    .predicate
                    .iter()
                    .flat_map(|predicate| predicate.split(|c: char| !c.is_alphanumeric() && c != '_')),
            )
            .collect();
        // Updates of its columns cannot be HOT any more: each then writes to every index of the table.
        let (mut touched, mut updates) = (0.0, 0.0);
        for family in self.families.iter().filter(|family| family.shape.verb == Verb::Update) {
            if family.shape.written.as_deref() == Some(&candidate.table) {
                updates += family.used.rows;
                if family.shape.assigned.iter().any(|column| columns.contains(column.as_str())) {
                    touched += family.used.rows;
                }
            }
        }
        let present = self
            .catalogue
            .tables
            .iter()
            .find(|table| table.key() == candidate.table)
            .map_or(0, |table| table.indexes.len());
        #[expect(clippy::cast_precision_loss, reason = "a table has few indexes")]
        let present = present as f64;
        let touched_share = if updates > 0.0 { touched / updates } else { 0.0 };
        let cold = (writes.updated - writes.updated_hot).max(0.0);
        let lost_hot = writes.updated_hot * touched_share;
        (writes.inserted + cold) * share * one + lost_hot * (one + present * 0.004)
    }

    /// Returns by table and key how much time the families spend that test the key for equality.
    pub(super) fn popularity(&self) -> BTreeMap<(String, Key), f64> {
        use crate::database::shape::Test;
        let mut found: BTreeMap<(String, Key), f64> = BTreeMap::new();
        for family in &self.families {
            for block in &family.shape.blocks {
                let table = |relation: usize| block.relations.get(relation).and_then(|relation| relation.table.clone());
                let equal = block.filters.iter().filter(|filter| matches!(filter.test, Test::Equal(_)));
                let sides = block.joins.iter().flat_map(|join| [&join.left, &join.right]);
                let keys = equal
                    .map(|filter| (filter.relation, &filter.key))
                    .chain(sides.map(|(relation, key)| (*relation, key)));
                for (relation, key) in keys {
                    if let Some(table) = table(relation) {
                        *found.entry((table, key.clone())).or_default() += family.used.total_ms;
                    }
                }
            }
        }
        found
    }
}
