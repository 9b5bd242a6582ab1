//! `/api/v1/labels`, `/api/v1/label/{name}/values` and `/api/v1/series`.

use std::{error::Error, time::Duration};

use almanac_engine::{
    learn::LearnedSource,
    series::{Labels, Matcher, SourceError},
    signal,
    store::Store,
};
use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    answer::{PromError, Remarks, list_parts, signal_error, success_in_parts, write_labels, write_string},
    parameters::{instant_of, limit_of},
};
use crate::http::{ApiError, AppState, Lane, Params};

/// Memory of a label set or a value in bytes, roughly.
const BYTES_PER_ITEM: usize = 200;
/// Time for which a response waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);

/// Lists label names.
///
/// Parameters: `match[]` (selectors, repeated), `start`, `end`, `limit`.
#[utoipa::path(get, path = "/api/v1/labels", tag = "prometheus",
    params(("match[]" = Option<Vec<String>>, Query, description = "series selectors"), ("start" = Option<String>, Query, description = "start of the span: Unix seconds or RFC 3339"), ("end" = Option<String>, Query, description = "end of the span: Unix seconds or RFC 3339"), ("limit" = Option<usize>, Query, description = "maximum number of names")),
    responses((status = 200, description = "label names"), (status = 400, description = "invalid parameter")))]
pub(super) async fn labels(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let limit = limit_of(&params, "limit")?;
    let read = |source: &LearnedSource, store: &Store, scope: &SeriesScope| {
        let mut names = store.label_names(&scope.selectors, scope.start_ms, scope.end_ms)?;
        let learned = scope.learned(source)?;
        names.extend(learned.iter().flat_map(|labels| labels.iter().map(|(name, _)| name.to_owned())));
        Ok(sorted(names))
    };
    let names = scoped(&state, params, read).await?;
    list(&state, names, limit, |out, name| write_string(out, name)).await
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/labels", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn labels_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    labels(state, params).await
}

/// Lists the values of a label.
///
/// Parameters: `match[]` (selectors, repeated), `start`, `end`, `limit`.
#[utoipa::path(get, path = "/api/v1/label/{name}/values", tag = "prometheus",
    params(("name" = String, Path, description = "name of the label"), ("match[]" = Option<Vec<String>>, Query, description = "series selectors"), ("start" = Option<String>, Query, description = "start of the span: Unix seconds or RFC 3339"), ("end" = Option<String>, Query, description = "end of the span: Unix seconds or RFC 3339"), ("limit" = Option<usize>, Query, description = "maximum number of values")),
    responses((status = 200, description = "values of the label"), (status = 400, description = "invalid parameter")))]
pub(super) async fn label_values(
    State(state): State<AppState>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, PromError> {
    let name = label_name(&name)?;
    let limit = limit_of(&params, "limit")?;
    let read = move |source: &LearnedSource, store: &Store, scope: &SeriesScope| {
        let mut values = store.label_values(&name, &scope.selectors, scope.start_ms, scope.end_ms)?;
        values.extend(scope.learned(source)?.iter().filter_map(|labels| labels.get(&name)).map(str::to_owned));
        Ok(sorted(values))
    };
    let values = scoped(&state, params, read).await?;
    list(&state, values, limit, |out, value| write_string(out, value)).await
}

/// Lists the label sets of series.
///
/// Parameters: `match[]` (selectors, repeated, at least one), `start`, `end`, `limit`.
#[utoipa::path(get, path = "/api/v1/series", tag = "prometheus",
    params(("match[]" = Vec<String>, Query, description = "series selectors"), ("start" = Option<String>, Query, description = "start of the span: Unix seconds or RFC 3339"), ("end" = Option<String>, Query, description = "end of the span: Unix seconds or RFC 3339"), ("limit" = Option<usize>, Query, description = "maximum number of series")),
    responses((status = 200, description = "label sets"), (status = 400, description = "invalid parameter")))]
pub(super) async fn series(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    if params.get("match[]").is_none() {
        return Err(PromError::bad_data("no match[] parameter provided"));
    }
    let limit = limit_of(&params, "limit")?;
    let read = |source: &LearnedSource, store: &Store, scope: &SeriesScope| {
        let mut series = store.series(&scope.selectors, scope.start_ms, scope.end_ms)?;
        series.extend(scope.learned(source)?);
        Ok(sorted(series))
    };
    let series = scoped(&state, params, read).await?;
    list(&state, series, limit, write_labels).await
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/series", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn series_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    series(state, params).await
}

/// The selectors and the span of a request.
struct SeriesScope {
    selectors: Vec<Vec<Matcher>>,
    start_ms: i64,
    end_ms: i64,
}

impl SeriesScope {
    fn of(params: &Params) -> Result<Self, PromError> {
        let selectors = params.all("match[]").map(selector).collect::<Result<_, _>>()?;
        let start_ms = instant_of(params, "start")?.unwrap_or(i64::MIN);
        let end_ms = instant_of(params, "end")?.unwrap_or(i64::MAX);
        if end_ms < start_ms {
            return Err(PromError::bad_data("invalid parameter \"end\": end timestamp must not be before start time"));
        }
        Ok(Self { selectors, start_ms, end_ms })
    }

    /// Returns the labels of the learned series that a selector names.
    fn learned(&self, source: &LearnedSource) -> Result<Vec<Labels>, SourceError> {
        source.learned_labels(&self.selectors, self.start_ms, self.end_ms)
    }
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all.dedup();
    all
}

/// Returns the matchers of a selector without functions, operators or modifiers, such as `up{job="api"}`.
pub(super) fn selector(text: &str) -> Result<Vec<Matcher>, PromError> {
    let query = signal::parse(text).map_err(|error| signal_error(&error))?;
    match query.plain_selector() {
        Some(matchers) => Ok(matchers.to_vec()),
        None => Err(PromError::bad_data(format!("invalid parameter \"match[]\": {text:?} is not a series selector"))),
    }
}

/// Decodes a label name. Prometheus 3 escapes names with special characters: prefix `U__`, `__` for `_`, and `_2e_` for
/// the character with that hexadecimal code.
fn label_name(name: &str) -> Result<String, PromError> {
    let Some(escaped) = name.strip_prefix("U__") else { return Ok(name.to_owned()) };
    let wrong = || PromError::bad_data(format!("invalid label name: {name:?}"));
    let (mut plain, mut rest) = (String::new(), escaped);
    while let Some(at) = rest.find('_') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            plain.push('_');
            rest = after;
            continue;
        }
        let end = rest.find('_').ok_or_else(wrong)?;
        let code = u32::from_str_radix(&rest[..end], 16).map_err(|_| wrong())?;
        plain.push(char::from_u32(code).ok_or_else(wrong)?);
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    Ok(plain)
}

/// Parses the selectors and reads the store, on a thread that may block: patterns may take long.
async fn scoped<T: Send + 'static>(
    state: &AppState,
    params: Params,
    work: impl FnOnce(&LearnedSource, &Store, &SeriesScope) -> Result<T, Box<dyn Error>> + Send + 'static,
) -> Result<T, PromError> {
    let store = state.store.clone();
    let source = LearnedSource::new(store.clone(), state.clock.now());
    let read = move || {
        let scope = SeriesScope::of(&params)?;
        work(&source, &store, &scope).map_err(|error| PromError::internal(error.as_ref()))
    };
    state.run(Lane::Labels, move || Ok::<_, ApiError>(read())).await?
}

/// Responds with the items up to `limit`, which are encoded while the client reads them.
async fn list<T: Send + 'static>(
    state: &AppState,
    mut items: Vec<T>,
    limit: Option<usize>,
    write: fn(&mut Vec<u8>, &T),
) -> Result<Response, PromError> {
    let limit = limit.unwrap_or(items.len());
    let truncated = limit < items.len();
    items.truncate(limit);
    let reserved = state.answers.reserve(items.len().saturating_mul(BYTES_PER_ITEM), MEMORY_WAIT).await?;
    Ok(success_in_parts(list_parts(items, write), &Remarks::truncated(truncated), reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_label_names_are_decoded() {
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(label_name(name).ok().as_deref(), expected, "{name}");
        check("job", Some("job"));
        check("U__http_2e_status", Some("http.status"));
        check("U__a__b", Some("a_b"));
        check("U__a_zz_", None);
    }

    #[test]
    fn only_bare_selectors_select_series() {
        let check = |text: &str, valid: bool| assert_eq!(selector(text).is_ok(), valid, "{text}");
        check("up", true);
        check(" up{job=\"a}b\"} ", true);
        check("{__name__=~\"a.*\"}", true);
        for wrong in ["rate(up[5m])", "up + up", "2 * {a=\"b\"}", "{a=\"b\"} offset 5m", "up[5m]", "1", "-up"] {
            check(wrong, false);
        }
    }
}
