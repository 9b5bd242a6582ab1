//! `GET /v1/breaches`: expected breaches of alerting rules as flat rows.

use almanac_engine::{
    advise::{
        AdviceSpecs,
        threshold::{ExpectedBreach, Threshold, expected_breaches},
    },
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
use crate::http::{ApiError, AppState, ErrorBody, Lane, Params, shared::iso};

/// A signal that will pass the bound of an alerting rule if its trend continues.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct BreachBody {
    /// Time when its peaks pass the bound, RFC 3339.
    time: String,
    /// Earliest time by the 95 % interval of the trend.
    earliest: String,
    /// Latest time by that interval; null when it is more than a year ahead.
    latest: Option<String>,
    /// Name of the alert.
    alert: String,
    /// Expression of the rule.
    expr: String,
    /// Labels of the series.
    element: String,
    /// Change of the signal per day.
    slope_per_day: Option<f64>,
}

impl FlatRow for BreachBody {
    const COLUMNS: &'static [&'static str] =
        &["time", "earliest", "latest", "alert", "expr", "element", "slope_per_day"];
}

impl From<ExpectedBreach> for BreachBody {
    fn from(expected: ExpectedBreach) -> Self {
        let ExpectedBreach { alert, expr, element, breach } = expected;
        Self {
            time: iso(breach.expected_ms),
            earliest: iso(breach.earliest_ms),
            latest: breach.latest_ms.map(iso),
            alert,
            expr,
            element,
            slope_per_day: finite(breach.slope_per_day),
        }
    }
}

/// Lists signals of the alerting rules in force that trend towards their bounds, such as disks, certificates and
/// queues, sorted by time. A rule whose signal cannot be evaluated is skipped.
#[utoipa::path(get, path = "/v1/breaches", tag = "rows",
    params(PageParams, ("limit" = Option<usize>, Query, description = "maximum number of rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object per signal that will pass its bound", body = Vec<BreachBody>), (status = 400, description = "invalid parameter", body = ErrorBody)))]
pub(super) async fn breaches(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["limit", "format", "page", "cursor"])?;
    let (format, extent) = (Format::of(&params)?, Extent::of(&params)?);
    let (store, config, now) = (state.store.clone(), state.config.clone(), state.clock.now());
    let found = move || {
        let (specs, _) = config.advice_specs().map_err(|error| ApiError::internal(&error))?;
        Ok::<_, ApiError>(all_expected_breaches(&store, &specs, now))
    };
    let rows = state.run(Lane::Heavy, found).await?;
    respond(rows.into_iter().map(BreachBody::from).collect(), extent, Keep::First, format)
}

/// Returns the expected breaches of the alerting rules in force, the soonest first. A rule whose signal cannot be
/// evaluated is skipped.
pub(crate) fn all_expected_breaches(store: &Store, specs: &AdviceSpecs, now: Timestamp) -> Vec<ExpectedBreach> {
    let mut found: Vec<ExpectedBreach> = specs
        .of::<Threshold>()
        .map(|spec| &spec.rule)
        .filter_map(|rule| match expected_breaches(store, rule, now) {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::debug!(alert = %rule.alert, error = %crate::chain(&error), "rule skipped: no trend");
                None
            }
        })
        .flatten()
        .collect();
    found.sort_by_key(|expected| expected.breach.expected_ms);
    found
}
