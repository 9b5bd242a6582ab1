//! Estimates a whole statement: its blocks, each as often as it runs.

use super::{
    block::{BlockCost, block_cost},
    costs::{Costs, work},
    design::Design,
};
use crate::database::shape::{Block, Filter, Key, Operand, Relation, Role, Shape, Test, Verb};

/// What was measured of a statement family, used in place of guesses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Seen {
    /// Mean rows of one execution.
    pub rows: Option<f64>,
    /// Mean blocks of one execution; none if they are not counted.
    pub blocks: Option<f64>,
}

/// Estimated cost of one execution.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Estimate {
    /// Cost in the planner's units.
    pub planner: f64,
    /// Work in milliseconds, data in memory.
    pub work: f64,
    /// How each relation is read.
    pub uses: Vec<PathUse>,
}

/// How a relation is read.
#[derive(Debug, Clone, PartialEq)]
pub struct PathUse {
    /// Block of the shape. Checks of foreign keys have numbers after the shape's.
    pub block: usize,
    /// Relation of the block.
    pub relation: usize,
    /// Index; none: a sequential scan.
    pub index: Option<String>,
    /// Tuples read by one scan.
    pub read: f64,
    /// Scans in one execution of the block.
    pub times: f64,
}

/// Estimates one execution of a statement with the indexes of a design.
#[must_use]
pub fn estimate(shape: &Shape, design: &Design<'_>, costs: &Costs, seen: Seen) -> Estimate {
    let blocks: Vec<BlockCost> = shape
        .blocks
        .iter()
        .enumerate()
        .map(|(number, block)| {
            let seen = if number == 0 && shape.verb == Verb::Select { seen } else { Seen::default() };
            block_cost(block, number, design, costs, seen)
        })
        .collect();
    let mut total = Estimate { work: work::EXECUTION, ..Estimate::default() };
    for (block, cost) in shape.blocks.iter().zip(&blocks) {
        let times = executions(block, &blocks);
        total.planner += cost.planner * times;
        total.work += cost.work * times;
        total.uses.extend(cost.uses.iter().cloned());
    }
    if shape.verb == Verb::Delete {
        let deleted = blocks.first().map_or(1.0, |first| first.rows.min(seen.rows.unwrap_or(1.0).max(1.0)));
        for (number, check) in referring(shape, design).iter().enumerate() {
            let cost = block_cost(check, shape.blocks.len() + number, design, costs, Seen::default());
            total.planner += cost.planner * deleted;
            total.work += cost.work * deleted;
            total.uses.extend(cost.uses);
        }
    }
    total
}

/// Returns how often a block runs in one execution of the statement.
fn executions(block: &Block, costs: &[BlockCost]) -> f64 {
    if !block.is_correlated {
        return 1.0;
    }
    let Some(parent) = block.parent.and_then(|parent| costs.get(parent)) else { return 1.0 };
    match block.role {
        // A value of the projection is computed for the rows that are returned.
        Role::Scalar => parent.returned.max(1.0),
        _ => parent.rows.max(1.0),
    }
}

/// Returns the blocks that check the foreign keys which refer to the deleted rows.
pub(crate) fn referring(shape: &Shape, design: &Design<'_>) -> Vec<Block> {
    let Some(written) = shape.written.as_deref() else { return Vec::new() };
    let check = |table: &crate::database::Table, columns: &[String]| Block {
        relations: vec![Relation {
            table: Some(table.key()),
            alias: table.name.clone(),
            columns: columns.iter().cloned().collect(),
            ..Relation::default()
        }],
        filters: columns
            .iter()
            .map(|column| Filter { relation: 0, key: Key::Column(column.clone()), test: Test::Equal(Operand::Outer) })
            .collect(),
        role: Role::Exists,
        parent: Some(0),
        is_correlated: true,
        locks: true,
        ..Block::default()
    };
    let tables = design.catalogue.tables.iter();
    tables
        .flat_map(|table| {
            let keys = table.foreign_keys.iter().filter(|key| key.references == written);
            keys.map(|key| check(table, &key.columns)).collect::<Vec<_>>()
        })
        .collect()
}
