//! Decides how many insertions start a vacuum of a large table whose index-only scans read the table.

use almanac_models::Timestamp;
use serde_json::json;

use super::{LARGE, in_force, share_text};
use crate::{
    advise::{
        Outcome,
        database::{
            DatabaseSpec,
            settings::{
                advisor::VISIBLE_SHARE,
                change::{Case, Change, Scope},
                facts::SettingsFacts,
                terms::SettingsTerms,
            },
        },
        kit::Interval,
    },
    database::{Table, TableKind},
};

const SCALE_FACTOR: &str = "autovacuum_vacuum_insert_scale_factor";
/// Proposed share of new rows that starts a vacuum.
const SCALE: f64 = 0.02;
/// Share of all-visible pages from which nothing is proposed.
const VISIBLE_MIN: f64 = 0.95;
/// Least share of the rows of index-only scans that are read from the table.
const FETCHED_MIN: f64 = 0.1;
/// Least rows that the scans of the known plans read from the table.
const ROWS_MIN: f64 = 1_000.0;
/// Insertions relative to updates and deletions from which those decide when a vacuum starts.
const INSERTED_MIN: f64 = 4.0;

/// Decides on the vacuum after insertions. None: the table is small or changes otherwise, or no plan shows that it matters.
pub(in super::super) fn decide(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    table: &Table,
    now: Timestamp,
) -> Option<(String, Outcome<SettingsTerms>)> {
    let rows = table.rows.filter(|rows| *rows >= LARGE && table.kind == TableKind::Table)?;
    let visible = table.all_visible.filter(|visible| *visible < VISIBLE_MIN)?;
    let writes = facts.database.workload.writes.get(&table.key())?;
    if writes.inserted < INSERTED_MIN * (writes.updated - writes.updated_hot + writes.deleted).max(1.0) {
        return None;
    }
    // Version 13 has the setting; without it the table is vacuumed by hand alone.
    let scale = in_force(facts, table, SCALE_FACTOR).filter(|scale| *scale > 2.0 * SCALE)?;
    let threshold = in_force(facts, table, "autovacuum_vacuum_insert_threshold").filter(|rows| *rows >= 0.0)?;
    let scans = Scans::of(facts, table);
    if scans.fetched < ROWS_MIN || scans.fetched < FETCHED_MIN * scans.rows {
        return None;
    }
    let a_day = writes.inserted / facts.days();
    let change = Change {
        name: SCALE_FACTOR,
        scope: Scope::Table(table),
        present: Some(share_text(scale)),
        restore: table.options.get(SCALE_FACTOR).cloned(),
        value: share_text(SCALE),
    };
    let every = |share: f64| (threshold + share * rows) / a_day.max(1.0);
    let case = Case {
        metric: VISIBLE_SHARE,
        effect: Interval { value: 1.0 - SCALE / 2.0, lower: 1.0 - 2.0 * SCALE, upper: 1.0 },
        baseline: visible,
        confidence: 0.7,
        reason: format!(
            "{:.0} % of the pages of {} are all-visible, and index-only scans read {:.0} of {:.0} rows from the table; {a_day:.0} rows are \
             inserted a day, so that a vacuum starts every {:.1} days, and with {} every {:.1} days.",
            100.0 * visible,
            table.key(),
            scans.fetched,
            scans.rows,
            every(scale),
            share_text(SCALE),
            every(SCALE)
        ),
        evidence: json!({
            "rows": rows,
            "inserted_rows_per_day": a_day,
            "all_visible_share": visible,
            "index_only_scans": {"plans": scans.plans, "rows": scans.rows, "heap_fetches": scans.fetched},
        }),
        notes: vec!["VACUUM on the table makes its pages all-visible at once.".to_owned()],
        terms: SettingsTerms::VisibleShare { database: spec.name.clone(), table: table.key() },
        terms_before: None,
    };
    Some((format!("{}:{}:{SCALE_FACTOR}", spec.name, table.key()), change.propose(case, facts, now)))
}

/// Index-only scans of a table in the known plans.
#[derive(Default)]
struct Scans {
    plans: u32,
    rows: f64,
    fetched: f64,
}

impl Scans {
    fn of(facts: &SettingsFacts, table: &Table) -> Self {
        let mut scans = Self::default();
        let is_own = |relation: &str| relation == table.name || relation == table.key();
        for plan in &facts.database.workload.plans {
            for node in plan.root.all() {
                if let (Some(fetched), Some(rows)) = (node.heap_fetches, node.actual_rows)
                    && node.relation.as_deref().is_some_and(is_own)
                {
                    scans.plans += 1;
                    scans.rows += rows * node.loops.unwrap_or(1.0).max(1.0);
                    scans.fetched += fetched;
                }
            }
        }
        scans
    }
}
