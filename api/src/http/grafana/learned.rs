use almanac_engine::{
    advise::threshold::format_duration,
    store::{
        Store, StoreError,
        rows::{
            AnomalyRow, Deploy, EventFilter, Incident, Kind as Topic, RecommendationFilter, RecommendationRow,
            RowFilter, SignalFilter, State, SuspectedIncidentRow,
        },
    },
};
use almanac_models::Timestamp;
use serde_json::Value;

use super::{
    filters::{Filters, SIGNAL},
    frames::{Column, Kind, frame, number, table},
    request::TargetBody,
    series::{Form, Window, form},
};
use crate::http::ApiError;

/// A table in the form that the target asks for; columns when nothing is asked for.
fn shaped(target: &TargetBody, name: &str, columns: Vec<Column>) -> Result<Value, ApiError> {
    Ok(match form(target)? {
        None | Some(Form::Fields) => frame(&target.ref_id, name, columns),
        Some(Form::Table) => table(&target.ref_id, &columns),
        Some(Form::TimeSeries) => {
            let message = format!("target {}: {name} comes as fields or table, not as timeseries", target.ref_id);
            return Err(ApiError::bad_request("unknown_option", message));
        }
    })
}

fn invalid(target: &TargetBody, error: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("unknown_option", format!("target {}: {error}", target.ref_id))
}

fn row_filter(signals: Vec<String>, window: Window) -> RowFilter {
    RowFilter {
        signals,
        start: Some(Timestamp::from_millis(window.start_ms)),
        end: Some(Timestamp::from_millis(window.end_ms)),
        ..RowFilter::default()
    }
}

/// Forecasts of signals: one frame each with the expected value and its bands.
///
/// # Errors
/// As the store fails; 400 for an option that is wrong.
pub(super) fn forecasts(
    store: &Store,
    target: &TargetBody,
    signals: &[String],
    window: Window,
    filters: &Filters,
) -> Result<Vec<Value>, ApiError> {
    target.check_options(&["format", "level"])?;
    let levels = target.options("level");
    if let Some(other) = levels.iter().find(|level| !["80", "95"].contains(&level.as_str())) {
        return Err(invalid(target, format!("level {other:?} is neither 80 nor 95")));
    }
    let wants = |level: &str| levels.is_empty() || levels.iter().any(|wanted| wanted == level);
    let mut frames = Vec::new();
    for signal in signals.iter().filter(|signal| filters.pass(|key| (key == SIGNAL).then(|| (*signal).clone()))) {
        let rows = store.forecasts(&RowFilter { latest: true, ..row_filter(vec![signal.clone()], window) })?;
        let named = |what: &str| Some(format!("{signal} {what}"));
        let mut columns = vec![
            Column::times("time", rows.iter().map(|row| row.timestamp.millis())),
            Column::numbers("yhat", rows.iter().map(|row| row.yhat)).displayed(named("forecast")),
        ];
        if wants("80") {
            columns.push(
                Column::numbers("yhat_lower_80", rows.iter().map(|row| row.yhat_lower_80))
                    .displayed(named("lower 80 %")),
            );
            columns.push(
                Column::numbers("yhat_upper_80", rows.iter().map(|row| row.yhat_upper_80))
                    .displayed(named("upper 80 %")),
            );
        }
        if wants("95") {
            columns.push(
                Column::numbers("yhat_lower_95", rows.iter().map(|row| row.yhat_lower_95))
                    .displayed(named("lower 95 %")),
            );
            columns.push(
                Column::numbers("yhat_upper_95", rows.iter().map(|row| row.yhat_upper_95))
                    .displayed(named("upper 95 %")),
            );
        }
        frames.push(shaped(target, &format!("forecast({signal})"), columns)?);
    }
    Ok(frames)
}

/// Scored points: of named signals one frame each with every point, of all signals the anomalies alone; `min_score`
/// says otherwise.
///
/// # Errors
/// As the store fails; 400 for an option that is wrong.
pub(super) fn anomalies(
    store: &Store,
    target: &TargetBody,
    signals: &[String],
    window: Window,
    filters: &Filters,
) -> Result<Vec<Value>, ApiError> {
    target.check_options(&["format", "min_score"])?;
    let min_score = match target.option("min_score") {
        Some(text) => Some(text.parse().map_err(|_| invalid(target, format!("min_score {text:?} is no number")))?),
        None => signals.is_empty().then_some(1.0),
    };
    let mut rows = scored(store, signals, min_score, window, filters)?;
    let columns = |rows: &[AnomalyRow], signal: Option<&str>| {
        let named = |what: &str| signal.map(|signal| format!("{signal} {what}"));
        let mut columns = vec![Column::times("time", rows.iter().map(|row| row.timestamp.millis()))];
        if signal.is_none() {
            columns.push(Column::texts("signal", rows.iter().map(|row| row.signal.clone())));
        }
        columns.push(Column::numbers("value", rows.iter().map(|row| row.value)).displayed(signal.map(str::to_owned)));
        columns.push(Column::numbers("yhat", rows.iter().map(|row| row.yhat)).displayed(named("expected")));
        columns.push(Column::numbers("yhat_lower", rows.iter().map(|row| row.yhat_lower)).displayed(named("lower")));
        columns.push(Column::numbers("yhat_upper", rows.iter().map(|row| row.yhat_upper)).displayed(named("upper")));
        columns.push(Column::numbers("score", rows.iter().map(|row| row.score)).displayed(named("score")));
        let odd = rows.iter().map(|row| Value::from(row.score > 1.0));
        columns.push(Column::new("is_anomaly", Kind::Flag, odd));
        columns
    };
    if signals.is_empty() {
        rows.sort_by(|a, b| (a.timestamp, &a.signal).cmp(&(b.timestamp, &b.signal)));
        return Ok(vec![shaped(target, "anomalies", columns(&rows, None))?]);
    }
    // Rows come by signal and time.
    rows.chunk_by(|a, b| a.signal == b.signal)
        .map(|of_one| {
            let signal = &of_one[0].signal;
            shaped(target, &format!("anomalies({signal})"), columns(of_one, Some(signal)))
        })
        .collect()
}

fn scored(
    store: &Store,
    signals: &[String],
    min_score: Option<f64>,
    window: Window,
    filters: &Filters,
) -> Result<Vec<AnomalyRow>, StoreError> {
    let mut rows = store.anomalies(&RowFilter { min_score, ..row_filter(signals.to_vec(), window) })?;
    rows.retain(|row| filters.pass(|key| (key == SIGNAL).then(|| row.signal.clone())));
    Ok(rows)
}

/// The anomalies in the span of the named signals, of all when none is named.
///
/// # Errors
/// As the store fails.
pub(super) fn anomaly_rows(
    store: &Store,
    signals: &[String],
    window: Window,
    filters: &Filters,
) -> Result<Vec<AnomalyRow>, StoreError> {
    let mut rows = scored(store, signals, Some(1.0), window, filters)?;
    rows.retain(|row| row.score > 1.0);
    Ok(rows)
}

/// The recommendations that the target's options and the filters let through, the newest first.
///
/// # Errors
/// As the store fails; 400 for an option that is wrong.
pub(super) fn recommendation_rows(
    store: &Store,
    target: &TargetBody,
    filters: &Filters,
) -> Result<Vec<RecommendationRow>, ApiError> {
    target.check_options(&["format", "kind", "state", "target"])?;
    let kinds = target.options("kind").iter().map(|word| word.parse::<Topic>()).collect::<Result<_, _>>();
    let states = target.options("state").iter().map(|word| word.parse::<State>()).collect::<Result<_, _>>();
    let filter = RecommendationFilter {
        kinds: kinds.map_err(|error| invalid(target, error))?,
        states: states.map_err(|error| invalid(target, error))?,
        targets: target.options("target"),
        ..RecommendationFilter::default()
    };
    let mut rows = store.recommendations(&filter)?;
    rows.retain(|row| {
        filters.pass(|key| match key {
            "kind" => Some(row.kind.to_string()),
            "state" => Some(row.state.to_string()),
            "target" => Some(row.target.clone()),
            "id" => Some(row.id.clone()),
            _ => None,
        })
    });
    Ok(rows)
}

/// The same as a table.
///
/// # Errors
/// As [`recommendation_rows`].
pub(super) fn recommendations(store: &Store, target: &TargetBody, filters: &Filters) -> Result<Value, ApiError> {
    let rows = recommendation_rows(store, target, filters)?;
    let until = rows.iter().map(|row| row.valid_until.map_or(Value::Null, |at| at.millis().into()));
    let columns = vec![
        Column::times("time", rows.iter().map(|row| row.created_at.millis())),
        Column::texts("id", rows.iter().map(|row| row.id.clone())),
        Column::texts("kind", rows.iter().map(|row| row.kind.as_str())),
        Column::texts("target", rows.iter().map(|row| row.target.clone())),
        Column::texts("state", rows.iter().map(|row| row.state.as_str())),
        Column::texts("reason", rows.iter().map(|row| row.reason.clone())),
        Column::texts("current", rows.iter().map(|row| row.current.to_string())),
        Column::texts("proposed", rows.iter().map(|row| row.proposed.to_string())),
        Column::texts("effect", rows.iter().map(|row| row.effect.metric.clone())),
        Column::numbers("effect_value", rows.iter().map(|row| row.effect.value)),
        Column::numbers("effect_lower", rows.iter().map(|row| row.effect.lower)),
        Column::numbers("effect_upper", rows.iter().map(|row| row.effect.upper)),
        Column::numbers("confidence", rows.iter().map(|row| row.confidence)),
        Column::times("valid_from", rows.iter().map(|row| row.valid_from.millis())),
        Column::new("valid_until", Kind::Time, until),
    ];
    shaped(target, "recommendations", columns)
}

fn event_filter(window: Window) -> EventFilter {
    EventFilter {
        start: Some(Timestamp::from_millis(window.start_ms)),
        end: Some(Timestamp::from_millis(window.end_ms)),
        ..EventFilter::default()
    }
}

/// Incidents that touch the span and pass the filters on `title`, `target` and `source`.
///
/// # Errors
/// As the store fails.
pub(super) fn incident_rows(store: &Store, window: Window, filters: &Filters) -> Result<Vec<Incident>, StoreError> {
    let mut rows = store.incidents(&event_filter(window))?;
    rows.retain(|row| {
        filters.pass(|key| match key {
            "title" => Some(row.title.clone()),
            "target" => Some(row.target.clone().unwrap_or_default()),
            "source" => Some(row.source.clone()),
            _ => None,
        })
    });
    Ok(rows)
}

/// The same as a table.
///
/// # Errors
/// As [`incident_rows`]; 400 for an option that is wrong.
pub(super) fn incidents(
    store: &Store,
    target: &TargetBody,
    window: Window,
    filters: &Filters,
) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let rows = incident_rows(store, window, filters)?;
    let ends = rows.iter().map(|row| row.ended_at.map_or(Value::Null, |at| at.millis().into()));
    let columns = vec![
        Column::times("time", rows.iter().map(|row| row.started_at.millis())),
        Column::new("timeEnd", Kind::Time, ends),
        Column::texts("title", rows.iter().map(|row| row.title.clone())),
        Column::texts("target", rows.iter().map(|row| row.target.clone())),
        Column::texts("source", rows.iter().map(|row| row.source.clone())),
    ];
    shaped(target, "incidents", columns)
}

/// Suspected incidents that touch the span and pass the filter on `signal`, which any signal of theirs may.
///
/// # Errors
/// As the store fails.
pub(super) fn suspected_rows(
    store: &Store,
    window: Window,
    filters: &Filters,
) -> Result<Vec<SuspectedIncidentRow>, StoreError> {
    let mut rows = store.suspected_incidents(&event_filter(window))?;
    rows.retain(|row| row.signals.iter().any(|signal| filters.pass_signal(signal)));
    Ok(rows)
}

/// The same as a table.
///
/// # Errors
/// As [`suspected_rows`]; 400 for an option that is wrong.
pub(super) fn suspected(
    store: &Store,
    target: &TargetBody,
    window: Window,
    filters: &Filters,
) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let rows = suspected_rows(store, window, filters)?;
    let columns = vec![
        Column::times("time", rows.iter().map(|row| row.started_at.millis())),
        Column::times("timeEnd", rows.iter().map(|row| row.ended_at.millis())),
        Column::texts("first_mover", rows.iter().map(|row| row.first_mover.clone())),
        Column::numbers("confidence", rows.iter().map(|row| row.confidence)),
        Column::texts("signals", rows.iter().map(|row| row.signals.join(", "))),
        Column::numbers("peak", rows.iter().map(|row| row.peak)),
    ];
    shaped(target, "suspected_incidents", columns)
}

/// Deploys in the span that pass the filters on `service` and `version`.
///
/// # Errors
/// As the store fails.
pub(super) fn deploy_rows(store: &Store, window: Window, filters: &Filters) -> Result<Vec<Deploy>, StoreError> {
    let mut rows = store.deploys(&event_filter(window))?;
    rows.retain(|row| {
        filters.pass(|key| match key {
            "service" => Some(row.service.clone()),
            "version" => Some(row.version.clone().unwrap_or_default()),
            _ => None,
        })
    });
    Ok(rows)
}

/// The same as a table.
///
/// # Errors
/// As [`deploy_rows`]; 400 for an option that is wrong.
pub(super) fn deploys(
    store: &Store,
    target: &TargetBody,
    window: Window,
    filters: &Filters,
) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let rows = deploy_rows(store, window, filters)?;
    let columns = vec![
        Column::times("time", rows.iter().map(|row| row.at.millis())),
        Column::texts("service", rows.iter().map(|row| row.service.clone())),
        Column::texts("version", rows.iter().map(|row| row.version.clone())),
    ];
    shaped(target, "deploys", columns)
}

/// Signals and their models as a table.
///
/// # Errors
/// As the store fails; 400 for an option that is wrong.
pub(super) fn signals(store: &Store, target: &TargetBody, filters: &Filters) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let mut rows = store.signals(&SignalFilter::default())?;
    rows.retain(|row| {
        filters.pass(|key| match key {
            SIGNAL => Some(row.signal.clone()),
            "status" => Some(row.status.to_string()),
            "origin" => Some(row.origin.to_string()),
            _ => None,
        })
    });
    let seasons =
        rows.iter().map(|row| row.seasons_ms.iter().map(|ms| format_duration(*ms)).collect::<Vec<_>>().join(","));
    let fitted = rows.iter().map(|row| row.fitted_at.map_or(Value::Null, |at| at.millis().into()));
    let mase = rows.iter().map(|row| row.mase.map_or(Value::Null, number));
    let columns = vec![
        Column::texts("signal", rows.iter().map(|row| row.signal.clone())),
        Column::texts("status", rows.iter().map(|row| row.status.as_str())),
        Column::texts("reason", rows.iter().map(|row| row.reason.clone())),
        Column::texts("model", rows.iter().map(|row| row.model.clone())),
        Column::texts("seasons", seasons),
        Column::new("mase", Kind::Number, mase),
        Column::new("fitted_at", Kind::Time, fitted),
        Column::texts("expr", rows.iter().map(|row| row.expr.clone())),
    ];
    shaped(target, "signals", columns)
}
