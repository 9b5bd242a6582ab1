//! `GET /v1/targets`: judged objectives as flat rows.

use almanac_engine::{
    learn::LearnedSource,
    rules::{Judged, ObjectiveState},
    signal::EvalLimits,
    store::Store,
};
use almanac_models::Timestamp;
use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    encode::{FlatRow, Keep, respond},
    flat::finite,
    format::Format,
    page::{Extent, PageParams},
};
use crate::{
    config::Config,
    http::{ApiError, AppState, ErrorBody, Lane, Params, shared::iso},
};

/// A judged objective.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TargetBody {
    /// Name of the objective.
    name: String,
    /// Labels of the series that was judged.
    element: String,
    /// `met`, `at_risk`, `missed` or `no_data`.
    state: &'static str,
    /// The value that the wanted share of the time kept to, in the unit of the expression.
    value: Option<f64>,
    /// The limit.
    limit: f64,
    /// Distance of `value` from the limit; negative when the objective is missed.
    margin: Option<f64>,
    /// Share of the time within the limit.
    good_share: Option<f64>,
    /// Share of the span that has values.
    covered: f64,
    /// At risk: when it will be missed at the present pace. Missed: when it is met again at the earliest.
    until: Option<String>,
    /// Reason in one sentence.
    reason: String,
}

impl FlatRow for TargetBody {
    const COLUMNS: &'static [&'static str] =
        &["name", "element", "state", "value", "limit", "margin", "good_share", "covered", "until", "reason"];
}

impl From<Judged> for TargetBody {
    fn from(judged: Judged) -> Self {
        Self {
            state: judged.state.as_str(),
            name: judged.name,
            element: judged.element,
            value: judged.value.and_then(finite),
            limit: judged.limit,
            margin: judged.margin.and_then(finite),
            good_share: judged.good_share,
            covered: judged.covered,
            until: judged.until_ms.map(iso),
            reason: judged.reason,
        }
    }
}

/// Judges the objectives of the configuration now, the missed ones first.
#[utoipa::path(get, path = "/v1/targets", tag = "rows",
    params(PageParams, ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per series of each objective", body = Vec<TargetBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn objectives(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (store, config, now) = (state.store.clone(), state.config.clone(), state.clock.now());
    let rows = state.run(Lane::Heavy, move || Ok::<_, ApiError>(judged_targets(&store, &config, now))).await?;
    respond(rows.into_iter().map(TargetBody::from).collect(), extent, Keep::First, format)
}

/// Judges the configured objectives, the missed ones first. One that cannot be evaluated has no data, with the reason.
pub(crate) fn judged_targets(store: &Store, config: &Config, now: Timestamp) -> Vec<Judged> {
    let source = LearnedSource::new(store.clone(), now);
    let mut rows: Vec<Judged> = Vec::new();
    for target in &config.targets {
        let judged = target
            .objective()
            .and_then(|objective| {
                let judged = objective.judge(&source, now.millis(), &EvalLimits::default());
                judged.map_err(|error| crate::chain(&error))
            })
            .unwrap_or_else(|reason| {
                vec![Judged {
                    name: target.name.clone(),
                    element: String::new(),
                    state: ObjectiveState::NoData,
                    value: None,
                    limit: target.at_most.or(target.at_least).unwrap_or(f64::NAN),
                    margin: None,
                    good_share: None,
                    covered: 0.0,
                    until_ms: None,
                    reason,
                }]
            });
        rows.extend(judged);
    }
    rows.sort_by_key(|row| row.state);
    rows
}
