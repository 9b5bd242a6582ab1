//! Reads and writes cache events, deploys and incidents. Writing is idempotent: events of a repeated batch are ignored.

use std::collections::HashMap;

use duckdb::Connection;

use super::{
    frame::{RowQuery, StagedRows, limited},
    learned::last_of_each,
};
use crate::store::{
    Appended, StoreError,
    error::failed_to,
    rows::{CacheEvent, Deploy, EventBatch, EventFilter, Incident, IncidentVerdict},
};

pub(in crate::store) fn put_events(connection: &Connection, events: &EventBatch) -> Result<Appended, StoreError> {
    let total = (events.cache.len() + events.deploys.len() + events.incidents.len()) as u64;
    let written = put_cache_events(connection, &events.cache)?
        + put_deploys(connection, &events.deploys)?
        + put_incidents(connection, &events.incidents)?;
    Ok(Appended { written, unchanged: total.saturating_sub(written) })
}

fn next_seq(connection: &Connection, table: &str) -> Result<i64, StoreError> {
    connection
        .query_row(&format!("SELECT coalesce(max(seq), -1) + 1 FROM store.{table}"), [], |row| row.get(0))
        .map_err(failed_to("number the events"))
}

fn put_cache_events(connection: &Connection, events: &[CacheEvent]) -> Result<u64, StoreError> {
    let (Some(first), Some(last)) =
        (events.iter().map(|e| e.timestamp).min(), events.iter().map(|e| e.timestamp).max())
    else {
        return Ok(0);
    };
    if let Some(bad) = events.iter().filter_map(|e| e.miss_cost_ms).find(|cost| !cost.is_finite()) {
        return Err(StoreError::InvalidRow { table: "cache_events", detail: format!("miss_cost_ms is {bad}") });
    }
    // Equal events within a batch are numbered: both count, while a repeated batch has the same numbers and is ignored.
    let mut seen = HashMap::with_capacity(events.len());
    let ordinals: Vec<u32> = events
        .iter()
        .map(|e| {
            let cost = e.miss_cost_ms.map(f64::to_bits);
            let next = seen.entry((e.timestamp, &e.cache, &e.key, e.op, e.bytes, cost)).or_insert(0_u32);
            *next += 1;
            *next - 1
        })
        .collect();
    let seq = next_seq(connection, "cache_events")?;
    let (first, last) = (crate::store::read::instant(first.millis()), crate::store::read::instant(last.millis()));
    let insert = format!(
        "INSERT INTO store.cache_events BY NAME FROM {{stage}} AS new
         ANTI JOIN (FROM store.cache_events WHERE timestamp BETWEEN {first} AND {last}) AS old
         ON old.timestamp = new.timestamp AND old.cache = new.cache AND old.key = new.key AND old.op = new.op
            AND old.bytes IS NOT DISTINCT FROM new.bytes AND old.miss_cost_ms IS NOT DISTINCT FROM new.miss_cost_ms
            AND old.ordinal = new.ordinal
         ORDER BY new.seq"
    );
    StagedRows::new(&events.iter().collect::<Vec<_>>())
        .ints("seq", (seq..).take(events.len()))
        .smalls("ordinal", ordinals.into_iter())
        .run(connection, &[&insert])
}

fn put_deploys(connection: &Connection, deploys: &[Deploy]) -> Result<u64, StoreError> {
    if deploys.is_empty() {
        return Ok(0);
    }
    let rows = last_of_each(deploys, |d| (d.at, &d.service, &d.version));
    let seq = next_seq(connection, "deploys")?;
    let insert = "INSERT INTO store.deploys BY NAME FROM {stage} AS new ANTI JOIN store.deploys AS old
        ON old.timestamp = new.timestamp AND old.service = new.service AND old.version IS NOT DISTINCT FROM new.version
        ORDER BY new.seq";
    StagedRows::new(&rows).ints("seq", (seq..).take(rows.len())).run(connection, &[insert])
}

fn put_incidents(connection: &Connection, incidents: &[Incident]) -> Result<u64, StoreError> {
    if incidents.is_empty() {
        return Ok(0);
    }
    if let Some(bad) = incidents.iter().find(|i| i.ended_at.is_some_and(|end| end < i.started_at)) {
        let detail = format!("incident {:?} ends before it starts", bad.title);
        return Err(StoreError::InvalidRow { table: "incidents", detail });
    }
    if let Some(bad) = incidents.iter().find(|i| i.verdict == IncidentVerdict::False && i.ended_at.is_none()) {
        let detail = format!("incident {:?} is false and has no end: it would hide all that follows", bad.title);
        return Err(StoreError::InvalidRow { table: "incidents", detail });
    }
    let rows = last_of_each(incidents, |i| (i.started_at, &i.title, &i.target, &i.source));
    let seq = next_seq(connection, "incidents")?;
    let same = "old.started_at = new.started_at AND old.title = new.title
        AND old.target IS NOT DISTINCT FROM new.target AND old.source = new.source";
    let stage = |sql: &str| StagedRows::new(&rows).ints("seq", (seq..).take(rows.len())).run(connection, &[sql]);
    // Incidents with a changed end or verdict are deleted first, then all missing ones are inserted.
    stage(&format!(
        "DELETE FROM store.incidents AS old USING {{stage}} AS new
         WHERE {same} AND (old.ended_at IS DISTINCT FROM new.ended_at OR coalesce(old.verdict, 'real') <> new.verdict)"
    ))?;
    stage(&format!(
        "INSERT INTO store.incidents BY NAME FROM {{stage}} AS new ANTI JOIN store.incidents AS old ON {same} ORDER BY new.seq"
    ))
}

pub(in crate::store) fn cache_events(
    connection: &Connection,
    filter: &EventFilter,
) -> Result<Vec<CacheEvent>, StoreError> {
    let mut rows: Vec<CacheEvent> = RowQuery::default()
        .any_of("cache", &filter.names)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .read(connection, &format!("ORDER BY timestamp DESC, seq DESC {}", limited(filter.limit)))?;
    rows.reverse();
    Ok(rows)
}

pub(in crate::store) fn deploys(connection: &Connection, filter: &EventFilter) -> Result<Vec<Deploy>, StoreError> {
    let mut rows: Vec<Deploy> = RowQuery::default()
        .any_of("service", &filter.names)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .read(connection, &format!("ORDER BY timestamp DESC, seq DESC {}", limited(filter.limit)))?;
    rows.reverse();
    Ok(rows)
}

pub(in crate::store) fn incidents(connection: &Connection, filter: &EventFilter) -> Result<Vec<Incident>, StoreError> {
    let mut rows: Vec<Incident> = RowQuery::default()
        .any_of("target", &filter.names)
        .any_of("coalesce(verdict, 'real')", filter.verdict.map(IncidentVerdict::as_str))
        .instant("(ended_at IS NULL OR ended_at >= ?)", filter.start)
        .instant("started_at <= ?", filter.end)
        .read(connection, &format!("ORDER BY started_at DESC, seq DESC {}", limited(filter.limit)))?;
    rows.reverse();
    Ok(rows)
}
