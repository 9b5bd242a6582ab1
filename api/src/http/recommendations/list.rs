//! `GET /v1/recommendations` (with long polling) and `GET /v1/recommendations/{id}`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    RecommendationBody, RecommendationList,
    filter::{LIST, filter},
};
use crate::http::{
    ApiError, AppState, ErrorBody, Lane, Params,
    rows::{Extent, Format, Keep, Page, PageParams, respond_rows},
};

/// Maximum time of a long poll.
const MAX_WAIT: Duration = Duration::from_secs(60);
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Lists recommendations, the newest first. With `If-None-Match` and `Prefer: wait=N` the response waits for a change.
#[utoipa::path(get, path = "/v1/recommendations", tag = "recommendations",
    params(
        PageParams,
        ("kind" = Option<String>, Query, description = "kinds of recommendation, such as scaling, separated by commas"),
        ("target" = Option<String>, Query, description = "workload, resource of a container, cache or alert; may be repeated"),
        ("state" = Option<String>, Query, description = "states, separated by commas"),
        ("since" = Option<String>, Query, description = "only those changed at this time or later: RFC 3339 or epoch milliseconds"),
        ("limit" = Option<usize>, Query, description = "maximum number of recommendations"),
        ("format" = Option<String>, Query, description = "json, or csv for flat rows; left out: by Accept"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of the response that the caller has"),
        ("Prefer" = Option<String>, Header, description = "wait=N: wait for a change up to N seconds, at most 60"),
    ),
    responses(
        (status = 200, description = "the recommendations", body = RecommendationList),
        (status = 304, description = "no change since the given ETag"),
        (status = 400, description = "invalid parameter", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let filter = filter(&params, &LIST, &state.config.registry)?;
    let (format, page) = (Format::of(&params)?, Page::of(&params)?);
    // Subscribed before the revision is compared, so that a change in between ends the wait.
    let mut revisions = state.ledger.subscribe();
    let wait = wanted_wait(&headers);
    if let Some(wait) = wait
        && has_revision(&headers, state.ledger.revision())
    {
        tokio::select! {
            _ = revisions.wait_for(|&revision| !has_revision(&headers, revision)) => {}
            () = tokio::time::sleep(wait) => {}
            () = state.stopping.cancelled() => {}
        }
    }
    // Read before the rows: if they change in between, the next call gets them again instead of missing the change.
    let revision = state.ledger.revision();
    let mut answer = if has_revision(&headers, revision) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let ledger = state.ledger.clone();
        let mut rows = state.run(Lane::Light, move || ledger.list(&filter)).await?;
        if format == Format::Csv {
            respond_rows(rows, Extent::ALL, Keep::First, format)?
        } else {
            let next = page.map(|page| page.cut(&mut rows));
            let recommendations = rows.into_iter().map(RecommendationBody::from).collect();
            Json(RecommendationList { revision, recommendations, next }).into_response()
        }
    };
    let headers = answer.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag(revision)) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(applied) = wait.and_then(|wait| HeaderValue::from_str(&format!("wait={}", wait.as_secs())).ok()) {
        headers.insert(PREFERENCE_APPLIED, applied);
    }
    Ok(answer)
}

/// Returns one recommendation with its history.
#[utoipa::path(get, path = "/v1/recommendations/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "id of the recommendation")),
    responses(
        (status = 200, description = "the recommendation and its history", body = RecommendationBody),
        (status = 404, description = "no recommendation has this id", body = ErrorBody),
    ))]
pub(super) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<RecommendationBody>, ApiError> {
    let ledger = state.ledger.clone();
    let (row, outcomes) =
        state.run(Lane::Light, move || Ok::<_, ApiError>((ledger.get(&id)?, ledger.outcomes(&id)?))).await?;
    let history = Some(outcomes.into_iter().map(Into::into).collect());
    Ok(Json(RecommendationBody { history, ..row.into() }))
}

fn etag(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

/// Whether `If-None-Match` has this revision, by the weak comparison of RFC 9110, section 13.1.2.
fn has_revision(headers: &HeaderMap, revision: u64) -> bool {
    let own = etag(revision);
    let own = own.trim_start_matches("W/");
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == own || tag == "*")
}

/// Returns the preference `wait` of `Prefer` (RFC 7240), limited to [`MAX_WAIT`].
fn wanted_wait(headers: &HeaderMap) -> Option<Duration> {
    let given = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let seconds = given.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let check = |given: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(given))]);
            assert_eq!(has_revision(&headers, 7), expected, "{given}");
        };
        check("W/\"7\"", true);
        check("\"7\"", true);
        check("\"6\", W/\"7\"", true);
        check("*", true);
        check("\"77\"", false);
        check("7", false);
        assert!(!has_revision(&HeaderMap::new(), 7));
    }

    #[test]
    fn waits_are_parsed_and_limited() {
        let check = |given: &'static str, seconds: Option<u64>| {
            let headers = HeaderMap::from_iter([(PREFER, HeaderValue::from_static(given))]);
            assert_eq!(wanted_wait(&headers), seconds.map(Duration::from_secs), "{given}");
        };
        check("wait=10", Some(10));
        check("respond-async, wait=5", Some(5));
        check("Wait=\"3\"", Some(3));
        check("wait=9999", Some(60));
        check("wait=soon", None);
        check("return=minimal", None);
    }
}
