use std::collections::{HashMap, HashSet};

use duckdb::Connection;

use super::frame::{Columns, Query, limited};
use crate::store::{
    StoreError,
    error::failed_to,
    rows::{AnomalyRow, ForecastRow, RowFilter, SignalFilter, SignalRow},
};

/// The rows that count when a key stands more than once: the last of each key, in their order.
pub(super) fn last_of_each<'a, T, K: std::hash::Hash + Eq>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut last: Vec<&T> = rows.iter().rev().filter(|row| seen.insert(key(row))).collect();
    last.reverse();
    last
}

pub(in crate::store) fn put_signals(connection: &Connection, rows: &[SignalRow]) -> Result<(), StoreError> {
    let rows = last_of_each(rows, |row| &row.signal);
    Columns::default()
        .text(rows.iter().map(|r| r.signal.as_str()))
        .text(rows.iter().map(|r| r.expr.as_str()))
        .text(rows.iter().map(|r| r.origin.as_str()))
        .int(rows.iter().map(|r| r.step_ms))
        .text(rows.iter().map(|r| r.status.as_str()))
        .maybe_text(rows.iter().map(|r| r.reason.as_deref()))
        .ints(rows.iter().map(|r| r.seasons_ms.as_slice()))
        .maybe_text(rows.iter().map(|r| r.model.as_deref()))
        .maybe_time(rows.iter().map(|r| r.fitted_at))
        .count(rows.iter().map(|r| r.points))
        .maybe_float(rows.iter().map(|r| r.mase))
        .maybe_float(rows.iter().map(|r| r.coverage_80))
        .maybe_float(rows.iter().map(|r| r.coverage_95))
        .stage(
            connection,
            "signals",
            &[
                "DELETE FROM store.signals WHERE signal IN (SELECT signal FROM {stage})",
                "INSERT INTO store.signals FROM {stage}",
            ],
        )
        .map(drop)
}

pub(in crate::store) fn signals(connection: &Connection, filter: &SignalFilter) -> Result<Vec<SignalRow>, StoreError> {
    Query::default().any_of("signal", &filter.signals).any_of("status", filter.status.map(|s| s.as_str())).read(
        connection,
        "signals",
        "signal, expr, origin, step_ms, status, reason, seasons_ms, model, fitted_at, points, mase, coverage_80, coverage_95",
        "ORDER BY signal",
        |row| {
            Ok(SignalRow {
                signal: row.text(0)?,
                expr: row.text(1)?,
                origin: row.parsed(2, str::parse)?,
                step_ms: row.int(3)?,
                status: row.parsed(4, str::parse)?,
                reason: row.maybe_text(5)?,
                seasons_ms: row.ints(6)?,
                model: row.maybe_text(7)?,
                fitted_at: row.maybe_time(8)?,
                points: row.count(9)?,
                mase: row.maybe_float(10)?,
                coverage_80: row.maybe_float(11)?,
                coverage_95: row.maybe_float(12)?,
            })
        },
    )
}

pub(in crate::store) fn put_forecasts(connection: &Connection, rows: &[ForecastRow]) -> Result<(), StoreError> {
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
    let rows = last_of_each(rows, |row| (&row.signal, row.made_at, row.timestamp));
    Columns::default()
        .text(rows.iter().map(|r| r.signal.as_str()))
        .time(rows.iter().map(|r| r.made_at))
        .time(rows.iter().map(|r| r.timestamp))
        .float(rows.iter().map(|r| r.yhat))
        .float(rows.iter().map(|r| r.yhat_lower_80))
        .float(rows.iter().map(|r| r.yhat_upper_80))
        .float(rows.iter().map(|r| r.yhat_lower_95))
        .float(rows.iter().map(|r| r.yhat_upper_95))
        .text(rows.iter().map(|r| r.model.as_str()))
        .stage(connection, "forecasts", &["INSERT INTO store.forecasts FROM {stage}"])
        .map(drop)
}

pub(in crate::store) fn forecasts(connection: &Connection, filter: &RowFilter) -> Result<Vec<ForecastRow>, StoreError> {
    let latest =
        if filter.latest { "QUALIFY made_at = max(made_at) OVER (PARTITION BY signal, timestamp)" } else { "" };
    let mut rows = Query::default()
        .any_of("signal", &filter.signals)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .instant("made_at <= ?", filter.made_until)
        .read(
            connection,
            "forecasts",
            "signal, made_at, timestamp, yhat, yhat_lower_80, yhat_upper_80, yhat_lower_95, yhat_upper_95, model",
            &format!("{latest} ORDER BY timestamp DESC, made_at DESC, signal {}", limited(filter.limit)),
            |row| {
                Ok(ForecastRow {
                    signal: row.text(0)?,
                    made_at: row.time(1)?,
                    timestamp: row.time(2)?,
                    yhat: row.float(3)?,
                    yhat_lower_80: row.float(4)?,
                    yhat_upper_80: row.float(5)?,
                    yhat_lower_95: row.float(6)?,
                    yhat_upper_95: row.float(7)?,
                    model: row.text(8)?,
                })
            },
        )?;
    rows.sort_by(|a, b| (&a.signal, a.timestamp, a.made_at).cmp(&(&b.signal, b.timestamp, b.made_at)));
    Ok(rows)
}

pub(in crate::store) fn put_anomalies(connection: &Connection, rows: &[AnomalyRow]) -> Result<(), StoreError> {
    let rows = last_of_each(rows, |row| (&row.signal, row.timestamp));
    Columns::default()
        .text(rows.iter().map(|r| r.signal.as_str()))
        .time(rows.iter().map(|r| r.timestamp))
        .float(rows.iter().map(|r| r.value))
        .float(rows.iter().map(|r| r.yhat))
        .float(rows.iter().map(|r| r.yhat_lower))
        .float(rows.iter().map(|r| r.yhat_upper))
        .float(rows.iter().map(|r| r.score))
        .text(rows.iter().map(|r| r.kind.as_str()))
        .stage(
            connection,
            "anomalies",
            &[
                "DELETE FROM store.anomalies AS old USING {stage} AS new
                 WHERE old.signal = new.signal AND old.timestamp = new.timestamp",
                "INSERT INTO store.anomalies FROM {stage}",
            ],
        )
        .map(drop)
}

pub(in crate::store) fn anomalies(connection: &Connection, filter: &RowFilter) -> Result<Vec<AnomalyRow>, StoreError> {
    let latest = if filter.latest { "QUALIFY timestamp = max(timestamp) OVER (PARTITION BY signal)" } else { "" };
    let mut rows = Query::default()
        .any_of("signal", &filter.signals)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .number("score >= ?", filter.min_score)
        .read(
            connection,
            "anomalies",
            "signal, timestamp, value, yhat, yhat_lower, yhat_upper, score, coalesce(kind, 'value') AS kind",
            &format!("{latest} ORDER BY timestamp DESC, signal {}", limited(filter.limit)),
            |row| {
                Ok(AnomalyRow {
                    signal: row.text(0)?,
                    timestamp: row.time(1)?,
                    value: row.float(2)?,
                    yhat: row.float(3)?,
                    yhat_lower: row.float(4)?,
                    yhat_upper: row.float(5)?,
                    score: row.float(6)?,
                    kind: row.parsed(7, str::parse)?,
                })
            },
        )?;
    rows.sort_by(|a, b| (&a.signal, a.timestamp).cmp(&(&b.signal, b.timestamp)));
    Ok(rows)
}
