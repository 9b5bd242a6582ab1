//! Reads and writes suspected incidents, peer outliers and correlations.

use almanac_models::Timestamp;
use duckdb::Connection;

use super::frame::{RowQuery, StagedRows, limited};
use crate::store::{
    StoreError,
    error::failed_to,
    read::instant,
    rows::{CorrelationRow, EventFilter, PeerOutlierRow, SuspectedIncidentRow},
};

/// Replaces all stored incidents that started at `since` or later. Earlier ones stay; a new one that overlaps an
/// earlier one is part of it and is not written.
pub(in crate::store) fn put_suspected_incidents(
    connection: &Connection,
    rows: &[SuspectedIncidentRow],
    since: Timestamp,
) -> Result<(), StoreError> {
    let since = instant(since.millis());
    let delete = format!("DELETE FROM store.suspected_incidents WHERE started_at >= {since}");
    let insert = format!(
        "INSERT INTO store.suspected_incidents BY NAME FROM {{stage}} AS new WHERE NOT EXISTS (
           FROM store.suspected_incidents AS old WHERE old.started_at < {since} AND old.ended_at >= new.started_at)"
    );
    StagedRows::new(&rows.iter().collect::<Vec<_>>()).run(connection, &[&delete, &insert]).map(drop)
}

pub(in crate::store) fn suspected_incidents(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Vec<SuspectedIncidentRow>, StoreError> {
    let mut rows: Vec<SuspectedIncidentRow> = RowQuery::default()
        .any_of("first_mover", &filter.names)
        .instant("ended_at >= ?", filter.start)
        .instant("started_at <= ?", filter.end)
        .read(connection, &format!("ORDER BY started_at DESC, first_mover {}", limited(filter.limit)))?;
    rows.reverse();
    Ok(rows)
}

/// Writes peer outliers; a stored one of the same series that overlaps is merged into the new one.
pub(in crate::store) fn put_peer_outliers(connection: &Connection, rows: &[PeerOutlierRow]) -> Result<(), StoreError> {
    let statements = [
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
        "INSERT INTO store.peer_outliers BY NAME FROM {stage}",
    ];
    StagedRows::new(&rows.iter().collect::<Vec<_>>()).run(connection, &statements).map(drop)
}

pub(in crate::store) fn peer_outliers(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Vec<PeerOutlierRow>, StoreError> {
    let mut rows: Vec<PeerOutlierRow> = RowQuery::default()
        .any_of("series", &filter.names)
        .instant("ended_at >= ?", filter.start)
        .instant("started_at <= ?", filter.end)
        .read(connection, &format!("ORDER BY started_at DESC, expr, series {}", limited(filter.limit)))?;
    rows.reverse();
    Ok(rows)
}

/// Replaces all stored correlations, since all rows are of one span.
pub(in crate::store) fn put_correlations(connection: &Connection, rows: &[CorrelationRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return connection
            .execute_batch("DELETE FROM store.correlations")
            .map_err(failed_to("delete the correlations"));
    }
    let statements = ["DELETE FROM store.correlations", "INSERT INTO store.correlations BY NAME FROM {stage}"];
    StagedRows::new(&rows.iter().collect::<Vec<_>>()).run(connection, &statements).map(drop)
}

pub(in crate::store) fn correlations(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Vec<CorrelationRow>, StoreError> {
    RowQuery::default()
        .any_of("leader", &filter.names)
        .instant("ended_at >= ?", filter.start)
        .instant("started_at <= ?", filter.end)
        .read(connection, &format!("ORDER BY abs(correlation) DESC, leader, follower {}", limited(filter.limit)))
}
