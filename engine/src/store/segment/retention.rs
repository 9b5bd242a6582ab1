//! Decides what retention deletes in a round: never by the clock alone, and never a large share of a table at once.
//!
//! The age of a row counts from the clock or from the newest stored row, whichever is earlier, so that a clock that is
//! fast deletes nothing and a service that was stopped for a month finds its data. What newly expires since the last
//! approved round must be a small share of the table; otherwise it is held until somebody allows it, or until new rows
//! have made it a small share.

use std::collections::BTreeMap;

use almanac_models::Timestamp;
use duckdb::Connection;

use super::{Segment, SegmentKind, SegmentLayout};
use crate::store::{
    MIN_TIMESTAMP_MS, StoreError,
    error::failed_to,
    read::{instant, newest_until},
    shared::Shared,
};

/// Advance of a cutoff since the last approved one up to which rows are not counted, in milliseconds: rounds are a
/// minute apart.
const STEADY_ADVANCE_MS: i64 = 600_000;
/// Time between two lines in the log about the same held rows, in milliseconds.
const LOG_INTERVAL_MS: i64 = 3_600_000;
/// Time without new samples after which the newest row is looked up in other tables too, in milliseconds.
const QUIET_MS: i64 = 3_600_000;
/// The name of the samples among the tables.
const SAMPLES: &str = "samples";
/// Tables that the retention of raw samples and that of rollups covers, besides the samples.
const RAW_TABLES: [&str; 2] = ["cache_events", "histograms"];
const ROLLUP_TABLES: [&str; 8] = [
    "rollup_5m",
    "rollup_1h",
    "forecasts",
    "anomalies",
    "database_statement_use",
    "database_table_use",
    "database_index_use",
    "database_hours",
];

/// Rows that retention holds back.
#[derive(Debug, Default)]
pub(in crate::store) struct Held {
    tables: BTreeMap<&'static str, u64>,
    logged_ms: Option<i64>,
}

impl Held {
    /// Returns the number of held rows in all tables.
    pub(in crate::store) fn rows(&self) -> u64 {
        self.tables.values().sum()
    }
}

/// Cutoffs of a round, in epoch milliseconds.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// Samples before this are deleted; `None`: none.
    pub(super) samples: Option<i64>,
    /// Rows before this are deleted, by table.
    pub(super) tables: BTreeMap<&'static str, i64>,
    /// Approved cutoffs to store, by table; the samples are among them.
    pub(super) approved: BTreeMap<&'static str, i64>,
    /// Rows that are held back.
    pub(super) held: u64,
}

/// Rows of a table in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rows {
    /// Rows that expire in this round and did not before.
    expiring: u64,
    /// All rows.
    total: u64,
}

/// Decision on one table.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Decision {
    Drop,
    /// The rows are held, with their share of the table.
    Hold(f64),
}

/// Returns the cutoff for rows of an age: from the clock or the newest row, whichever is earlier. `None` without rows.
fn cutoff(now: i64, newest: Option<i64>, age_ms: i64) -> Option<i64> {
    newest.map(|newest| newest.min(now).saturating_sub(age_ms))
}

fn decide(rows: Rows, share_max: f64, allow: bool) -> Decision {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    let share = rows.expiring as f64 / rows.total.max(1) as f64;
    if allow || share <= share_max { Decision::Drop } else { Decision::Hold(share) }
}

/// Decides what is deleted at `now`; `allow` permits any share.
pub(super) fn plan(shared: &Shared, connection: &Connection, now: i64, allow: bool) -> Result<Retention, StoreError> {
    let options = &shared.options;
    let ages = [(options.retention_raw_ms, &RAW_TABLES[..]), (options.retention_rollup_ms, &ROLLUP_TABLES[..])];
    let mut plan = Retention::default();
    let mut held = BTreeMap::new();
    if ages.iter().any(|(age, _)| age.is_some()) {
        let newest = newest(shared, connection, now)?;
        let approved = approved(connection)?;
        let mut round =
            Round { approved: &approved, allow, share_max: options.drop_share_max, plan: &mut plan, held: &mut held };
        if let Some(cutoff) = options.retention_raw_ms.and_then(|age| cutoff(now, newest, age)) {
            let layout = shared.layout.read().clone();
            round.consider(SAMPLES, cutoff, |from| samples(connection, &layout, from, cutoff))?;
        }
        for (age, tables) in ages {
            let Some(cutoff) = age.and_then(|age| cutoff(now, newest, age)) else { continue };
            for &table in tables {
                round.consider(table, cutoff, |from| rows(connection, &format!("store.{table}"), from, cutoff))?;
            }
        }
    }
    plan.samples = plan.tables.remove(SAMPLES);
    plan.held = held.values().sum();
    note(&mut shared.held.lock(), held, now, options.drop_share_max);
    Ok(plan)
}

/// State while the tables of a round are considered.
struct Round<'a> {
    approved: &'a BTreeMap<String, i64>,
    allow: bool,
    share_max: f64,
    plan: &'a mut Retention,
    held: &'a mut BTreeMap<&'static str, u64>,
}

impl Round<'_> {
    /// Approves or holds the rows of a table before `cutoff`. `count` returns the rows from an instant to the cutoff.
    fn consider(
        &mut self,
        table: &'static str,
        cutoff: i64,
        count: impl FnOnce(Option<i64>) -> Result<Rows, StoreError>,
    ) -> Result<(), StoreError> {
        let before = self.approved.get(table).copied();
        let is_steady = before.is_some_and(|before| cutoff.saturating_sub(before) <= STEADY_ADVANCE_MS);
        if !is_steady {
            let rows = count(before)?;
            if let Decision::Hold(share) = decide(rows, self.share_max, self.allow) {
                tracing::debug!(table, rows = rows.expiring, share, "expired rows are held");
                self.held.insert(table, rows.expiring);
                // What was approved before stays approved.
                self.plan.tables.extend(before.map(|before| (table, before)));
                return Ok(());
            }
            if rows.expiring > 0 {
                let before = Timestamp::from_millis(cutoff);
                tracing::info!(table, rows = rows.expiring, of = rows.total, ?before, "retention deletes rows");
            }
        }
        self.plan.tables.insert(table, cutoff);
        if before != Some(cutoff) {
            self.plan.approved.insert(table, cutoff);
        }
        Ok(())
    }
}

/// Stores what is held, and logs it when it is new or was logged an hour ago.
fn note(state: &mut Held, held: BTreeMap<&'static str, u64>, now: i64, share_max: f64) {
    let is_new = held.keys().any(|table| !state.tables.contains_key(table));
    let is_old = state.logged_ms.is_none_or(|logged| now.saturating_sub(logged).abs() >= LOG_INTERVAL_MS);
    if !held.is_empty() && (is_new || is_old) {
        tracing::warn!(
            rows = ?held, share_max,
            "expired rows are held, because deleting them would remove more than the largest share at once; almanac compact --allow-drop deletes them"
        );
        state.logged_ms = Some(now);
    }
    state.tables = held;
}

/// Returns the newest time of stored rows up to `now`. Only when no sample is recent other tables are read.
fn newest(shared: &Shared, connection: &Connection, now: i64) -> Result<Option<i64>, StoreError> {
    let sample = newest_until(shared, now)?;
    if sample.is_some_and(|sample| sample >= now.saturating_sub(QUIET_MS)) {
        return Ok(sample);
    }
    let sql = format!(
        "SELECT epoch_ms(max(timestamp)) FROM (SELECT timestamp FROM store.cache_events UNION ALL \
         SELECT timestamp FROM store.rollup_1h UNION ALL SELECT timestamp FROM store.histograms) WHERE timestamp <= {}",
        instant(now)
    );
    let other: Option<i64> =
        connection.query_row(&sql, [], |row| row.get(0)).map_err(failed_to("find the newest row"))?;
    Ok(sample.max(other))
}

/// Returns the cutoffs that were approved last, by table.
fn approved(connection: &Connection) -> Result<BTreeMap<String, i64>, StoreError> {
    let failed = failed_to("read the last retention");
    let mut statement = connection
        .prepare("SELECT substr(key, 11), value FROM store.meta WHERE key LIKE 'retention\\_%' ESCAPE '\\'")
        .map_err(&failed)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .and_then(Iterator::collect::<duckdb::Result<Vec<_>>>)
        .map_err(&failed)?;
    Ok(rows.into_iter().filter_map(|(table, cutoff)| Some((table, cutoff.parse().ok()?))).collect())
}

/// Returns the statements that store approved cutoffs.
pub(super) fn store_approved(approved: &BTreeMap<&'static str, i64>) -> String {
    let store = |(table, cutoff): (&&str, &i64)| {
        format!(
            "DELETE FROM store.meta WHERE key = 'retention_{table}'; \
             INSERT INTO store.meta VALUES ('retention_{table}', '{cutoff}');"
        )
    };
    approved.iter().map(store).collect()
}

/// Counts the samples from an instant to the cutoff, exactly when the segments that overlap may be a large share.
fn samples(
    connection: &Connection,
    layout: &SegmentLayout,
    from: Option<i64>,
    cutoff: i64,
) -> Result<Rows, StoreError> {
    let total = layout.all().map(|segment| segment.rows).sum();
    let overlaps =
        |segment: &&Segment| segment.rows > 0 && segment.min < cutoff && from.is_none_or(|from| segment.max >= from);
    let touched: Vec<Segment> = layout.all().filter(overlaps).cloned().collect();
    if touched.is_empty() {
        return Ok(Rows { expiring: 0, total });
    }
    let span = (from.unwrap_or(MIN_TIMESTAMP_MS), cutoff.saturating_sub(1));
    let counts: Vec<String> = touched.iter().map(|segment| count_within(segment, span)).collect();
    let sql = format!("SELECT sum(samples)::UBIGINT FROM ({})", counts.join(" UNION ALL "));
    let expiring = connection.query_row(&sql, [], |row| row.get(0)).map_err(failed_to("count expired rows"))?;
    Ok(Rows { expiring, total })
}

/// Returns the `SELECT` of the number of samples of a segment within a span, which decodes only the blocks at its ends.
fn count_within(segment: &Segment, span: (i64, i64)) -> String {
    if segment.kind != SegmentKind::Cold {
        return format!("SELECT count(*) AS samples FROM ({})", segment.samples("timestamp", "", span));
    }
    let (from, until) = (instant(span.0), instant(span.1));
    let within = format!("(begin_at >= {from} AND end_at <= {until})");
    format!(
        "SELECT coalesce(sum(count), 0) AS samples FROM {} WHERE {within} UNION ALL SELECT count(*) FROM ({})",
        segment.table(),
        segment.samples("timestamp", &format!("NOT {within}"), span)
    )
}

/// Counts the rows of a table from an instant to the cutoff, and all rows.
fn rows(connection: &Connection, table: &str, from: Option<i64>, cutoff: i64) -> Result<Rows, StoreError> {
    let from = from.map_or_else(String::new, |from| format!("AND timestamp >= {}", instant(from)));
    let sql = format!(
        "SELECT count(*) FILTER (timestamp < {} {from})::UBIGINT, count(*)::UBIGINT FROM {table}",
        instant(cutoff)
    );
    connection
        .query_row(&sql, [], |row| Ok(Rows { expiring: row.get(0)?, total: row.get(1)? }))
        .map_err(failed_to("count expired rows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn the_age_counts_from_the_clock_or_the_newest_row() {
        assert_eq!(cutoff(100 * DAY, Some(100 * DAY), 30 * DAY), Some(70 * DAY));
        assert_eq!(cutoff(130 * DAY, Some(100 * DAY), 30 * DAY), Some(70 * DAY), "the clock is fast");
        assert_eq!(cutoff(100 * DAY, Some(130 * DAY), 30 * DAY), Some(70 * DAY), "a row from the future");
        assert_eq!(cutoff(100 * DAY, None, 30 * DAY), None);
        assert_eq!(cutoff(i64::MIN, Some(0), DAY), Some(i64::MIN));
    }

    #[test]
    fn more_than_the_largest_share_is_held_unless_it_is_allowed() {
        let check = |expiring, total, allow, expected| {
            assert_eq!(decide(Rows { expiring, total }, 0.2, allow), expected, "{expiring} of {total}");
        };
        check(0, 0, false, Decision::Drop);
        check(20, 100, false, Decision::Drop);
        check(21, 100, false, Decision::Hold(0.21));
        check(1, 1, false, Decision::Hold(1.0));
        check(100, 100, true, Decision::Drop);
    }

    #[test]
    fn held_rows_are_logged_once_an_hour() {
        let mut state = Held::default();
        let held = || BTreeMap::from([(SAMPLES, 5)]);
        note(&mut state, held(), 0, 0.2);
        assert_eq!((state.rows(), state.logged_ms), (5, Some(0)));
        note(&mut state, held(), 60_000, 0.2);
        assert_eq!(state.logged_ms, Some(0));
        note(&mut state, held(), LOG_INTERVAL_MS, 0.2);
        assert_eq!(state.logged_ms, Some(LOG_INTERVAL_MS));
        note(&mut state, BTreeMap::new(), LOG_INTERVAL_MS + 1, 0.2);
        assert_eq!(state.rows(), 0);
    }
}
