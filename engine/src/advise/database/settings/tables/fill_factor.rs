//! Decides on the fill factor of a table whose updates find no room on their page.
//!
//! An update is heap-only (HOT) if it changes no indexed column and its page has room for the new row; no index is written
//! then. Measured on PostgreSQL 15 (`docs/measured/databases.md`): updates of single narrow rows are HOT by 95 % and more without
//! a fill factor, since rows that left a page make room there. Wide rows, and statements that change many rows of each page, are
//! not. A statement that changes the share `s` of the rows needs pages that are full to 1/(1 + s).

use std::collections::BTreeSet;

use almanac_models::Timestamp;
use serde_json::json;

use crate::{
    advise::{
        Outcome,
        database::{
            DatabaseSpec,
            settings::{
                advisor::HOT_SHARE,
                change::{Case, Change, Scope},
                facts::SettingsFacts,
                terms::SettingsTerms,
            },
        },
        kit::Interval,
    },
    database::{
        Index, Table, TableKind, TableWrites,
        shape::{Verb, shape},
        statement::parse,
    },
};

/// Bytes of a page for rows.
const PAGE: f64 = 8_168.0;
/// Header of a row with its pointer, in bytes.
const ROW_HEADER: f64 = 28.0;
/// Least pages of a table.
const PAGES_MIN: f64 = 1_000.0;
/// Least updated rows a day, and as a share of the table's rows.
const UPDATES_A_DAY_MIN: f64 = 10_000.0;
const UPDATES_SHARE_MIN: f64 = 0.02;
/// Share of HOT updates from which nothing is said.
const HOT_ENOUGH: f64 = 0.8;
/// Least share of updates that could be HOT and are not.
const MISSED_MIN: f64 = 0.2;
/// Least share of the updates whose statements are known.
const KNOWN_MIN: f64 = 0.5;
/// Share of the rows changed by one statement, and bytes of a row, from which they explain why pages have no room: single
/// updates of narrow rows find room.
const BULK: f64 = 0.05;
const WIDE: f64 = PAGE / 8.0;
/// Room beyond the mean of the rows that a statement changes on a page, as a share of the page.
const ROOM: f64 = 0.03;
/// Least fill factor that is proposed, and the distance of its values.
const LEAST: f64 = 50.0;
const STEP: f64 = 5.0;
/// First version that counts updates to another page, and whose BRIN indexes do not prevent HOT updates.
const VERSION_16: u32 = 160_000;

/// Updates of a table by their statements.
#[derive(Default)]
struct Updates {
    /// Rows of statements that set no indexed column.
    free: f64,
    /// Rows of statements that set one.
    bound: f64,
    /// Columns that such statements set, with an index of each.
    indexed: BTreeSet<(String, String)>,
    /// Rows that one execution of a free statement changes, of the one that changes most.
    at_once: f64,
}

/// Decides on the fill factor of a table. None: its updates are few or HOT, or its statements are not known.
pub(in super::super) fn decide(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    table: &Table,
    now: Timestamp,
) -> Option<(String, Outcome<SettingsTerms>)> {
    let writes = facts.database.workload.writes.get(&table.key())?;
    let rows = table.rows.filter(|_| table.pages.is_some_and(|pages| pages >= PAGES_MIN))?;
    let a_day = writes.updated / facts.days();
    let is_hot = writes.updated_hot >= HOT_ENOUGH * writes.updated;
    if table.kind != TableKind::Table || is_hot || a_day < UPDATES_A_DAY_MIN.max(UPDATES_SHARE_MIN * rows) {
        return None;
    }
    let updates = updates(facts, table);
    let known = updates.free + updates.bound;
    if known < KNOWN_MIN * writes.updated {
        return None;
    }
    let target = format!("{}:{}:fillfactor", spec.name, table.key());
    let could = updates.free / known;
    let hot = writes.updated_hot / writes.updated;
    if could - hot < MISSED_MIN {
        let reason = bound(&updates, hot, could, a_day);
        return reason.map(|reason| (target, Outcome::keep(reason)));
    }
    let moved = table.activity.and_then(|activity| Some(activity.updated_new_page? / activity.updated.max(1.0)));
    // Other pages are the sign that there was no room.
    if moved.is_some_and(|moved| moved < 0.5 * (could - hot)) {
        return None;
    }
    let row = Row { bytes: row_bytes(table, rows), at_once: (updates.at_once / rows.max(1.0)).min(1.0) };
    if row.at_once < BULK && row.bytes < WIDE {
        return Some((target, Outcome::keep(unexplained(facts, hot, could, a_day))));
    }
    // Room for one row at least.
    let full = (1.0 / (1.0 + row.at_once) - ROOM).min(1.0 - row.bytes / PAGE);
    let fill = (100.0 * full / STEP).floor() * STEP;
    let present = f64::from(table.fill_factor.unwrap_or(100));
    if fill >= present {
        return None;
    }
    let outcome = if fill < LEAST {
        Outcome::keep(format!(
            "{:.0} % of the updates are HOT and {:.0} % could be, but one statement changes {:.0} % of the rows, of {:.0} bytes each: the \
             fill factor would be {:.0} %, and the table would grow as much.",
            100.0 * hot,
            100.0 * could,
            100.0 * row.at_once,
            row.bytes,
            fill.max(0.0)
        ))
    } else {
        let found = Found { writes, hot, could, moved, fill, present, a_day, row };
        propose(spec, facts, table, &found, now)
    };
    Some((target, outcome))
}

struct Row {
    bytes: f64,
    /// Share of the rows that one statement changes.
    at_once: f64,
}

struct Found<'a> {
    writes: &'a TableWrites,
    hot: f64,
    could: f64,
    moved: Option<f64>,
    fill: f64,
    present: f64,
    a_day: f64,
    row: Row,
}

fn propose(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    table: &Table,
    found: &Found<'_>,
    now: Timestamp,
) -> Outcome<SettingsTerms> {
    let Found { hot, could, .. } = *found;
    let change = Change {
        name: "fillfactor",
        scope: Scope::Table(table),
        present: Some(format!("{:.0}", found.present)),
        restore: table.fill_factor.map(|value| value.to_string()),
        value: format!("{:.0}", found.fill),
    };
    let mut notes = vec![
        "It holds for pages that are written from now on: each row moves once, at its next update. VACUUM FULL or pg_repack rewrites all \
         rows at once."
            .to_owned(),
        format!("The table grows by up to {:.0} %.", 100.0 * (found.present / found.fill - 1.0)),
    ];
    let is_held = facts.oldest_transaction.is_some_and(|seconds| seconds >= 3_600.0);
    if is_held {
        notes.push(
            "A transaction was open for more than an hour: the room of rows that it may see is not used again."
                .to_owned(),
        );
    }
    let confidence = if found.moved.is_some() { 0.8 } else { 0.7 } - if is_held { 0.15 } else { 0.0 };
    let case = Case {
        metric: HOT_SHARE,
        effect: Interval { value: hot + 0.8 * (could - hot), lower: hot + 0.4 * (could - hot), upper: could },
        baseline: hot,
        confidence,
        reason: format!(
            "{:.0} rows of {} are updated a day, {:.0} % of them HOT, though {:.0} % set no indexed column: their page has no room. A fill \
             factor of {:.0} % leaves room for {} of {:.0} bytes.",
            found.a_day,
            table.key(),
            100.0 * hot,
            100.0 * could,
            found.fill,
            room_text(&found.row),
            found.row.bytes
        ),
        evidence: json!({
            "updated_rows": found.writes.updated,
            "hot_share": hot,
            "could_be_hot_share": could,
            "moved_to_another_page_share": found.moved,
            "row_bytes": found.row.bytes,
            "rows_changed_by_one_statement_share": found.row.at_once,
        }),
        notes,
        terms: SettingsTerms::HotShare { database: spec.name.clone(), table: table.key() },
        terms_before: None,
    };
    change.propose(case, facts, now)
}

/// Returns why a fill factor would not help updates of few narrow rows that are not HOT.
fn unexplained(facts: &SettingsFacts, hot: f64, could: f64, a_day: f64) -> String {
    let oldest = facts
        .oldest_transaction
        .filter(|seconds| *seconds >= 60.0)
        .map_or_else(String::new, |seconds| format!("; the oldest transaction was open for {:.0} min", seconds / 60.0));
    format!(
        "{:.0} % of the {a_day:.0} rows that are updated a day are HOT, though {:.0} % set no indexed column. Rows are narrow and change \
         one by one, which needs no fill factor: more likely many rows of a page change in one transaction, or old transactions keep \
         their room{oldest}.",
        100.0 * hot,
        100.0 * could
    )
}

/// Writes what the room on each page is for.
fn room_text(row: &Row) -> String {
    if row.at_once >= 0.01 {
        format!("the {:.0} % of its rows that one statement changes,", 100.0 * row.at_once)
    } else {
        "one more row".to_owned()
    }
}

/// Returns which index prevents HOT updates; none if no statement sets an indexed column.
fn bound(updates: &Updates, hot: f64, could: f64, a_day: f64) -> Option<String> {
    let (column, index) = updates.indexed.first()?;
    Some(format!(
        "{:.0} % of the {a_day:.0} rows that are updated a day are HOT, and a fill factor would not change that: {:.0} % of them set an \
         indexed column, such as {column}, which the index {index} has.",
        100.0 * hot,
        100.0 * (1.0 - could)
    ))
}

/// Reads the UPDATE statements of a table.
fn updates(facts: &SettingsFacts, table: &Table) -> Updates {
    let database = &facts.database;
    let key = table.key();
    let mut found = Updates::default();
    for used in database.workload.statements.iter().filter(|used| used.calls > 0.0 && used.rows > 0.0) {
        // Parsing is the expensive part.
        if !used.statement.get(..6).is_some_and(|verb| verb.eq_ignore_ascii_case("update")) {
            continue;
        }
        let Ok(statement) = parse(&used.statement) else { continue };
        let shape = shape(&statement, &database.catalogue);
        if shape.verb != Verb::Update || shape.written.as_deref() != Some(key.as_str()) {
            continue;
        }
        let indexed = shape.assigned.iter().find_map(|column| {
            let index = table.indexes.iter().find(|index| has_column(index, column, database.catalogue.version))?;
            Some((column.clone(), index.name.clone()))
        });
        match indexed {
            Some(pair) => {
                found.bound += used.rows;
                found.indexed.insert(pair);
            }
            None => {
                found.free += used.rows;
                found.at_once = found.at_once.max(used.rows / used.calls);
            }
        }
    }
    found
}

/// Returns whether an index has a column, so that an update of it is not HOT: among its keys, its further columns, its
/// expressions or its predicate.
fn has_column(index: &Index, column: &str, version: u32) -> bool {
    if index.method == "brin" && version >= VERSION_16 {
        return false;
    }
    let in_text = |text: &String| text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == column);
    index.keys.iter().any(|key| key.column.as_deref() == Some(column) || key.expression.as_ref().is_some_and(in_text))
        || index.include.iter().any(|included| included == column)
        || index.predicate.as_ref().is_some_and(in_text)
}

/// Returns the bytes of a row with its header, from the widths of its columns, else from the table's size.
fn row_bytes(table: &Table, rows: f64) -> f64 {
    let widths: Option<f64> = table
        .columns
        .iter()
        .map(|column| column.statistics.as_ref().map(|known| known.width * (1.0 - known.null_fraction)))
        .sum();
    let width = widths.unwrap_or_else(|| (table.bytes.unwrap_or(0.0) / rows.max(1.0) - ROW_HEADER).max(8.0));
    ROW_HEADER + (width / 8.0).ceil() * 8.0
}
