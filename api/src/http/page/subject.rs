//! One page for the targets of an advisor, from the contract alone: what is proposed, kept or lacking, with evidence.

use std::collections::HashMap;

use almanac_engine::{
    advise::rank,
    store::rows::{AdviceState, AdviceStatusFilter, RecommendationFilter},
};
use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};

use super::{
    card::{Card, Stamp},
    format::{quantity, sentence},
    overview::ledger_error,
    shell::{Shell, render},
};
use crate::{
    access::Caller,
    http::{ApiError, AppState, Lane},
};

#[derive(Template)]
#[template(path = "subject.html")]
struct Subject {
    shell: Shell,
    title: String,
    noun: String,
    section: Option<String>,
    metrics: Vec<String>,
    confidence_min: String,
    targets: Vec<Target>,
    past: Vec<Card>,
}

/// The verdict on one target.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) needs: Vec<(String, String)>,
    pub(super) card: Option<Card>,
    pub(super) updated: Stamp,
}

/// The page at `/subjects/{kind}`.
pub(super) async fn subject(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(kind): Path<String>,
) -> Result<Response, ApiError> {
    let registry = &state.config.registry;
    let kind = registry.kind(&kind).map_err(|error| ApiError::not_found("unknown_kind", error.to_string()))?;
    let advisor = registry
        .get(kind)
        .ok_or_else(|| ApiError::not_found("unknown_kind", format!("no advisor is called {kind}")))?;
    let (title, noun, section) = (advisor.title(), advisor.target(), advisor.section());
    let metrics = advisor.effects().iter().map(|metric| super::format::words(metric.name)).collect();
    let confidence_min = quantity(advisor.confidence_min(), "1");
    let shell = Shell::new(&state, &caller, title, "/subjects");
    let read = state.clone();
    let (targets, past) = state
        .run(Lane::Light, move || {
            let filter = AdviceStatusFilter { kinds: vec![kind.to_string()], ..AdviceStatusFilter::default() };
            let targets = targets(&read, &filter)?;
            let current: Vec<&String> =
                targets.iter().filter_map(|target| target.card.as_ref().map(|card| &card.id)).collect();
            let filter = RecommendationFilter { kinds: vec![kind], ..RecommendationFilter::default() };
            let past: Vec<Card> = read
                .ledger
                .list(&filter)
                .map_err(ledger_error)?
                .iter()
                .filter(|row| !current.contains(&&row.id))
                .map(|row| Card::of(row, &read.config.registry))
                .collect();
            Ok::<_, ApiError>((targets, past))
        })
        .await?;
    let page = Subject {
        shell,
        title: title.to_owned(),
        noun: noun.to_owned(),
        section: section.map(str::to_owned),
        metrics,
        confidence_min,
        targets,
        past,
    };
    render(&page)
}

/// Returns the verdicts on targets: proposed, then kept, then lacking.
pub(super) fn targets(state: &AppState, filter: &AdviceStatusFilter) -> Result<Vec<Target>, ApiError> {
    let mut rows = state.store.advice_status(filter)?;
    rows.sort_by_key(|row| rank(row.state));
    let known = state.ledger.list(&RecommendationFilter::default()).map_err(ledger_error)?;
    let known: HashMap<&str, Card> =
        known.iter().map(|row| (row.id.as_str(), Card::of(row, &state.config.registry))).collect();
    let target = |row: almanac_engine::store::rows::AdviceStatusRow| Target {
        card: row.recommendation.as_deref().and_then(|id| known.get(id).cloned()),
        needs: needs(&row.needs),
        name: row.target,
        kind: row.kind,
        state: match row.state {
            AdviceState::Proposed => "proposed",
            AdviceState::Kept => "kept",
            AdviceState::Lacks => "lacks",
        }
        .to_owned(),
        reason: sentence(&row.reason),
        updated: Stamp::of(row.updated_at),
    };
    Ok(rows.into_iter().map(target).collect())
}

/// Returns what is missing, each with its remedy.
fn needs(needs: &serde_json::Value) -> Vec<(String, String)> {
    let texts = needs.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    texts
        .map(|need| match need.split_once(": ") {
            Some((missing, remedy)) => (missing.to_owned(), remedy.to_owned()),
            None => (need.to_owned(), String::new()),
        })
        .collect()
}
