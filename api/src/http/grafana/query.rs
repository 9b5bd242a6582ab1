//! Responds to queries of panels and annotations.

use std::time::Duration;

use almanac_engine::{
    signal::{self, EvalLimits, Query, RangeSeries},
    store::rows::{IncidentVerdict, SignalFilter},
};
use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use utoipa::ToSchema;

use super::{
    filters::Filters,
    frames::{Column, ColumnKind, frame},
    learned,
    request::{Lenient, QueryBody, Range, TargetBody, or_default},
    series::{PanelRange, ResponseFormat, evaluate, response_format, series_frames},
    target::{Target, expression},
};
use crate::http::{ApiError, AppState, ErrorBody, Lane, prometheus::evaluate_within, rows::all_expected_breaches};

/// Timeout of one target.
const TARGET_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum number of targets of a request.
const MAX_TARGETS: usize = 200;
/// Maximum number of points of a response.
const MAX_POINTS: usize = 2_000_000;
/// Maximum number of points from which annotations are made.
const MAX_ANNOTATED_POINTS: usize = 200_000;
/// The refId of annotation queries.
const ANNOTATIONS_REF_ID: &str = "Anno";

/// An annotation; a region if it has an end.
#[derive(Debug, Clone, PartialEq)]
struct Annotation {
    time_ms: i64,
    end_ms: Option<i64>,
    title: String,
    text: String,
    tags: Vec<String>,
}

/// Responds to the query of a panel, or of annotations for a target with the refId `Anno`.
#[utoipa::path(post, path = "/grafana/query", operation_id = "grafana_query", tag = "grafana", request_body = QueryBody,
    responses((status = 200, description = "frames, each with the refId of its target", body = Vec<Object>), (status = 400, description = "invalid target", body = ErrorBody), (status = 413, description = "too many targets", body = ErrorBody), (status = 422, description = "too many points", body = ErrorBody)))]
pub(super) async fn query(
    State(state): State<AppState>,
    Lenient(body): Lenient<QueryBody>,
) -> Result<Json<Vec<Box<RawValue>>>, ApiError> {
    let range = PanelRange::of(&body, state.clock.now().millis())?;
    if body.targets.len() > MAX_TARGETS {
        let message =
            format!("the request has {} targets; at most {MAX_TARGETS} are evaluated at once", body.targets.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_targets", message));
    }
    let filters = filters(&state, &body).await?;
    let mut frames = Vec::new();
    let mut left = MAX_POINTS;
    for target in body.targets.iter().filter(|target| !target.hide) {
        if target.ref_id == ANNOTATIONS_REF_ID {
            let frame = annotation_frame(&annotations_of(&state, target, range, &filters).await?);
            frames.extend(encoded(&[frame])?);
        } else {
            frames.extend(panel(&state, target, (range, &filters), &mut left).await?);
        }
    }
    Ok(Json(frames))
}

/// Encodes frames: as text they take a fraction of the memory of a tree.
fn encoded(frames: &[Value]) -> Result<Vec<Box<RawValue>>, ApiError> {
    frames.iter().map(|frame| to_raw_value(frame).map_err(|error| ApiError::internal(&error))).collect()
}

/// Parses the dashboard's filters and looks up which of their keys are labels.
async fn filters(state: &AppState, body: &QueryBody) -> Result<Filters, ApiError> {
    let bodies = body.filters();
    if bodies.is_empty() {
        return Ok(Filters::default());
    }
    let store = state.store.clone();
    state
        .run(Lane::Labels, move || {
            let filters = Filters::read(&bodies)?;
            if filters.keys().next().is_none() {
                return Ok::<_, ApiError>(filters);
            }
            Ok(filters.with_labels(&store.label_names(&[], i64::MIN, i64::MAX)?))
        })
        .await
}

/// An annotation query of older plugin versions.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AnnotationsBody {
    /// The query.
    #[serde(default, deserialize_with = "or_default")]
    annotation: AnnotationBody,
    /// Span of the dashboard.
    #[serde(default, deserialize_with = "or_default")]
    range: Range,
}

/// The query of older plugin versions.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct AnnotationBody {
    /// A target, as in `/grafana/query`; left out: `incidents`.
    #[serde(default)]
    query: Option<String>,
}

/// Responds to annotation queries of plugin versions up to 0.3.
#[utoipa::path(post, path = "/grafana/annotations", tag = "grafana", request_body = AnnotationsBody,
    responses((status = 200, description = "annotations with time, timeEnd, isRegion, title, text and tags", body = Vec<Object>), (status = 400, description = "invalid query", body = ErrorBody)))]
pub(super) async fn annotations(
    State(state): State<AppState>,
    Lenient(body): Lenient<AnnotationsBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let query = QueryBody { range: body.range, ..QueryBody::default() };
    let range = PanelRange::of(&query, state.clock.now().millis())?;
    let text = body.annotation.query.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "incidents".to_owned());
    let target: TargetBody = serde_json::from_value(json!({ "refId": ANNOTATIONS_REF_ID, "target": text }))
        .map_err(|error| ApiError::internal(&error))?;
    let notes = annotations_of(&state, &target, range, &Filters::default()).await?;
    Ok(Json(
        notes
            .into_iter()
            .map(|note| {
                let end = note.end_ms.unwrap_or(note.time_ms);
                json!({
                    "time": note.time_ms, "timeEnd": end, "isRegion": note.end_ms.is_some(),
                    "title": note.title, "text": note.text, "tags": note.tags,
                })
            })
            .collect(),
    ))
}

/// Parses a target on a thread that may block, since patterns may take long; `None` when it is empty.
async fn parse_target(state: &AppState, target: &TargetBody) -> Result<Option<Target>, ApiError> {
    let text = target.target.clone().unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(None);
    }
    if text.trim() == "promql" {
        let Some(expr) = target.option("expr") else {
            let message = format!("target {}: the target promql requires the option expr", target.ref_id);
            return Err(ApiError::bad_request("unknown_option", message));
        };
        return state.run(Lane::Labels, move || expression(&expr).map(|query| Some(Target::Expression(query)))).await;
    }
    let names = signal_names(state).await?;
    state.run(Lane::Labels, move || Target::read(&text, &names).map(Some)).await
}

/// Returns the names of all signals.
pub(super) async fn signal_names(state: &AppState) -> Result<Vec<String>, ApiError> {
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.signals(&SignalFilter::default())).await?;
    Ok(rows.into_iter().map(|row| row.signal).collect())
}

/// Returns the frames of one target.
async fn panel(
    state: &AppState,
    target: &TargetBody,
    (range, filters): (PanelRange, &Filters),
    left: &mut usize,
) -> Result<Vec<Box<RawValue>>, ApiError> {
    let parsed = match parse_target(state, target).await? {
        None => return Ok(Vec::new()),
        Some(Target::Values(names)) => {
            target.check_options(&["format", "legend"])?;
            let mut frames = Vec::new();
            for (name, query) in queries(state, names, filters).await? {
                frames.extend(framed(state, (target, Some(name)), query, (range, filters), left).await?);
            }
            return Ok(frames);
        }
        Some(Target::Expression(query)) => {
            target.check_options(&["format", "legend", "expr"])?;
            return framed(state, (target, None), query, (range, filters), left).await;
        }
        Some(Target::Breaches) => return breaches(state, target).await,
        Some(other) => other,
    };
    let (store, target, filters) = (state.store.clone(), target.clone(), filters.clone());
    let rows = move || match parsed {
        Target::Forecast(names) => learned::forecasts(&store, &target, &names, range, &filters),
        Target::Anomalies(names) => learned::anomalies(&store, &target, &names, range, &filters),
        Target::Recommendations => learned::recommendations(&store, &target, &filters).map(|frame| vec![frame]),
        Target::Incidents => learned::incidents(&store, &target, range, &filters).map(|frame| vec![frame]),
        Target::Suspected => learned::suspected(&store, &target, range, &filters).map(|frame| vec![frame]),
        Target::Deploys => learned::deploys(&store, &target, range, &filters).map(|frame| vec![frame]),
        Target::Signals => learned::signals(&store, &target, &filters).map(|frame| vec![frame]),
        Target::Advice => learned::advice(&store, &target, &filters).map(|frame| vec![frame]),
        // Returned above.
        Target::Values(_) | Target::Expression(_) | Target::Breaches => Ok(Vec::new()),
    };
    state.run(Lane::Light, move || encoded(&rows()?)).await
}

/// Returns the frame of the expected breaches of the alerting rules in force.
async fn breaches(state: &AppState, target: &TargetBody) -> Result<Vec<Box<RawValue>>, ApiError> {
    let (store, config, now) = (state.store.clone(), state.config.clone(), state.clock.now());
    let target = target.clone();
    let found = move || {
        let (specs, _) = config.advice_specs().map_err(|error| ApiError::internal(&error))?;
        encoded(&[learned::breaches(&target, &all_expected_breaches(&store, &specs, now))?])
    };
    state.run(Lane::Heavy, found).await
}

/// Evaluates an expression over the range of the panel, and uses its series on the thread that evaluates.
///
/// `left`: number of points that the response may still have; the new ones are subtracted.
async fn evaluated<T: Send + 'static>(
    state: &AppState,
    query: Query,
    (range, filters): (PanelRange, &Filters),
    left: &mut usize,
    use_series: impl FnOnce(&[RangeSeries]) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (store, filters, most) = (state.store.clone(), filters.clone(), *left);
    let work = move |limits: &EvalLimits| {
        let series = evaluate(&store, &filters, &query, range, limits)?;
        let points: usize = series.iter().map(|one| one.timestamps.len()).sum();
        let used = if points > most { Err(too_many_points()) } else { use_series(&series) };
        Ok((used, points))
    };
    let (used, points) = evaluate_within(state, TARGET_TIMEOUT, work).await?;
    *left = left.saturating_sub(points);
    used
}

fn too_many_points() -> ApiError {
    let message = format!(
        "the response would have more than {MAX_POINTS} points, or {MAX_ANNOTATED_POINTS} of annotations: use a longer \
         interval, a shorter range, or fewer series"
    );
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_points", message)
}

/// Evaluates an expression to encoded frames of a target.
async fn framed(
    state: &AppState,
    (target, signal): (&TargetBody, Option<String>),
    query: Query,
    of: (PanelRange, &Filters),
    left: &mut usize,
) -> Result<Vec<Box<RawValue>>, ApiError> {
    let target = target.clone();
    let frames = move |series: &[RangeSeries]| {
        let alone = series.len() == 1;
        let frames = |series: &[RangeSeries]| encoded(&series_frames(&target, signal.as_deref(), series, alone)?);
        if response_format(&target)? == Some(ResponseFormat::Table) {
            return frames(series);
        }
        // One series after the other, so that a tree of all points is never in memory.
        series.chunks(1).try_fold(Vec::with_capacity(series.len()), |mut all, one| {
            all.extend(frames(one)?);
            Ok(all)
        })
    };
    evaluated(state, query, of, left, frames).await
}

/// Returns the expressions of signals that pass the filters, by name.
async fn queries(state: &AppState, names: Vec<String>, filters: &Filters) -> Result<Vec<(String, Query)>, ApiError> {
    let (store, filters) = (state.store.clone(), filters.clone());
    let wanted = SignalFilter { signals: names, status: None };
    state
        .run(Lane::Light, move || {
            let rows = store.signals(&wanted)?;
            let passing = rows.into_iter().filter(|row| filters.pass_signal(&row.signal));
            passing.map(|row| Ok::<_, ApiError>((row.signal, signal::parse(&row.expr)?))).collect::<Result<Vec<_>, _>>()
        })
        .await
}

/// Returns the annotations of a target. An expression annotates the spans in which it has values.
async fn annotations_of(
    state: &AppState,
    target: &TargetBody,
    range: PanelRange,
    filters: &Filters,
) -> Result<Vec<Annotation>, ApiError> {
    let parsed = match parse_target(state, target).await? {
        None => return Ok(Vec::new()),
        Some(Target::Values(names)) => {
            let (mut left, mut notes) = (MAX_ANNOTATED_POINTS, Vec::new());
            for (name, query) in queries(state, names, filters).await? {
                let spans = move |series: &[RangeSeries]| Ok(spans(Some(&name), series, range));
                notes.extend(evaluated(state, query, (range, filters), &mut left, spans).await?);
            }
            return Ok(notes);
        }
        Some(Target::Expression(query)) => {
            let (mut left, spans) =
                (MAX_ANNOTATED_POINTS, move |series: &[RangeSeries]| Ok(spans(None, series, range)));
            return evaluated(state, query, (range, filters), &mut left, spans).await;
        }
        Some(other) => other,
    };
    let (store, target, filters) = (state.store.clone(), target.clone(), filters.clone());
    state
        .run(Lane::Light, move || {
            Ok::<_, ApiError>(match parsed {
                Target::Incidents => learned::incident_rows(&store, range, &filters)?
                    .into_iter()
                    .filter(|row| row.verdict == IncidentVerdict::Real)
                    .map(|row| Annotation {
                        time_ms: row.started_at.millis(),
                        end_ms: Some(row.ended_at.map_or(range.end_ms, |at| at.millis())),
                        text: row
                            .target
                            .as_ref()
                            .map_or_else(|| row.title.clone(), |on| format!("{} on {on}", row.title)),
                        title: row.title,
                        tags: ["incident".to_owned()].into_iter().chain(row.target).collect(),
                    })
                    .collect(),
                Target::Suspected => learned::suspected_rows(&store, range, &filters)?
                    .into_iter()
                    .map(|row| Annotation {
                        time_ms: row.started_at.millis(),
                        end_ms: Some(row.ended_at.millis()),
                        title: format!("suspected incident, first in {}", row.first_mover),
                        text: format!("{} ({:.0} % likely the first)", row.signals.join(", "), 100.0 * row.confidence),
                        tags: ["suspected".to_owned()].into_iter().chain(row.signals).collect(),
                    })
                    .collect(),
                Target::Deploys => learned::deploy_rows(&store, range, &filters)?
                    .into_iter()
                    .map(|row| Annotation {
                        time_ms: row.at.millis(),
                        end_ms: None,
                        title: format!("deploy of {}", row.service),
                        text: row
                            .version
                            .map_or_else(|| row.service.clone(), |version| format!("{} {version}", row.service)),
                        tags: vec!["deploy".to_owned(), row.service],
                    })
                    .collect(),
                Target::Anomalies(names) => learned::anomaly_rows(&store, &names, range, &filters)?
                    .into_iter()
                    .map(|row| Annotation {
                        time_ms: row.timestamp.millis(),
                        end_ms: None,
                        title: format!("anomaly in {}", row.signal),
                        text: format!(
                            "{} is {}, expected {} to {}",
                            row.signal,
                            short(row.value),
                            short(row.yhat_lower),
                            short(row.yhat_upper)
                        ),
                        tags: vec!["anomaly".to_owned(), row.signal],
                    })
                    .collect(),
                Target::Recommendations => learned::recommendation_rows(&store, &target, &filters)?
                    .into_iter()
                    .filter(|row| (range.start_ms..=range.end_ms).contains(&row.created_at.millis()))
                    .map(|row| Annotation {
                        time_ms: row.created_at.millis(),
                        end_ms: None,
                        title: format!("{} of {}", row.kind, row.target),
                        text: row.reason,
                        tags: vec!["recommendation".to_owned(), row.kind.to_string(), row.state.to_string()],
                    })
                    .collect(),
                Target::Forecast(_) | Target::Signals | Target::Breaches | Target::Advice => {
                    let message = "forecasts, signals, breaches and advice have no annotations";
                    return Err(ApiError::bad_request("unknown_target", message));
                }
                // Returned above.
                Target::Values(_) | Target::Expression(_) => Vec::new(),
            })
        })
        .await
}

/// Formats a number for people: integers from 1,000, three decimals from 1, six below, exponents outside of 1e-3 to
/// 1e6.
fn short(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = if size >= 1000.0 {
        0
    } else if size >= 1.0 {
        3
    } else {
        6
    };
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Returns one annotation for each span in which a series has values at consecutive steps.
fn spans(name: Option<&str>, series: &[RangeSeries], range: PanelRange) -> Vec<Annotation> {
    let mut notes = Vec::new();
    for one in series {
        let labels = one.labels.to_string();
        let title = name.map_or_else(|| labels.clone(), str::to_owned);
        let mut times = one.timestamps.iter().zip(&one.values).filter(|(_, value)| !value.is_nan()).map(|(at, _)| *at);
        let Some(mut first) = times.next() else { continue };
        let mut last = first;
        let mut note = |first: i64, last: i64| {
            let end_ms = (last > first).then_some(last);
            notes.push(Annotation {
                time_ms: first,
                end_ms,
                title: title.clone(),
                text: labels.clone(),
                tags: Vec::new(),
            });
        };
        for at in times {
            if at - last > range.step_ms {
                note(first, last);
                first = at;
            }
            last = at;
        }
        note(first, last);
    }
    notes.sort_by_key(|note| note.time_ms);
    notes
}

fn annotation_frame(notes: &[Annotation]) -> Value {
    let ends = notes.iter().map(|note| note.end_ms.map_or(Value::Null, Value::from));
    let columns = vec![
        Column::times("time", notes.iter().map(|note| note.time_ms)),
        Column::new("timeEnd", ColumnKind::Time, ends),
        Column::texts("title", notes.iter().map(|note| note.title.clone())),
        Column::texts("text", notes.iter().map(|note| note.text.clone())),
        Column::texts("tags", notes.iter().map(|note| note.tags.join(","))),
    ];
    frame(ANNOTATIONS_REF_ID, "annotations", columns)
}

#[cfg(test)]
mod tests {
    use almanac_engine::series::Labels;

    use super::*;

    #[test]
    fn numbers_are_short() {
        let check = |value: f64, expected: &str| assert_eq!(short(value), expected);
        check(7.5, "7.5");
        check(0.012_345_678, "0.012346");
        check(123_456.7, "123457");
        check(-1200.0, "-1200");
        check(1.5e9, "1.500e9");
        check(0.0, "0");
    }

    #[test]
    fn consecutive_steps_are_one_span() {
        let labels = Labels::from_pairs([("job", "a")]).unwrap();
        let timestamps = vec![0, 10, 20, 50, 80, 90];
        let values = vec![1.0, 1.0, 1.0, 1.0, f64::NAN, 1.0];
        let series = [RangeSeries { labels, timestamps, values, histograms: Vec::new() }];
        let range = PanelRange { start_ms: 0, end_ms: 100, step_ms: 10 };
        let found: Vec<_> = spans(None, &series, range).into_iter().map(|note| (note.time_ms, note.end_ms)).collect();
        assert_eq!(found, [(0, Some(20)), (50, None), (90, None)]);
    }
}
