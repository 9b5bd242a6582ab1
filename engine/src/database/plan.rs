//! A plan of a statement, as `EXPLAIN (FORMAT JSON)` and `auto_explain` print it, with estimated and measured rows.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::statement::{family, normalize};

/// Deepest nesting of nodes that is kept.
const DEEPEST: usize = 64;

/// A plan of a statement family.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Fingerprint of the statement, see [`family`].
    pub family: String,
    /// Normalised text of the statement.
    pub statement: String,
    /// Duration of the execution, in milliseconds; none if the plan was not executed.
    pub duration_ms: Option<f64>,
    /// Top node.
    pub root: PlanNode,
}

/// A node of a plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanNode {
    /// Kind of node, such as `Seq Scan` or `Nested Loop`.
    pub node: String,
    /// Table that is read, with its schema if the plan has it.
    pub relation: Option<String>,
    /// Alias of the table.
    pub alias: Option<String>,
    /// Index that is read.
    pub index: Option<String>,
    /// Condition that the index evaluates.
    pub index_condition: Option<String>,
    /// Condition that is evaluated on each row.
    pub filter: Option<String>,
    /// Condition of a join.
    pub join_condition: Option<String>,
    /// Keys of a sort.
    pub sort_keys: Vec<String>,
    /// Method of a sort, such as `external merge`.
    pub sort_method: Option<String>,
    /// Space of a sort, in KiB.
    pub sort_kib: Option<f64>,
    /// Batches of a hash join's table or of a hashed aggregate; above 1 they were written to temporary files.
    pub batches: Option<f64>,
    /// Space of a hashed aggregate in temporary files, in KiB.
    pub disk_kib: Option<f64>,
    /// Whether the workers of a parallel plan share the node's work.
    pub is_parallel: bool,
    /// Planned parallel workers below a Gather.
    pub workers: Option<f64>,
    /// Rows that an index-only scan fetched from the table, in all loops.
    pub heap_fetches: Option<f64>,
    /// Time of reading blocks, with those of the inputs, in milliseconds; none without `track_io_timing`.
    pub read_ms: Option<f64>,
    /// Estimated cost of the node with its inputs, in the planner's unit.
    pub cost: f64,
    /// Estimated rows of one loop.
    pub rows: f64,
    /// Estimated width of a row, in bytes.
    pub width: f64,
    /// Measured rows of one loop; none if the plan was not executed.
    pub actual_rows: Option<f64>,
    /// Measured time of one loop, in milliseconds.
    pub actual_ms: Option<f64>,
    /// Number of loops.
    pub loops: Option<f64>,
    /// Rows of one loop that the filter removed.
    pub removed: Option<f64>,
    /// Blocks of 8 KiB found in shared buffers, with those of the inputs.
    pub blocks_hit: Option<f64>,
    /// Blocks of 8 KiB read from outside shared buffers, with those of the inputs.
    pub blocks_read: Option<f64>,
    /// Blocks of 8 KiB read from or written to temporary files, with those of the inputs.
    pub blocks_temporary: Option<f64>,
    /// Inputs.
    pub inputs: Vec<PlanNode>,
}

impl Plan {
    /// Reads a plan from an object with `Plan`; `text` is the statement, if the object has no `Query Text`. None: the
    /// object is no plan, or its statement is unknown.
    ///
    /// Conditions keep their literals only if `literals` is true.
    #[must_use]
    pub fn read(
        object: &Map<String, Value>,
        text: Option<&str>,
        duration_ms: Option<f64>,
        literals: bool,
    ) -> Option<Self> {
        let text = text.or_else(|| object.get("Query Text")?.as_str())?;
        let Value::Object(root) = object.get("Plan")? else { return None };
        let executed = object.get("Execution Time").and_then(Value::as_f64);
        Some(Self {
            family: family(text),
            statement: normalize(text),
            duration_ms: duration_ms.or(executed).or_else(|| root.get("Actual Total Time").and_then(Value::as_f64)),
            root: PlanNode::read(root, literals, 0),
        })
    }
}

impl PlanNode {
    /// Returns the node and all nodes below it, each before its inputs.
    #[must_use]
    pub fn all(&self) -> Vec<&Self> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            found.extend(&node.inputs);
            next += 1;
        }
        found
    }

    fn read(node: &Map<String, Value>, literals: bool, depth: usize) -> Self {
        let text = |key: &str| node.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| node.get(key).and_then(Value::as_f64);
        let expression = |text: &str| if literals { text.to_owned() } else { normalize(text) };
        let condition = |keys: &[&str]| {
            let found = keys.iter().filter_map(|key| node.get(*key)?.as_str()).map(expression);
            Some(found.collect::<Vec<String>>().join(" AND ")).filter(|text| !text.is_empty())
        };
        let list = |key: &str| node.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let inputs = if depth < DEEPEST { list("Plans") } else { &[] };
        let temporary = [number("Temp Read Blocks"), number("Temp Written Blocks")];
        Self {
            node: text("Node Type").unwrap_or_default(),
            relation: text("Relation Name")
                .map(|name| text("Schema").map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"))),
            alias: text("Alias"),
            index: text("Index Name"),
            index_condition: condition(&["Index Cond", "Recheck Cond"]),
            filter: condition(&["Filter"]),
            join_condition: condition(&["Hash Cond", "Merge Cond", "Join Filter"]),
            sort_keys: list("Sort Key").iter().filter_map(Value::as_str).map(expression).collect(),
            sort_method: text("Sort Method"),
            sort_kib: number("Sort Space Used"),
            batches: number("Hash Batches").or_else(|| number("HashAgg Batches")),
            disk_kib: number("Disk Usage"),
            is_parallel: node.get("Parallel Aware").and_then(Value::as_bool).unwrap_or_default(),
            workers: number("Workers Planned"),
            heap_fetches: number("Heap Fetches"),
            // Version 17 has times of shared, local and temporary blocks.
            read_ms: number("I/O Read Time").or_else(|| number("Shared I/O Read Time")),
            cost: number("Total Cost").unwrap_or_default(),
            rows: number("Plan Rows").unwrap_or_default(),
            width: number("Plan Width").unwrap_or_default(),
            actual_rows: number("Actual Rows"),
            actual_ms: number("Actual Total Time"),
            loops: number("Actual Loops"),
            removed: number("Rows Removed by Filter"),
            blocks_hit: number("Shared Hit Blocks"),
            blocks_read: number("Shared Read Blocks"),
            blocks_temporary: temporary.iter().any(Option::is_some).then(|| temporary.iter().flatten().sum()),
            inputs: inputs
                .iter()
                .filter_map(Value::as_object)
                .map(|node| Self::read(node, literals, depth + 1))
                .collect(),
        }
    }
}
