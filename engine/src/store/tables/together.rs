use almanac_models::Timestamp;
use duckdb::Connection;

use super::frame::{Columns, Query, limited};
use crate::store::{
    StoreError,
    read::instant,
    rows::{EventFilter, PeerOutlierRow, SuspectedIncidentRow},
};

/// Puts what was found from `since` on in place of what stood of that time; what began before `since` stays, and what
/// would stand beside it is a part of it.
pub(in crate::store) fn put_suspected_incidents(
    connection: &Connection,
    rows: &[SuspectedIncidentRow],
    since: Timestamp,
) -> Result<(), StoreError> {
    let since = instant(since.millis());
    Columns::default()
        .time(rows.iter().map(|r| r.started_at))
        .time(rows.iter().map(|r| r.ended_at))
        .text(rows.iter().map(|r| r.first_mover.as_str()))
        .float(rows.iter().map(|r| r.confidence))
        .texts(rows.iter().map(|r| r.signals.as_slice()))
        .float(rows.iter().map(|r| r.peak))
        .stage(
            connection,
            "suspected_incidents",
            &[
                &format!("DELETE FROM store.suspected_incidents WHERE started_at >= {since}"),
                &format!(
                    "INSERT INTO store.suspected_incidents FROM {{stage}} AS new WHERE NOT EXISTS (
                       FROM store.suspected_incidents AS old WHERE old.started_at < {since} AND old.ended_at >= new.started_at)"
                ),
            ],
        )
        .map(drop)
}

pub(in crate::store) fn suspected_incidents(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Vec<SuspectedIncidentRow>, StoreError> {
    let mut rows = Query::default()
        .any_of("first_mover", &filter.names)
        .instant("ended_at >= ?", filter.start)
        .instant("started_at <= ?", filter.end)
        .read(
            connection,
            "suspected_incidents",
            "started_at, ended_at, first_mover, confidence, signals, peak",
            &format!("ORDER BY started_at DESC, first_mover {}", limited(filter.limit)),
            |row| {
                Ok(SuspectedIncidentRow {
                    started_at: row.time(0)?,
                    ended_at: row.time(1)?,
                    first_mover: row.text(2)?,
                    confidence: row.float(3)?,
                    signals: row.texts(4)?,
                    peak: row.float(5)?,
                })
            },
        )?;
    rows.reverse();
    Ok(rows)
}

/// Puts what was found of these peers; what stood of the same series and touches it becomes one with it.
pub(in crate::store) fn put_peer_outliers(connection: &Connection, rows: &[PeerOutlierRow]) -> Result<(), StoreError> {
    Columns::default()
        .text(rows.iter().map(|r| r.expr.as_str()))
        .text(rows.iter().map(|r| r.series.as_str()))
        .time(rows.iter().map(|r| r.started_at))
        .time(rows.iter().map(|r| r.ended_at))
        .float(rows.iter().map(|r| r.peak))
        .count(rows.iter().map(|r| r.peers))
        .stage(
            connection,
            "peer_outliers",
            &[
                "UPDATE {stage} AS new SET started_at = least(new.started_at, old.started_at),
                   ended_at = greatest(new.ended_at, old.until), peak = greatest(new.peak, old.peak)
                 FROM (SELECT s.expr, s.series, s.ended_at, min(o.started_at) AS started_at, max(o.ended_at) AS until,
                         max(o.peak) AS peak
                       FROM store.peer_outliers AS o JOIN {stage} AS s ON o.expr = s.expr AND o.series = s.series
                         AND o.started_at <= s.ended_at AND o.ended_at >= s.started_at
                       GROUP BY ALL) AS old
                 WHERE old.expr = new.expr AND old.series = new.series AND old.ended_at = new.ended_at",
                "DELETE FROM store.peer_outliers AS old USING {stage} AS new WHERE old.expr = new.expr AND old.series = new.series
                   AND old.started_at <= new.ended_at AND old.ended_at >= new.started_at",
                "INSERT INTO store.peer_outliers FROM {stage}",
            ],
        )
        .map(drop)
}

pub(in crate::store) fn peer_outliers(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Vec<PeerOutlierRow>, StoreError> {
    let mut rows = Query::default()
        .any_of("series", &filter.names)
        .instant("ended_at >= ?", filter.start)
        .instant("started_at <= ?", filter.end)
        .read(
            connection,
            "peer_outliers",
            "expr, series, started_at, ended_at, peak, peers",
            &format!("ORDER BY started_at DESC, expr, series {}", limited(filter.limit)),
            |row| {
                Ok(PeerOutlierRow {
                    expr: row.text(0)?,
                    series: row.text(1)?,
                    started_at: row.time(2)?,
                    ended_at: row.time(3)?,
                    peak: row.float(4)?,
                    peers: row.count(5)?,
                })
            },
        )?;
    rows.reverse();
    Ok(rows)
}
