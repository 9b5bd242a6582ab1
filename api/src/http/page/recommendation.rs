//! Recommendations: the list by state, and one with its evidence, patch, history and actions.

use almanac_engine::store::rows::{OutcomeRow, RecommendationFilter, RecommendationRow, State as LedgerState};
use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde_json::Value;

use super::{
    card::{Card, Stamp, by_worth, is_open},
    figures::{FigureTable, cell, tables},
    format::{quantity, words},
    overview::ledger_error,
    shell::{Shell, render},
};
use crate::{
    access::{Caller, Scope},
    http::{ApiError, AppState, Lane, Params},
};

/// Recommendations in a list of older ones.
const MAX_CLOSED: usize = 200;

#[derive(Template)]
#[template(path = "recommendations.html")]
struct List {
    shell: Shell,
    open: Vec<Card>,
    applied: Vec<Card>,
    closed: Vec<Card>,
    kind: Option<String>,
}

/// The page at `/recommendations`; `kind` selects one kind.
pub(super) async fn list(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, ApiError> {
    params.only(&["kind"])?;
    let kind = params.get("kind").map(str::to_owned);
    let kinds = match &kind {
        Some(kind) => vec![
            state
                .config
                .registry
                .kind(kind)
                .map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?,
        ],
        None => Vec::new(),
    };
    let shell = Shell::new(&state, &caller, "Recommendations", "/recommendations");
    let (ledger, config) = (state.ledger.clone(), state.config.clone());
    let page = state
        .run(Lane::Light, move || {
            let filter = RecommendationFilter { kinds, ..RecommendationFilter::default() };
            let mut rows: Vec<_> = ledger
                .list(&filter)
                .map_err(ledger_error)?
                .into_iter()
                .map(|row| {
                    let card = Card::of(&row, &config.registry);
                    (row, card)
                })
                .collect();
            by_worth(&mut rows);
            let of = |wanted: &dyn Fn(LedgerState) -> bool| -> Vec<Card> {
                rows.iter().filter(|(row, _)| wanted(row.state)).map(|(_, card)| card.clone()).collect()
            };
            let mut closed = of(&|state| !is_open(state) && state != LedgerState::Applied);
            closed.sort_by(|a, b| b.updated.iso.cmp(&a.updated.iso));
            closed.truncate(MAX_CLOSED);
            Ok::<_, ApiError>(List {
                shell,
                open: of(&is_open),
                applied: of(&|state| state == LedgerState::Applied),
                closed,
                kind,
            })
        })
        .await?;
    render(&page)
}

#[derive(Template)]
#[template(path = "recommendation.html")]
struct One {
    shell: Shell,
    card: Card,
    settings: Vec<SettingRow>,
    valid_until: Option<Stamp>,
    created: Stamp,
    level: String,
    measured: Option<Measured>,
    patch_format: String,
    patch: String,
    figures: Vec<FigureTable>,
    changes: Vec<Change>,
    replaces: Option<String>,
    actions: Actions,
}

/// One field of the setting, before and after.
#[derive(Debug, PartialEq, Eq)]
struct SettingRow {
    name: String,
    present: String,
    proposed: String,
    is_changed: bool,
}

/// Which buttons make sense.
#[derive(Debug, Clone, Copy)]
struct Actions {
    may_act: bool,
    accept: bool,
    dismiss: bool,
    applied: bool,
}

/// Promised against measured.
#[derive(Debug)]
struct Measured {
    promised: String,
    realised: String,
    verdict: String,
    at: Stamp,
}

#[derive(Debug)]
struct Change {
    at: Stamp,
    from: Option<String>,
    to: String,
    actor: String,
    note: Option<String>,
    realised: Option<String>,
}

/// The page at `/recommendations/{id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let read = state.clone();
    let (row, outcomes) = state
        .run(Lane::Light, move || {
            let row = read.ledger.get(&id).map_err(ledger_error)?;
            let outcomes = read.ledger.outcomes(&id).map_err(ledger_error)?;
            Ok::<_, ApiError>((row, outcomes))
        })
        .await?;
    let card = Card::of(&row, &state.config.registry);
    let title = format!("{} of {}", card.title, card.target);
    let page = One {
        shell: Shell::new(&state, &caller, title, "/recommendations"),
        settings: settings(&row.current, &row.proposed),
        valid_until: row.valid_until.map(Stamp::of),
        created: Stamp::of(row.created_at),
        level: quantity(row.effect.level, "1"),
        measured: measured(&row, &outcomes),
        patch_format: row.patch.format.clone(),
        patch: row.patch.body.clone(),
        figures: tables(&row.evidence, &["terms", "terms_before", "way_back", "before"]),
        changes: outcomes.iter().map(|outcome| change(outcome, &row.effect.unit)).collect(),
        replaces: row.replaces.clone(),
        actions: Actions {
            may_act: caller.require(Scope::Act).is_ok(),
            accept: row.state == LedgerState::Proposed,
            dismiss: is_open(row.state),
            applied: is_open(row.state),
        },
        card,
    };
    render(&page)
}

/// Returns the fields of the present and the proposed setting beside each other; lists of slots are shown as a number.
fn settings(present: &Value, proposed: &Value) -> Vec<SettingRow> {
    let mut names: Vec<&String> = Vec::new();
    for fields in [proposed, present].into_iter().filter_map(Value::as_object) {
        for name in fields.keys() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::Array(list)) if list.iter().any(Value::is_object) => format!("{} entries", list.len()),
        Some(value) => cell(value),
    };
    names
        .into_iter()
        .map(|name| {
            let (before, after) = (present.get(name), proposed.get(name));
            SettingRow { name: words(name), present: text(before), proposed: text(after), is_changed: before != after }
        })
        .collect()
}

fn measured(row: &RecommendationRow, outcomes: &[OutcomeRow]) -> Option<Measured> {
    let last = outcomes.iter().rev().find(|outcome| outcome.realised.is_some())?;
    let unit = row.effect.unit.as_str();
    let interval = |value: f64, lower: Option<f64>, upper: Option<f64>| match (lower, upper) {
        (Some(lower), Some(upper)) => {
            format!("{} ({} to {})", quantity(value, unit), quantity(lower, unit), quantity(upper, unit))
        }
        _ => quantity(value, unit),
    };
    Some(Measured {
        promised: interval(last.predicted.unwrap_or(row.effect.value), last.predicted_lower, last.predicted_upper),
        realised: interval(last.realised?, last.realised_lower, last.realised_upper),
        verdict: last.to_state.to_string(),
        at: Stamp::of(last.at),
    })
}

fn change(outcome: &OutcomeRow, unit: &str) -> Change {
    Change {
        at: Stamp::of(outcome.at),
        from: outcome.from_state.map(|state| state.to_string()),
        to: outcome.to_state.to_string(),
        actor: outcome.actor.clone(),
        note: outcome.note.clone(),
        realised: outcome.realised.map(|value| quantity(value, unit)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_beside_each_other() {
        let rows =
            settings(&json!({"ttl_seconds": 12.5, "a": 1}), &json!({"ttl_seconds": 600, "a": 1, "slots": [{"b": 1}]}));
        let row = |name: &str, present: &str, proposed: &str, is_changed| SettingRow {
            name: name.to_owned(),
            present: present.to_owned(),
            proposed: proposed.to_owned(),
            is_changed,
        };
        assert_eq!(
            rows,
            [row("ttl seconds", "12.5", "600", true), row("a", "1", "1", false), row("slots", "–", "1 entries", true)]
        );
        assert_eq!(settings(&Value::Null, &json!({"request": 0.094}))[0], row("request", "–", "0.094", true));
    }
}
