use duckdb::Connection;

use super::{
    frame::{Columns, Query, limited},
    learned::last_of_each,
};
use crate::store::{
    StoreError,
    error::failed_to,
    rows::{Effect, Kind, OutcomeFilter, OutcomeRow, Patch, RecommendationFilter, RecommendationRow, State},
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
    let rows = last_of_each(rows, |row| &row.id);
    let json = |value: &dyn Fn(&RecommendationRow) -> String| rows.iter().map(|r| value(r)).collect::<Vec<_>>();
    let (current, proposed) = (json(&|r| r.current.to_string()), json(&|r| r.proposed.to_string()));
    let evidence = json(&|r| r.evidence.to_string());
    Columns::default()
        .text(rows.iter().map(|r| r.id.as_str()))
        .text(rows.iter().map(|r| r.kind.as_str()))
        .text(rows.iter().map(|r| r.target.as_str()))
        .text(current.iter().map(String::as_str))
        .text(proposed.iter().map(String::as_str))
        .time(rows.iter().map(|r| r.valid_from))
        .maybe_time(rows.iter().map(|r| r.valid_until))
        .text(rows.iter().map(|r| r.effect.metric.as_str()))
        .text(rows.iter().map(|r| r.effect.unit.as_str()))
        .float(rows.iter().map(|r| r.effect.value))
        .float(rows.iter().map(|r| r.effect.lower))
        .float(rows.iter().map(|r| r.effect.upper))
        .float(rows.iter().map(|r| r.effect.level))
        .float(rows.iter().map(|r| r.confidence))
        .text(rows.iter().map(|r| r.reason.as_str()))
        .text(evidence.iter().map(String::as_str))
        .text(rows.iter().map(|r| r.patch.format.as_str()))
        .text(rows.iter().map(|r| r.patch.body.as_str()))
        .text(rows.iter().map(|r| r.state.as_str()))
        .time(rows.iter().map(|r| r.created_at))
        .time(rows.iter().map(|r| r.updated_at))
        .maybe_text(rows.iter().map(|r| r.replaces.as_deref()))
        .stage(
            connection,
            "recommendations",
            &[
                "DELETE FROM store.recommendations WHERE id IN (SELECT id FROM {stage})",
                "INSERT INTO store.recommendations FROM {stage}",
            ],
        )
        .map(drop)
}

pub(in crate::store) fn recommendations(
    connection: &Connection,
    filter: &RecommendationFilter,
) -> Result<Vec<RecommendationRow>, StoreError> {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    Query::default()
        .any_of("id", &filter.ids)
        .any_of("kind", filter.kinds.iter().map(|kind: &Kind| kind.as_str()))
        .any_of("state", filter.states.iter().map(|state: &State| state.as_str()))
        .any_of("target", &filter.targets)
        .instant("updated_at >= ?", filter.updated_since)
        .instant("valid_from <= ?", filter.valid_at)
        .instant("(valid_until IS NULL OR valid_until > ?)", filter.valid_at)
        .read(
            connection,
            "recommendations",
            "id, kind, target, current, proposed, valid_from, valid_until, effect_metric, effect_unit, effect_value,
             effect_lower, effect_upper, effect_level, confidence, reason, evidence, patch_format, patch_body, state,
             created_at, updated_at, replaces",
            &format!("ORDER BY created_at DESC, id {}", limited(filter.limit)),
            |row| {
                Ok(RecommendationRow {
                    id: row.text(0)?,
                    kind: row.parsed(1, str::parse)?,
                    target: row.text(2)?,
                    current: row.parsed(3, json)?,
                    proposed: row.parsed(4, json)?,
                    valid_from: row.time(5)?,
                    valid_until: row.maybe_time(6)?,
                    effect: Effect {
                        metric: row.text(7)?,
                        unit: row.text(8)?,
                        value: row.float(9)?,
                        lower: row.float(10)?,
                        upper: row.float(11)?,
                        level: row.float(12)?,
                    },
                    confidence: row.float(13)?,
                    reason: row.text(14)?,
                    evidence: row.parsed(15, json)?,
                    patch: Patch { format: row.text(16)?, body: row.text(17)? },
                    state: row.parsed(18, str::parse)?,
                    created_at: row.time(19)?,
                    updated_at: row.time(20)?,
                    replaces: row.maybe_text(21)?,
                })
            },
        )
}

fn put_outcomes(connection: &Connection, rows: &[OutcomeRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let first: i64 = connection
        .query_row("SELECT coalesce(max(seq), -1) + 1 FROM store.outcomes", [], |row| row.get(0))
        .map_err(failed_to("number the outcomes"))?;
    Columns::default()
        .int((first..).take(rows.len()))
        .text(rows.iter().map(|r| r.recommendation.as_str()))
        .time(rows.iter().map(|r| r.at))
        .maybe_text(rows.iter().map(|r| r.from_state.map(State::as_str)))
        .text(rows.iter().map(|r| r.to_state.as_str()))
        .text(rows.iter().map(|r| r.actor.as_str()))
        .maybe_text(rows.iter().map(|r| r.note.as_deref()))
        .maybe_float(rows.iter().map(|r| r.predicted))
        .maybe_float(rows.iter().map(|r| r.predicted_lower))
        .maybe_float(rows.iter().map(|r| r.predicted_upper))
        .maybe_float(rows.iter().map(|r| r.realised))
        .maybe_float(rows.iter().map(|r| r.realised_lower))
        .maybe_float(rows.iter().map(|r| r.realised_upper))
        .stage(
            connection,
            "outcomes",
            // `IS NOT DISTINCT FROM`: nothing noted is the same as nothing noted.
            &["INSERT INTO store.outcomes
               SELECT min(new.seq), COLUMNS(new.* EXCLUDE (seq)) FROM {stage} AS new
               ANTI JOIN store.outcomes AS old
               ON old.recommendation = new.recommendation AND old.timestamp = new.timestamp AND old.to_state = new.to_state
                  AND old.from_state IS NOT DISTINCT FROM new.from_state AND old.actor = new.actor
                  AND old.note IS NOT DISTINCT FROM new.note AND old.realised IS NOT DISTINCT FROM new.realised
               GROUP BY ALL ORDER BY min(new.seq)"],
        )
        .map(drop)
}

pub(in crate::store) fn outcomes(
    connection: &Connection,
    filter: &OutcomeFilter,
) -> Result<Vec<OutcomeRow>, StoreError> {
    let mut rows = Query::default()
        .any_of("recommendation", &filter.recommendations)
        .instant("timestamp >= ?", filter.start)
        .instant("timestamp <= ?", filter.end)
        .any_of("to_state", filter.to_state.map(State::as_str))
        .read(
            connection,
            "outcomes",
            "recommendation, timestamp, from_state, to_state, actor, note, predicted, predicted_lower, predicted_upper,
             realised, realised_lower, realised_upper",
            &format!("ORDER BY seq DESC {}", limited(filter.limit)),
            |row| {
                Ok(OutcomeRow {
                    recommendation: row.text(0)?,
                    at: row.time(1)?,
                    from_state: match row.maybe_text(2)? {
                        None => None,
                        Some(_) => Some(row.parsed(2, str::parse)?),
                    },
                    to_state: row.parsed(3, str::parse)?,
                    actor: row.text(4)?,
                    note: row.maybe_text(5)?,
                    predicted: row.maybe_float(6)?,
                    predicted_lower: row.maybe_float(7)?,
                    predicted_upper: row.maybe_float(8)?,
                    realised: row.maybe_float(9)?,
                    realised_lower: row.maybe_float(10)?,
                    realised_upper: row.maybe_float(11)?,
                })
            },
        )?;
    rows.reverse();
    Ok(rows)
}
