//! Lists recommendations, at once or when there is news, and gives single ones.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{RecommendationBody, RecommendationList, filter::filter};
use crate::http::{
    ApiError, AppState, ErrorBody, Params,
    rows::{Format, Keep, respond_rows},
};

/// Longest that a caller may wait for news.
const WAIT_MOST: Duration = Duration::from_secs(60);
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Lists recommendations, the newest first; with `If-None-Match` and `Prefer: wait=N` it answers when there is news.
#[utoipa::path(get, path = "/v1/recommendations", tag = "recommendations",
    params(
        ("kind" = Option<String>, Query, description = "kinds of recommendation, such as scaling; several by commas"),
        ("target" = Option<String>, Query, description = "workload, cache or alert; may repeat"),
        ("state" = Option<String>, Query, description = "states, several by commas"),
        ("since" = Option<String>, Query, description = "changed at this instant or later: RFC 3339 or epoch milliseconds"),
        ("limit" = Option<usize>, Query, description = "at most so many"),
        ("format" = Option<String>, Query, description = "json, or csv for flat rows; without it Accept decides"),
        ("If-None-Match" = Option<String>, Header, description = "the ETag that the caller has"),
        ("Prefer" = Option<String>, Header, description = "wait=N: up to N seconds, at most 60, for another ETag"),
    ),
    responses(
        (status = 200, description = "the recommendations", body = RecommendationList),
        (status = 304, description = "nothing has changed since the ETag given"),
        (status = 400, description = "a parameter is wrong", body = ErrorBody),
    ))]
pub(super) async fn list(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let filter = filter(&params, &state.config.registry)?;
    let format = Format::of(&params)?;
    let mut news = state.ledger.subscribe();
    let wait = wanted_wait(&headers);
    if let Some(wait) = wait
        && knows(&headers, state.ledger.revision())
    {
        tokio::select! {
            _ = news.wait_for(|&revision| !knows(&headers, revision)) => {}
            () = tokio::time::sleep(wait) => {}
            () = state.stopping.cancelled() => {}
        }
    }
    // Read before the rows: what changes in between is news for the next call.
    let revision = state.ledger.revision();
    let mut answer = if knows(&headers, revision) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let ledger = state.ledger.clone();
        let rows = state.blocking(move || ledger.list(&filter)).await?;
        if format == Format::Csv {
            respond_rows(rows, usize::MAX, Keep::First, format)?
        } else {
            let recommendations = rows.into_iter().map(RecommendationBody::from).collect();
            Json(RecommendationList { revision, recommendations }).into_response()
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

/// One recommendation with what happened to it.
#[utoipa::path(get, path = "/v1/recommendations/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "its id")),
    responses(
        (status = 200, description = "the recommendation and its history", body = RecommendationBody),
        (status = 404, description = "there is none with this id", body = ErrorBody),
    ))]
pub(super) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<RecommendationBody>, ApiError> {
    let ledger = state.ledger.clone();
    let (row, outcomes) = state.blocking(move || Ok::<_, ApiError>((ledger.get(&id)?, ledger.outcomes(&id)?))).await?;
    let history = Some(outcomes.into_iter().map(Into::into).collect());
    Ok(Json(RecommendationBody { history, ..row.into() }))
}

fn etag(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

/// Whether the caller has this revision; weak comparison, as RFC 9110 asks for `If-None-Match`.
fn knows(headers: &HeaderMap, revision: u64) -> bool {
    let own = etag(revision);
    let own = own.trim_start_matches("W/");
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == own || tag == "*")
}

/// `wait` of `Prefer` (RFC 7240), in seconds.
fn wanted_wait(headers: &HeaderMap) -> Option<Duration> {
    let given = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let seconds = given.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds).min(WAIT_MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let check = |given: &'static str, known: bool| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(given))]);
            assert_eq!(knows(&headers, 7), known, "{given}");
        };
        check("W/\"7\"", true);
        check("\"7\"", true);
        check("\"6\", W/\"7\"", true);
        check("*", true);
        check("\"77\"", false);
        check("7", false);
        assert!(!knows(&HeaderMap::new(), 7));
    }

    #[test]
    fn waits_are_read_and_bounded() {
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
