//! Reads and writes recommendations, their outcomes and the advice status of each target.

use std::collections::BTreeSet;

use duckdb::{Connection, params_from_iter};

use super::{
    frame::{RowQuery, StagedRows, limited},
    learned::last_of_each,
};
use crate::store::{
    StoreError,
    error::failed_to,
    rows::{
        AdviceState, AdviceStatusFilter, AdviceStatusRow, Kind, OutcomeFilter, OutcomeRow, RecommendationFilter,
        RecommendationRow, State,
    },
};

pub(in crate::store) fn put_ledger(
    connection: &Connection,
    rows: &[RecommendationRow],
    outcomes: &[OutcomeRow],
) -> Result<(), StoreError> {
    put_recommendations(connection, rows)?;
    put_outcomes(connection, outcomes)
}

fn put_recommendations(connection: &Connection, rows: &[RecommendationRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let statements = [
        "DELETE FROM store.recommendations WHERE id IN (SELECT id FROM {stage})",
        "INSERT INTO store.recommendations BY NAME FROM {stage}",
    ];
    StagedRows::new(&last_of_each(rows, |row| &row.id)).run(connection, &statements).map(drop)
}

pub(in crate::store) fn recommendations(
    connection: &Connection,
    filter: &RecommendationFilter,
) -> Result<Vec<RecommendationRow>, StoreError> {
    RowQuery::default()
        .any_of("id", &filter.ids)
        .any_of("kind", filter.kinds.iter().map(|kind: &Kind| kind.as_str()))
        .any_of("state", filter.states.iter().map(|state: &State| state.as_str()))
        .any_of("target", &filter.targets)
        .instant("updated_at >= ?", filter.updated_since)
        .instant("valid_from <= ?", filter.valid_at)
        .instant("(valid_until IS NULL OR valid_until > ?)", filter.valid_at)
        .read(connection, &format!("ORDER BY created_at DESC, id {}", limited(filter.limit)))
}

fn put_outcomes(connection: &Connection, rows: &[OutcomeRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let first: i64 = connection
        .query_row("SELECT coalesce(max(seq), -1) + 1 FROM store.outcomes", [], |row| row.get(0))
        .map_err(failed_to("number the outcomes"))?;
    // `IS NOT DISTINCT FROM` treats NULLs as equal: two outcomes without a note are the same.
    let insert = "INSERT INTO store.outcomes BY NAME
        SELECT min(new.seq) AS seq, COLUMNS(new.* EXCLUDE (seq)) FROM {stage} AS new
        ANTI JOIN store.outcomes AS old
        ON old.recommendation = new.recommendation AND old.timestamp = new.timestamp AND old.to_state = new.to_state
           AND old.from_state IS NOT DISTINCT FROM new.from_state AND old.actor = new.actor
           AND old.note IS NOT DISTINCT FROM new.note AND old.realised IS NOT DISTINCT FROM new.realised
        GROUP BY ALL ORDER BY min(new.seq)";
    StagedRows::new(&rows.iter().collect::<Vec<_>>())
        .ints("seq", (first..).take(rows.len()))
        .run(connection, &[insert])
        .map(drop)
}

pub(in crate::store) fn outcomes(
    connection: &Connection,
    filter: &OutcomeFilter,
) -> Result<Vec<OutcomeRow>, StoreError> {
    let mut rows: Vec<OutcomeRow> = RowQuery::default()
        .any_of("recommendation", &filter.recommendations)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .any_of("to_state", filter.to_state.map(State::as_str))
        .read(connection, &format!("ORDER BY seq DESC {}", limited(filter.limit)))?;
    rows.reverse();
    Ok(rows)
}

/// Replaces all rows of the given kinds and of the rows' own kinds.
pub(in crate::store) fn put_advice_status(
    connection: &Connection,
    kinds: &[String],
    rows: &[AdviceStatusRow],
) -> Result<(), StoreError> {
    let replaced: BTreeSet<&str> =
        kinds.iter().map(String::as_str).chain(rows.iter().map(|row| row.kind.as_str())).collect();
    if replaced.is_empty() {
        return Ok(());
    }
    let placeholders = vec!["?"; replaced.len()].join(", ");
    connection
        .execute(&format!("DELETE FROM store.advice_status WHERE kind IN ({placeholders})"), params_from_iter(replaced))
        .map_err(failed_to("replace the advice status"))?;
    StagedRows::new(&last_of_each(rows, |row| (&row.kind, &row.target)))
        .run(connection, &["INSERT INTO store.advice_status BY NAME FROM {stage}"])
        .map(drop)
}

pub(in crate::store) fn advice_status(
    connection: &Connection,
    filter: &AdviceStatusFilter,
) -> Result<Vec<AdviceStatusRow>, StoreError> {
    RowQuery::default()
        .any_of("kind", &filter.kinds)
        .any_of("target", &filter.targets)
        .any_of("state", filter.states.iter().map(|state: &AdviceState| state.as_str()))
        .read(connection, "ORDER BY kind, target")
}
