//! Answers panels and annotation queries.

use std::time::Duration;

use almanac_engine::{
    signal::{self, Query, RangeSeries},
    store::rows::SignalFilter,
};
use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    filters::Filters,
    frames::{Column, Kind, frame},
    learned,
    request::{Lenient, QueryBody, Range, TargetBody, or_default},
    series::{Window, evaluate, series_frames},
    target::{Target, expression},
};
use crate::http::{ApiError, AppState, ErrorBody, prometheus::evaluate_within};

/// Longest that one target may take.
const LONGEST: Duration = Duration::from_secs(60);
/// The name under which Grafana asks for annotations.
const ANNOTATIONS: &str = "Anno";

/// A mark on a panel.
#[derive(Debug, Clone, PartialEq)]
struct Note {
    time_ms: i64,
    end_ms: Option<i64>,
    title: String,
    text: String,
    tags: Vec<String>,
}

/// Answers a panel, or with the refId `Anno` an annotation query.
#[utoipa::path(post, path = "/grafana/query", operation_id = "grafana_query", tag = "grafana", request_body = QueryBody,
    responses((status = 200, description = "frames, each with its target's refId", body = Vec<Object>), (status = 400, description = "a target that means nothing", body = ErrorBody)))]
pub(super) async fn query(
    State(state): State<AppState>,
    Lenient(body): Lenient<QueryBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let window = Window::of(&body, state.clock.now().millis())?;
    let filters = filters(&state, &body).await?;
    let mut frames = Vec::new();
    for target in body.targets.iter().filter(|target| !target.hide) {
        if target.ref_id == ANNOTATIONS {
            frames.push(annotation_frame(&notes(&state, target, window, &filters).await?));
        } else {
            frames.extend(panel(&state, target, window, &filters).await?);
        }
    }
    Ok(Json(frames))
}

/// The dashboard's filters, with what is known of the labels that they name.
async fn filters(state: &AppState, body: &QueryBody) -> Result<Filters, ApiError> {
    let filters = Filters::read(&body.filters())?;
    if filters.keys().next().is_none() {
        return Ok(filters);
    }
    let store = state.store.clone();
    let labels = state.blocking(move || store.label_names(&[], i64::MIN, i64::MAX)).await?;
    Ok(filters.with_labels(&labels))
}

/// An annotation query of the older dialect.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AnnotationsBody {
    /// What is asked for.
    #[serde(default, deserialize_with = "or_default")]
    annotation: AnnotationBody,
    /// The span.
    #[serde(default, deserialize_with = "or_default")]
    range: Range,
}

/// The query inside.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct AnnotationBody {
    /// A target, as in `/query`; `incidents` when it is missing.
    #[serde(default)]
    query: Option<String>,
}

/// Annotations for versions of the plugin up to 0.3.
#[utoipa::path(post, path = "/grafana/annotations", tag = "grafana", request_body = AnnotationsBody,
    responses((status = 200, description = "marks: time, timeEnd, isRegion, title, text, tags", body = Vec<Object>), (status = 400, description = "a query that means nothing", body = ErrorBody)))]
pub(super) async fn annotations(
    State(state): State<AppState>,
    Lenient(body): Lenient<AnnotationsBody>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let query = QueryBody { range: body.range, ..QueryBody::default() };
    let window = Window::of(&query, state.clock.now().millis())?;
    let text = body.annotation.query.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "incidents".to_owned());
    let target: TargetBody = serde_json::from_value(json!({ "refId": ANNOTATIONS, "target": text }))
        .map_err(|error| ApiError::internal(&error))?;
    let notes = notes(&state, &target, window, &Filters::default()).await?;
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

/// What a target means, given the signals there are; none when it is empty.
async fn meaning(state: &AppState, target: &TargetBody) -> Result<Option<Target>, ApiError> {
    let text = target.target.as_deref().unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(None);
    }
    if text.trim() == "promql" {
        let Some(expr) = target.option("expr") else {
            let message = format!("target {}: promql needs the option expr with an expression", target.ref_id);
            return Err(ApiError::bad_request("unknown_option", message));
        };
        return expression(&expr).map(|query| Some(Target::Expression(query)));
    }
    let names = signal_names(state).await?;
    Target::read(text, &names).map(Some)
}

pub(super) async fn signal_names(state: &AppState) -> Result<Vec<String>, ApiError> {
    let store = state.store.clone();
    let rows = state.blocking(move || store.signals(&SignalFilter::default())).await?;
    Ok(rows.into_iter().map(|row| row.signal).collect())
}

async fn panel(
    state: &AppState,
    target: &TargetBody,
    window: Window,
    filters: &Filters,
) -> Result<Vec<Value>, ApiError> {
    let meaning = match meaning(state, target).await? {
        None => return Ok(Vec::new()),
        Some(Target::Values(names)) => {
            target.check_options(&["format", "legend"])?;
            let mut frames = Vec::new();
            for (name, series) in measured(state, names, window, filters).await? {
                frames.extend(series_frames(target, Some(&name), &series)?);
            }
            return Ok(frames);
        }
        Some(Target::Expression(query)) => {
            target.check_options(&["format", "legend", "expr"])?;
            let series = evaluated(state, query, window, filters).await?;
            return series_frames(target, None, &series);
        }
        Some(other) => other,
    };
    let (store, target, filters) = (state.store.clone(), target.clone(), filters.clone());
    state
        .blocking(move || match meaning {
            Target::Forecast(names) => learned::forecasts(&store, &target, &names, window, &filters),
            Target::Anomalies(names) => learned::anomalies(&store, &target, &names, window, &filters),
            Target::Recommendations => learned::recommendations(&store, &target, &filters).map(|frame| vec![frame]),
            Target::Incidents => learned::incidents(&store, &target, window, &filters).map(|frame| vec![frame]),
            Target::Suspected => learned::suspected(&store, &target, window, &filters).map(|frame| vec![frame]),
            Target::Deploys => learned::deploys(&store, &target, window, &filters).map(|frame| vec![frame]),
            Target::Signals => learned::signals(&store, &target, &filters).map(|frame| vec![frame]),
            // Answered above.
            Target::Values(_) | Target::Expression(_) => Ok(Vec::new()),
        })
        .await
}

async fn evaluated(
    state: &AppState,
    query: Query,
    window: Window,
    filters: &Filters,
) -> Result<Vec<RangeSeries>, ApiError> {
    let (store, filters) = (state.store.clone(), filters.clone());
    Ok(evaluate_within(state, LONGEST, move |limits| evaluate(&store, &filters, &query, window, limits)).await?)
}

/// The values of signals, each by its own expression.
async fn measured(
    state: &AppState,
    names: Vec<String>,
    window: Window,
    filters: &Filters,
) -> Result<Vec<(String, Vec<RangeSeries>)>, ApiError> {
    let store = state.store.clone();
    let wanted = SignalFilter { signals: names, status: None };
    let rows = state.blocking(move || store.signals(&wanted)).await?;
    let mut all = Vec::new();
    for row in rows.into_iter().filter(|row| filters.pass_signal(&row.signal)) {
        let query = signal::parse(&row.expr)?;
        all.push((row.signal, evaluated(state, query, window, filters).await?));
    }
    Ok(all)
}

/// The marks that a target makes; an expression marks the spans in which it has a value.
async fn notes(
    state: &AppState,
    target: &TargetBody,
    window: Window,
    filters: &Filters,
) -> Result<Vec<Note>, ApiError> {
    let meaning = match meaning(state, target).await? {
        None => return Ok(Vec::new()),
        Some(Target::Values(names)) => {
            let measured = measured(state, names, window, filters).await?;
            return Ok(measured.iter().flat_map(|(name, series)| spans(Some(name), series, window)).collect());
        }
        Some(Target::Expression(query)) => {
            return Ok(spans(None, &evaluated(state, query, window, filters).await?, window));
        }
        Some(other) => other,
    };
    let (store, target, filters) = (state.store.clone(), target.clone(), filters.clone());
    state
        .blocking(move || {
            Ok::<_, ApiError>(match meaning {
                Target::Incidents => learned::incident_rows(&store, window, &filters)?
                    .into_iter()
                    .map(|row| Note {
                        time_ms: row.started_at.millis(),
                        end_ms: Some(row.ended_at.map_or(window.end_ms, |at| at.millis())),
                        text: row
                            .target
                            .as_ref()
                            .map_or_else(|| row.title.clone(), |on| format!("{} on {on}", row.title)),
                        title: row.title,
                        tags: ["incident".to_owned()].into_iter().chain(row.target).collect(),
                    })
                    .collect(),
                Target::Suspected => learned::suspected_rows(&store, window, &filters)?
                    .into_iter()
                    .map(|row| Note {
                        time_ms: row.started_at.millis(),
                        end_ms: Some(row.ended_at.millis()),
                        title: format!("suspected incident, first in {}", row.first_mover),
                        text: format!("{} ({:.0} % likely the first)", row.signals.join(", "), 100.0 * row.confidence),
                        tags: ["suspected".to_owned()].into_iter().chain(row.signals).collect(),
                    })
                    .collect(),
                Target::Deploys => learned::deploy_rows(&store, window, &filters)?
                    .into_iter()
                    .map(|row| Note {
                        time_ms: row.at.millis(),
                        end_ms: None,
                        title: format!("deploy of {}", row.service),
                        text: row
                            .version
                            .map_or_else(|| row.service.clone(), |version| format!("{} {version}", row.service)),
                        tags: vec!["deploy".to_owned(), row.service],
                    })
                    .collect(),
                Target::Anomalies(names) => learned::anomaly_rows(&store, &names, window, &filters)?
                    .into_iter()
                    .map(|row| Note {
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
                    .filter(|row| (window.start_ms..=window.end_ms).contains(&row.created_at.millis()))
                    .map(|row| Note {
                        time_ms: row.created_at.millis(),
                        end_ms: None,
                        title: format!("{} of {}", row.kind, row.target),
                        text: row.reason,
                        tags: vec!["recommendation".to_owned(), row.kind.to_string(), row.state.to_string()],
                    })
                    .collect(),
                Target::Forecast(_) | Target::Signals => {
                    return Err(ApiError::bad_request("unknown_target", "forecasts and signals make no annotations"));
                }
                // Answered above.
                Target::Values(_) | Target::Expression(_) => Vec::new(),
            })
        })
        .await
}

/// A number with four digits that matter, for people.
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

/// The spans in which series have values, neighbouring steps joined.
fn spans(name: Option<&str>, series: &[RangeSeries], window: Window) -> Vec<Note> {
    let mut notes = Vec::new();
    for one in series {
        let labels = one.labels.to_string();
        let title = name.map_or_else(|| labels.clone(), str::to_owned);
        let mut times = one.timestamps.iter().zip(&one.values).filter(|(_, value)| !value.is_nan()).map(|(at, _)| *at);
        let Some(mut first) = times.next() else { continue };
        let mut last = first;
        let mut note = |first: i64, last: i64| {
            let end_ms = (last > first).then_some(last);
            notes.push(Note { time_ms: first, end_ms, title: title.clone(), text: labels.clone(), tags: Vec::new() });
        };
        for at in times {
            if at - last > window.step_ms {
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

fn annotation_frame(notes: &[Note]) -> Value {
    let ends = notes.iter().map(|note| note.end_ms.map_or(Value::Null, Value::from));
    let columns = vec![
        Column::times("time", notes.iter().map(|note| note.time_ms)),
        Column::new("timeEnd", Kind::Time, ends),
        Column::texts("title", notes.iter().map(|note| note.title.clone())),
        Column::texts("text", notes.iter().map(|note| note.text.clone())),
        Column::texts("tags", notes.iter().map(|note| note.tags.join(","))),
    ];
    frame(ANNOTATIONS, "annotations", columns)
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
    fn neighbouring_steps_are_one_span() {
        let labels = Labels::from_pairs([("job", "a")]).unwrap();
        let timestamps = vec![0, 10, 20, 50, 80, 90];
        let values = vec![1.0, 1.0, 1.0, 1.0, f64::NAN, 1.0];
        let series = [RangeSeries { labels, timestamps, values }];
        let window = Window { start_ms: 0, end_ms: 100, step_ms: 10 };
        let found: Vec<_> = spans(None, &series, window).into_iter().map(|note| (note.time_ms, note.end_ms)).collect();
        assert_eq!(found, [(0, Some(20)), (50, None), (90, None)]);
    }
}
