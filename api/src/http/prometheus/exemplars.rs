//! `/api/v1/query_exemplars`: the kept exemplars of the series of an expression.

use almanac_engine::{ingest::Exemplar, series::Labels, signal};
use axum::{extract::State, response::Response};

use super::{
    answer::{PromError, Remarks, list_parts, signal_error, success_in_parts, write_labels, write_number, write_time},
    parameters::instant_of,
    query::expression,
};
use crate::http::{ApiError, AppState, Lane, Params};

/// Memory of an exemplar of an answer in bytes, at most.
const BYTES_PER_EXEMPLAR: usize = 2048;

/// Time for which a response waits for memory.
const MEMORY_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Lists the exemplars of the series of an expression: examples of observations, such as traces. The newest are kept in
/// memory.
///
/// Parameters: `query`, `start`, `end`.
#[utoipa::path(get, path = "/api/v1/query_exemplars", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL expression; its selectors select the series"), ("start" = Option<String>, Query, description = "start of the span: Unix seconds or RFC 3339"), ("end" = Option<String>, Query, description = "end of the span: Unix seconds or RFC 3339")),
    responses((status = 200, description = "exemplars by series"), (status = 400, description = "invalid parameter or expression")))]
pub(super) async fn query_exemplars(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let (start, end) = (instant_of(&params, "start")?, instant_of(&params, "end")?);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        return Err(PromError::bad_data("invalid parameter \"end\": end timestamp must not be before start time"));
    }
    let text = expression(&params)?;
    let promql = state.config.promql.clone();
    let exemplars = state.ingest.exemplars().clone();
    let work = move || {
        let query = signal::parse(&text).map_err(|error| signal_error(&error))?;
        promql.permit(&query).map_err(PromError::bad_data)?;
        Ok::<_, PromError>(exemplars.select(&query.selectors(), start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX)))
    };
    let found: Vec<(Labels, Vec<Exemplar>)> = state.run(Lane::Light, move || Ok::<_, ApiError>(work())).await??;
    let count: usize = found.iter().map(|(_, all)| all.len()).sum();
    let reserved = state.answers.reserve(count.saturating_mul(BYTES_PER_EXEMPLAR), MEMORY_WAIT).await?;
    Ok(success_in_parts(list_parts(found, write_series), &Remarks::default(), reserved))
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query_exemplars", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_exemplars_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query_exemplars(state, params).await
}

/// Writes the exemplars of a series in the JSON of Prometheus.
fn write_series(out: &mut Vec<u8>, (labels, exemplars): &(Labels, Vec<Exemplar>)) {
    out.extend_from_slice(br#"{"seriesLabels":"#);
    write_labels(out, labels);
    out.extend_from_slice(br#","exemplars":["#);
    for (idx, exemplar) in exemplars.iter().enumerate() {
        out.extend_from_slice(if idx > 0 { br#",{"labels":"# } else { br#"{"labels":"# });
        write_labels(out, &exemplar.labels);
        out.extend_from_slice(br#","value":""#);
        write_number(out, exemplar.value);
        out.extend_from_slice(br#"","timestamp":"#);
        write_time(out, exemplar.timestamp_ms);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}
