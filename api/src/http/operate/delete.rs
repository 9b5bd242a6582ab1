//! `POST /v1/admin/delete`: deletes samples of selected series within a span.

use almanac_engine::{
    series::Matcher,
    signal,
    store::{Deletion, DeletionReport},
};
use almanac_models::Timestamp;
use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{
    ApiError, AppState, ErrorBody, Lane,
    guard::AuditNote,
    shared::{iso, parse_duration_ms, parse_time},
};

/// Samples to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteBody {
    /// `PromQL` series selector, such as `up{job="api"}`.
    #[serde(rename = "match")]
    pub(crate) selector: String,
    /// Start: epoch milliseconds, RFC 3339, a date, `now` or `now-6h`; left out: the first sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// End, inclusive, in the same formats; left out: the last sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// Whether to count without deleting.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Result of a deletion, or of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeletionBody {
    /// Whether samples were only counted.
    pub(crate) dry_run: bool,
    /// Series with samples in the span.
    pub(crate) series: u64,
    /// Series removed because they have no samples left; 0 in a dry run.
    pub(crate) series_emptied: u64,
    /// Samples in the span.
    pub(crate) samples: u64,
    /// Rollup rows that overlap the span.
    pub(crate) rollups: u64,
    /// Time of the oldest sample in the span, RFC 3339.
    pub(crate) oldest: Option<String>,
    /// Time of the newest sample in the span, RFC 3339.
    pub(crate) newest: Option<String>,
}

impl DeletionBody {
    pub(crate) fn new(report: &DeletionReport, dry_run: bool) -> Self {
        let shown = |at: Option<Timestamp>| at.map(|at| iso(at.millis()));
        Self {
            dry_run,
            series: report.series,
            series_emptied: report.series_emptied,
            samples: report.samples,
            rollups: report.rollups,
            oldest: shown(report.oldest),
            newest: shown(report.newest),
        }
    }
}

/// Parses a deletion; also used by `almanac delete`. An error is one line that names the invalid field.
pub(crate) fn deletion(body: &DeleteBody, now: Timestamp) -> Result<Deletion, String> {
    let (from, until) = (instant("from", body.from.as_deref(), now)?, instant("until", body.until.as_deref(), now)?);
    if let (Some(from), Some(until)) = (from, until)
        && until < from
    {
        return Err("until is before from".to_owned());
    }
    Ok(Deletion { matchers: selector(&body.selector)?, from, until, dry_run: body.dry_run })
}

/// Returns the matchers of a selector without functions, operators or modifiers.
fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("match is empty; write a series selector such as up{job=\"api\"}".to_owned());
    }
    let query = signal::parse(text).map_err(|error| format!("match {text:?}: {}", crate::chain(&error)))?;
    let name_end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let rest = text[name_end..].trim_start();
    // The parser's matchers do not show whether an expression surrounds the selector, so the text is checked too.
    let is_bare = rest.is_empty() || (rest.starts_with('{') && rest.ends_with('}') && !has_second_brace(rest));
    match query.selectors().as_slice() {
        [matchers] if is_bare => Ok(matchers.to_vec()),
        _ => Err(format!("match {text:?} is not a series selector such as up{{job=\"api\"}}")),
    }
}

/// Whether the text has two opening braces outside of quotes, as an expression of several selectors has.
fn has_second_brace(text: &str) -> bool {
    let (mut quote, mut is_escaped, mut open) = (None, false, 0);
    for c in text.chars() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(mark) if c == '\\' && mark != '`' => is_escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => open += usize::from(c == '{'),
        }
    }
    open > 1
}

/// Parses an instant: epoch milliseconds, RFC 3339, a date (its start in UTC), `now` or `now-6h`.
fn instant(name: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let Some(text) = text else { return Ok(None) };
    let millis = match text.strip_prefix("now") {
        Some("") => Some(now.millis()),
        Some(offset) => match (offset.as_bytes().first(), offset.get(1..).and_then(parse_duration_ms)) {
            (Some(b'-'), Some(back)) => Some(now.millis().saturating_sub(back)),
            (Some(b'+'), Some(ahead)) => Some(now.millis().saturating_add(ahead)),
            _ => None,
        },
        None => parse_time(text, 1.0).or_else(|| parse_time(&format!("{text}T00:00:00Z"), 1.0)),
    };
    millis.map(|millis| Some(Timestamp::from_millis(millis))).ok_or_else(|| {
        format!("{name} {text:?} is not a time: write epoch milliseconds, RFC 3339, a date, now or now-6h")
    })
}

/// Deletes samples of the series that match a selector, optionally within a span.
///
/// The deletion is on disk when the response is sent, and rollups are updated. Forecasts, scores and recommendations
/// computed from the samples are kept. A selector that matches every series is rejected; to delete everything, write
/// `{__name__=~".+"}`.
#[utoipa::path(post, path = "/v1/admin/delete", operation_id = "delete_samples", tag = "operate", request_body = DeleteBody,
    responses((status = 200, description = "result of the deletion or of the dry run", body = DeletionBody), (status = 400, description = "invalid selector or time", body = ErrorBody), (status = 403, description = "the token lacks the scope admin", body = ErrorBody)))]
pub(super) async fn delete(
    State(state): State<AppState>,
    Extension(note): Extension<AuditNote>,
    body: Result<Json<DeleteBody>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<DeletionBody>, ApiError> {
    let Json(body) = body.map_err(|error| ApiError::new(error.status(), "invalid_body", error.body_text()))?;
    let now = state.clock.now();
    let (store, dry_run, selector) = (state.store.clone(), body.dry_run, body.selector.clone());
    note.set(format!(
        "{selector} from {} until {}{}",
        body.from.as_deref().unwrap_or("the first sample"),
        body.until.as_deref().unwrap_or("the last sample"),
        if dry_run { " (dry run)" } else { "" }
    ));
    let work = move || {
        let deletion = deletion(&body, now).map_err(|message| ApiError::bad_request("invalid_parameter", message))?;
        store.delete(&deletion).map_err(ApiError::from)
    };
    let report = state.run(Lane::Delete, work).await?;
    if !dry_run {
        tracing::info!(selector, series = report.series, samples = report.samples, "samples deleted");
    }
    Ok(Json(DeletionBody::new(&report, dry_run)))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::{
        access::Auth,
        config::Config,
        http::tests::{END_MS, TestService},
    };

    #[test]
    fn a_span_of_a_series_is_counted_and_then_deleted() {
        let service = TestService::new();
        let from = END_MS - 600_000;
        let mut body = json!({ "match": "up{job=\"db\"}", "from": from.to_string(), "dry_run": true });
        let counted = service.post_json("/v1/admin/delete", &body);
        assert_eq!(counted.status, StatusCode::OK, "{}", counted.text());
        assert_eq!(
            counted.json(),
            json!({ "dry_run": true, "series": 1, "series_emptied": 0, "samples": 41, "rollups": 0,
                "oldest": "2026-11-23T07:50:00.000Z", "newest": "2026-11-23T08:00:00.000Z" })
        );
        let rows = |job: &str| {
            let path = format!("/v1/samples?metric=up&job={job}&from=now-1h");
            service.get(&path).json().as_array().map(Vec::len)
        };
        assert_eq!((rows("db"), rows("api")), (Some(241), Some(241)));
        body["dry_run"] = false.into();
        assert_eq!(service.post_json("/v1/admin/delete", &body).json()["samples"], 41);
        assert_eq!((rows("db"), rows("api")), (Some(200), Some(241)));
        let again = service.post_json("/v1/admin/delete", &body).json();
        assert_eq!((&again["samples"], &again["oldest"]), (&0.into(), &serde_json::Value::Null));
        // Learned signals are kept.
        assert_eq!(service.get("/v1/signals?signal=db_up").json()[0]["signal"], "db_up");
    }

    #[test]
    fn ambiguous_deletions_are_rejected() {
        let service = TestService::new();
        let check = |body: serde_json::Value, code: &str| {
            let reply = service.post_json("/v1/admin/delete", &body);
            assert_eq!(
                (reply.status, &reply.json()["error"]["code"]),
                (StatusCode::BAD_REQUEST, &code.into()),
                "{body}"
            );
        };
        check(json!({ "match": "" }), "invalid_parameter");
        check(json!({ "match": "sum(up)" }), "invalid_parameter");
        check(json!({ "match": "{job=~\".*\"}" }), "invalid_parameter");
        check(json!({ "match": "{job=~\".+\"}" }), "whole_store");
        check(json!({ "match": "up", "from": "yesterday" }), "invalid_parameter");
        check(json!({ "match": "up", "from": "now", "until": "now-1h" }), "invalid_parameter");
        for body in [r#"{"from": "now"}"#, r#"{"match": "up", "untill": "now"}"#, "{"] {
            let reply = service.post("/v1/admin/delete", "application/json", body);
            assert!(reply.status.is_client_error(), "{body}: {}", reply.status);
        }
        // A web page can send text/plain without a CORS preflight, but not JSON.
        let reply = service.post("/v1/admin/delete", "text/plain", r#"{"match": "up"}"#);
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(service.store().stats().series, 4);
    }

    #[test]
    fn without_the_token_nothing_is_deleted() {
        let service = TestService::with(Auth::token("secret"), Config::default());
        let reply = service.post_json("/v1/admin/delete", &json!({ "match": "up" }));
        assert_eq!((reply.status, service.store().stats().series), (StatusCode::UNAUTHORIZED, 4));
    }

    fn read(selector: &str, from: Option<&str>, until: Option<&str>) -> Result<Deletion, String> {
        let text = |at: Option<&str>| at.map(str::to_owned);
        let body = DeleteBody { selector: selector.into(), from: text(from), until: text(until), dry_run: false };
        deletion(&body, Timestamp::from_millis(1_000_000_000))
    }

    #[test]
    fn only_bare_selectors_are_accepted() {
        for selector in ["up", "up{}", "{__name__=\"up\"}", " up{job=\"a{b}\"} ", "a:b{x=~\"a{2}|b\", y='\"{'}"] {
            assert!(read(selector, None, None).is_ok(), "{selector}: {:?}", read(selector, None, None));
        }
        for wrong in [
            "",
            "  ",
            "up + up",
            "rate(up[5m])",
            "up[5m]",
            "up offset 5m",
            "1",
            "{a=\"b\"} and {a=\"b\"}",
            "{",
            "sum(up)",
        ] {
            assert!(read(wrong, None, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_milliseconds_dates_or_relative() {
        let check = |text: &str, expected: Option<i64>| {
            let found = read("up", Some(text), None).map(|deletion| deletion.from.map(Timestamp::millis));
            assert_eq!(found.ok().flatten(), expected, "{text}");
        };
        check("1767225600000", Some(1_767_225_600_000));
        check("2026-01-01", Some(1_767_225_600_000));
        check("2026-01-01T00:00:00Z", Some(1_767_225_600_000));
        check("now", Some(1_000_000_000));
        check("now-1h", Some(996_400_000));
        check("now+1h", Some(1_003_600_000));
        for wrong in ["yesterday", "now-", "now1h", "", "2026-13-01"] {
            check(wrong, None);
        }
        let message = read("up", Some("now"), Some("now-1h")).unwrap_err();
        assert_eq!(message, "until is before from");
    }
}
