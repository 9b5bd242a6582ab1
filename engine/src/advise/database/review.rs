//! Advice on a database without a connection: from files that a person exported.

use std::collections::BTreeMap;

use almanac_models::Timestamp;

use super::{
    DatabaseFacts, DatabaseSpec,
    index::Indexes,
    query::{Queries, QueryFacts},
    settings::{Settings, SettingsFacts},
};
use crate::{
    advise::{Verdict, registry::verdicts_on},
    database::{
        Catalogue, TableWrites, Workload,
        export::{PlansFile, SchemaFile, StatementsFile},
        shape::shape,
        statement::parse,
    },
};

/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// Rows of a page when nothing is known: rows of about 100 bytes.
const ROWS_OF_PAGE: f64 = 75.0;

/// Facts from exported files, and what a reader of the result should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The facts.
    pub facts: DatabaseFacts,
    /// What was left out or assumed, one sentence each.
    pub notes: Vec<String>,
}

/// Joins exported files to facts. `seconds`: span in which the counters were collected; none: since the reset of the
/// server's statistics, if the schema's file says when that was, else a day.
#[must_use]
pub fn exported(
    statements: StatementsFile,
    schema: SchemaFile,
    plans: Option<PlansFile>,
    seconds: Option<f64>,
    now: Timestamp,
) -> Exported {
    let mut notes = [statements.notes, schema.notes].concat();
    let (mut catalogue, mut workload) = (schema.catalogue, statements.workload);
    catalogue.sum_partitions();
    let reset = catalogue.tables.iter().filter_map(|table| table.activity.as_ref()?.seconds).fold(None, larger);
    workload.seconds = match (seconds.or(workload.seconds), reset) {
        (Some(seconds), _) => Some(seconds),
        (None, Some(seconds)) => {
            notes.push(
                "The span of the statements' counters is unknown; that of the tables' counters is taken. Give --span if \
                 pg_stat_statements was reset at another time."
                    .to_owned(),
            );
            Some(seconds)
        }
        (None, None) => {
            notes.push(
                "The span of the counters is unknown; figures are as if they were of one day. Give --span.".to_owned(),
            );
            Some(DAY)
        }
    };
    if workload.writes.is_empty() {
        workload.writes = writes(&catalogue, workload.seconds.unwrap_or(DAY));
    }
    if catalogue.tables.iter().all(|table| table.rows.is_none()) {
        infer_sizes(&mut catalogue, &workload);
        notes.push(
            "The schema has no statistics, so that sizes are inferred from the blocks that statements read; advice is \
             better with the output of docs/advisors/database-export.sql."
                .to_owned(),
        );
    }
    if let Some(plans) = plans {
        notes.extend(plans.notes);
        // Counters are of one span; statements that only the log has may be of another.
        let mut others = 0_u32;
        for found in plans.statements {
            match workload.statements.iter_mut().find(|own| own.family == found.family) {
                Some(own) => found.parameters.iter().for_each(|values| own.add_parameter(values)),
                None => others += 1,
            }
        }
        if others > 0 {
            notes.push(format!("Left out: statement families that the plans have and the counters do not ({others})."));
        }
        workload.plans.extend(plans.plans);
    }
    Exported { facts: DatabaseFacts { catalogue, read_at: now, workload }, notes }
}

/// Decides on all that the facts of a database show, as the advisors of a running service do.
#[must_use]
pub fn review_database(spec: &DatabaseSpec, facts: &DatabaseFacts, now: Timestamp) -> Vec<Verdict> {
    let indexes = verdicts_on::<Indexes>(spec, &spec.name, facts, now);
    // Loops need spans, which a file does not have.
    let queries = QueryFacts { database: facts.clone(), loops: Vec::new() };
    let queries = verdicts_on::<Queries>(spec, &spec.name, &queries, now);
    let settings = verdicts_on::<Settings>(spec, &spec.name, &SettingsFacts::exported(facts.clone(), spec), now);
    [indexes, queries, settings].concat()
}

/// Fills in sizes of tables that have none: the most blocks that one execution of a statement on this table alone reads.
/// That is the table's size if a statement scans it, and too little otherwise, which makes advice rarer, not wrong.
fn infer_sizes(catalogue: &mut Catalogue, workload: &Workload) {
    let mut pages: BTreeMap<String, f64> = BTreeMap::new();
    for used in workload.statements.iter().filter(|used| used.calls > 0.0) {
        let Ok(statement) = parse(&used.statement) else { continue };
        let shape = shape(&statement, catalogue);
        if let [block] = shape.blocks.as_slice()
            && let [relation] = block.relations.as_slice()
            && let Some(table) = &relation.table
        {
            let blocks = (used.blocks_hit + used.blocks_read) / used.calls;
            let known = pages.entry(table.clone()).or_default();
            *known = known.max(blocks);
        }
    }
    for table in &mut catalogue.tables {
        if let Some(pages) = pages.get(&table.key()).copied().filter(|pages| *pages >= 1.0) {
            table.pages = Some(pages);
            table.rows = Some(pages * ROWS_OF_PAGE);
            table.bytes = Some(pages * 8192.0);
        }
    }
}

/// Returns the writes of a span at the rate of the tables' counters.
fn writes(catalogue: &Catalogue, seconds: f64) -> BTreeMap<String, TableWrites> {
    let of = |table: &crate::database::Table| {
        let activity = table.activity.as_ref()?;
        let part = activity.seconds.filter(|own| *own > 0.0).map_or(1.0, |own| seconds / own);
        let writes = TableWrites {
            inserted: activity.inserted * part,
            updated: activity.updated * part,
            updated_hot: activity.updated_hot * part,
            deleted: activity.deleted * part,
        };
        Some((table.key(), writes))
    };
    catalogue.tables.iter().filter_map(of).collect()
}

fn larger(known: Option<f64>, next: f64) -> Option<f64> {
    Some(known.map_or(next, |known| known.max(next)))
}
