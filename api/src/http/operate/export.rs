//! `GET /v1/export`: the samples of selected series in parts, the newest first, for `almanac export --url`.

use std::time::Duration;

use almanac_engine::{
    export::{line, newest_part},
    series::Matcher,
};
use almanac_models::Timestamp;
use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use super::delete::{DeleteBody, deletion};
use crate::http::{ApiError, AppState, ErrorBody, Lane, Params, shared::body_of};

/// Header with the start of the part's span, epoch milliseconds.
pub(crate) const PART_FROM: HeaderName = HeaderName::from_static("almanac-part-from");
/// Most samples of an answer.
const ANSWER_SAMPLES: usize = 2_000_000;
/// Memory of a sample in bytes while it waits for the client.
const BYTES_PER_SAMPLE: usize = 16;
/// Time for which a response waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);

/// What is exported: series, and the span in epoch milliseconds, inclusive.
#[derive(Debug, Clone)]
pub(crate) struct Exported {
    /// Conditions that a series satisfies; none: all series.
    pub(crate) matchers: Vec<Matcher>,
    /// Start of the span.
    pub(crate) from: i64,
    /// End of the span.
    pub(crate) until: i64,
}

/// Parses the parameters of an export; also used by `almanac export`. An error is one line that names the invalid field.
pub(crate) fn exported(
    selector: Option<&str>,
    from: Option<&str>,
    until: Option<&str>,
    now: Timestamp,
) -> Result<Exported, String> {
    let text = |value: Option<&str>| value.map(str::to_owned);
    // Without a selector the matchers of another one are not used.
    let any = "up".to_owned();
    let body =
        DeleteBody { selector: text(selector).unwrap_or(any), from: text(from), until: text(until), dry_run: true };
    let read = deletion(&body, now)?;
    Ok(Exported {
        matchers: if selector.is_some() { read.matchers } else { Vec::new() },
        from: read.from.map_or(i64::MIN, Timestamp::millis),
        until: read.until.map_or(i64::MAX, Timestamp::millis),
    })
}

/// Returns the newest samples of a span, at most one day of them and at most two million.
///
/// Each line is a series: `{"metric":{…},"values":[…],"timestamps":[…]}`, the values that JSON has no number for as the texts `NaN`,
/// `Inf`, `-Inf` and `stale` (a stale marker). The header `almanac-part-from` has the start of the part's span; the next older part
/// has `until` one millisecond before it. 204: no samples are left.
#[utoipa::path(get, path = "/v1/export", operation_id = "export_samples", tag = "operate",
    params(("match" = Option<String>, Query, description = "series selector such as up{job=\"api\"} [all series]"), ("from" = Option<String>, Query, description = "start of the span: epoch milliseconds, RFC 3339, a date, now or now-6h [the first sample]"), ("until" = Option<String>, Query, description = "end of the span, inclusive, in the same formats [the last sample]")),
    responses((status = 200, description = "lines of JSON, one for each series", content_type = "application/x-ndjson"), (status = 204, description = "no samples are left"), (status = 400, description = "invalid selector or time", body = ErrorBody)))]
pub(super) async fn export(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["match", "from", "until"])?;
    let now = state.clock.now();
    let of = |name: &str| params.get(name).map(str::to_owned);
    let (selector, from, until) = (of("match"), of("from"), of("until"));
    let store = state.store.clone();
    let work = move || {
        let what = exported(selector.as_deref(), from.as_deref(), until.as_deref(), now)
            .map_err(|message| ApiError::bad_request("invalid_parameter", message))?;
        newest_part(&store, &what.matchers, (what.from, what.until), ANSWER_SAMPLES)
            .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "export_failed", crate::chain(&error)))
    };
    let Some(part) = state.run(Lane::Heavy, work).await? else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let samples: usize = part.series.iter().map(|one| one.values.len()).sum();
    let reserved = state.answers.reserve(samples.saturating_mul(BYTES_PER_SAMPLE), MEMORY_WAIT).await?;
    let lines = part.series.into_iter().map(|one| {
        let mut text = line(&one).into_bytes();
        text.push(b'\n');
        text
    });
    let headers = [(CONTENT_TYPE, "application/x-ndjson".to_owned()), (PART_FROM, part.from_ms.to_string())];
    Ok((headers, body_of(lines, reserved)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::{END_MS, TestService};

    #[test]
    fn parts_follow_each_other_until_no_sample_is_left() {
        let service = TestService::new();
        let stored = service.store().stats();
        let (mut until, mut samples, mut answers) = (END_MS, 0, 0);
        loop {
            let reply = service.get(&format!("/v1/export?until={until}"));
            if reply.status == StatusCode::NO_CONTENT {
                break;
            }
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
            for text in reply.text().lines() {
                samples += almanac_engine::export::parse_line(text).unwrap().values.len() as u64;
            }
            until = reply.headers[PART_FROM].to_str().unwrap().parse::<i64>().unwrap() - 1;
            answers += 1;
        }
        assert_eq!(samples, stored.samples_hot + stored.samples_late + stored.samples_cold);
        assert!(answers >= 1);
        let one = service.get("/v1/export?match=up%7Bjob%3D%22db%22%7D&from=now-10m").text();
        assert!(one.starts_with("{\"metric\":{\"__name__\":\"up\"") && one.lines().count() == 1, "{one}");
        for wrong in ["match=sum(up)", "from=yesterday", "from=now&until=now-1h"] {
            assert_eq!(service.get(&format!("/v1/export?{wrong}")).status, StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
