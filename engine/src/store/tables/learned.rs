//! Reads and writes signals, forecasts and anomaly scores.

use std::collections::{HashMap, HashSet};

use duckdb::Connection;

use super::frame::{RowQuery, StagedRows, limited};
use crate::store::{
    StoreError,
    error::failed_to,
    rows::{AnomalyRow, ForecastRow, RowFilter, SignalFilter, SignalRow},
};

/// Returns the last row of each key, in the given order.
pub(super) fn last_of_each<'a, T, K: std::hash::Hash + Eq>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut last: Vec<&T> = rows.iter().rev().filter(|row| seen.insert(key(row))).collect();
    last.reverse();
    last
}

pub(in crate::store) fn put_signals(connection: &Connection, rows: &[SignalRow]) -> Result<(), StoreError> {
    let statements = [
        "DELETE FROM store.signals WHERE signal IN (SELECT signal FROM {stage})",
        "INSERT INTO store.signals BY NAME FROM {stage}",
    ];
    StagedRows::new(&last_of_each(rows, |row| &row.signal)).run(connection, &statements).map(drop)
}

pub(in crate::store) fn signals(connection: &Connection, filter: &SignalFilter) -> Result<Vec<SignalRow>, StoreError> {
    RowQuery::default()
        .any_of("signal", &filter.signals)
        .any_of("status", filter.status.map(|status| status.as_str()))
        .read(connection, "ORDER BY signal")
}

pub(in crate::store) fn put_forecasts(connection: &Connection, rows: &[ForecastRow]) -> Result<(), StoreError> {
    // A new forecast invalidates those of its signal that were made at the same time or later.
    let mut since: HashMap<&str, i64> = HashMap::new();
    for row in rows {
        let made = row.made_at.millis();
        since.entry(&row.signal).and_modify(|first| *first = made.min(*first)).or_insert(made);
    }
    for (signal, made_at) in since {
        let sql = format!(
            "DELETE FROM store.forecasts WHERE signal = ? AND made_at >= {}",
            crate::store::read::instant(made_at)
        );
        connection.execute(&sql, [signal]).map_err(failed_to("replace forecasts"))?;
    }
    StagedRows::new(&last_of_each(rows, |row| (&row.signal, row.made_at, row.timestamp)))
        .run(connection, &["INSERT INTO store.forecasts BY NAME FROM {stage}"])
        .map(drop)
}

pub(in crate::store) fn forecasts(connection: &Connection, filter: &RowFilter) -> Result<Vec<ForecastRow>, StoreError> {
    let latest =
        if filter.latest { "QUALIFY made_at = max(made_at) OVER (PARTITION BY signal, timestamp)" } else { "" };
    let mut rows: Vec<ForecastRow> = RowQuery::default()
        .any_of("signal", &filter.signals)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .instant("made_at <= ?", filter.made_until)
        .read(
            connection,
            &format!("{latest} ORDER BY timestamp DESC, made_at DESC, signal {}", limited(filter.limit)),
        )?;
    // The query sorts by time so that a limit keeps the newest rows; the caller gets them by signal.
    rows.sort_by(|a, b| (&a.signal, a.timestamp, a.made_at).cmp(&(&b.signal, b.timestamp, b.made_at)));
    Ok(rows)
}

pub(in crate::store) fn put_anomalies(connection: &Connection, rows: &[AnomalyRow]) -> Result<(), StoreError> {
    let statements = [
        "DELETE FROM store.anomalies AS old USING {stage} AS new
         WHERE old.signal = new.signal AND old.timestamp = new.timestamp",
        "INSERT INTO store.anomalies BY NAME FROM {stage}",
    ];
    StagedRows::new(&last_of_each(rows, |row| (&row.signal, row.timestamp))).run(connection, &statements).map(drop)
}

pub(in crate::store) fn anomalies(connection: &Connection, filter: &RowFilter) -> Result<Vec<AnomalyRow>, StoreError> {
    let latest = if filter.latest { "QUALIFY timestamp = max(timestamp) OVER (PARTITION BY signal)" } else { "" };
    let mut rows: Vec<AnomalyRow> = RowQuery::default()
        .any_of("signal", &filter.signals)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .number("score >= ?", filter.min_score)
        .read(connection, &format!("{latest} ORDER BY timestamp DESC, signal {}", limited(filter.limit)))?;
    rows.sort_by(|a, b| (&a.signal, a.timestamp).cmp(&(&b.signal, b.timestamp)));
    Ok(rows)
}
