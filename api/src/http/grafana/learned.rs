//! Frames and tables of forecasts, anomalies, recommendations, incidents and deploys for Grafana.

use almanac_engine::{
    advise::threshold::ExpectedBreach,
    store::{
        Store, StoreError,
        rows::{
            AdviceStatusFilter, AnomalyRow, ColumnType, Deploy, EventFilter, Incident, Kind, RecommendationFilter,
            RecommendationRow, RowFilter, SignalFilter, State, SuspectedIncidentRow, TableRow,
        },
    },
};
use almanac_models::Timestamp;
use serde_json::Value;

use super::{
    filters::{Filters, SIGNAL},
    frames::{Column, ColumnKind, frame, table},
    request::TargetBody,
    series::{PanelRange, ResponseFormat, response_format},
};
use crate::http::{ApiError, rows::scalar};

/// Encodes columns in the format of the target's option, `fields` by default.
fn shaped(target: &TargetBody, name: &str, columns: Vec<Column>) -> Result<Value, ApiError> {
    Ok(match response_format(target)? {
        None | Some(ResponseFormat::Fields) => frame(&target.ref_id, name, columns),
        Some(ResponseFormat::Table) => table(&target.ref_id, &columns),
        Some(ResponseFormat::TimeSeries) => {
            let message =
                format!("target {}: {name} supports the formats fields and table, not timeseries", target.ref_id);
            return Err(ApiError::bad_request("unknown_option", message));
        }
    })
}

/// Returns the columns of a table's rows, with instants as epoch milliseconds.
fn columns<R: TableRow>(rows: &[R]) -> Vec<Column> {
    let flat = R::TABLE.flat();
    flat.map(|(idx, column)| {
        let kind = match column.column_type {
            ColumnType::Time => ColumnKind::Time,
            ColumnType::Float | ColumnType::Int | ColumnType::Count | ColumnType::Small => ColumnKind::Number,
            ColumnType::Flag => ColumnKind::Flag,
            ColumnType::Text
            | ColumnType::Json
            | ColumnType::Ints
            | ColumnType::Texts
            | ColumnType::Map
            | ColumnType::Buckets => ColumnKind::Text,
        };
        // Grafana expects this name for the end of a region annotation.
        let name = if column.flat == "time_end" { "timeEnd" } else { column.flat };
        Column::new(name, kind, rows.iter().map(|row| scalar(column, &row.cell(idx))))
    })
    .collect()
}

fn invalid(target: &TargetBody, error: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("unknown_option", format!("target {}: {error}", target.ref_id))
}

fn row_filter(signals: Vec<String>, range: PanelRange) -> RowFilter {
    RowFilter {
        signals,
        start: Some(Timestamp::from_millis(range.start_ms)),
        end: Some(Timestamp::from_millis(range.end_ms)),
        ..RowFilter::default()
    }
}

/// Returns one frame per signal with its forecast and the intervals.
///
/// # Errors
/// The store's; 400 for an invalid option.
pub(super) fn forecasts(
    store: &Store,
    target: &TargetBody,
    signals: &[String],
    range: PanelRange,
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
        let rows = store.forecasts(&RowFilter { latest: true, ..row_filter(vec![signal.clone()], range) })?;
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

/// Returns scored points: with named signals one frame per signal, otherwise one table of all signals.
///
/// The default of the option `min_score` is every point for named signals, and 1 for all signals.
///
/// # Errors
/// The store's; 400 for an invalid option.
pub(super) fn anomalies(
    store: &Store,
    target: &TargetBody,
    signals: &[String],
    range: PanelRange,
    filters: &Filters,
) -> Result<Vec<Value>, ApiError> {
    target.check_options(&["format", "min_score"])?;
    let min_score = match target.option("min_score") {
        Some(text) => Some(text.parse().map_err(|_| invalid(target, format!("min_score {text:?} is not a number")))?),
        None => signals.is_empty().then_some(1.0),
    };
    let mut rows = scored(store, signals, min_score, range, filters)?;
    // Columns of one signal, with names for the legend.
    let of_one = |rows: &[AnomalyRow], signal: &str| {
        let named = |what: &str| Some(format!("{signal} {what}"));
        let is_anomaly = rows.iter().map(|row| Value::from(row.score > 1.0));
        vec![
            Column::times("time", rows.iter().map(|row| row.timestamp.millis())),
            Column::numbers("value", rows.iter().map(|row| row.value)).displayed(Some(signal.to_owned())),
            Column::numbers("yhat", rows.iter().map(|row| row.yhat)).displayed(named("expected")),
            Column::numbers("yhat_lower", rows.iter().map(|row| row.yhat_lower)).displayed(named("lower")),
            Column::numbers("yhat_upper", rows.iter().map(|row| row.yhat_upper)).displayed(named("upper")),
            Column::numbers("score", rows.iter().map(|row| row.score)).displayed(named("score")),
            Column::new("is_anomaly", ColumnKind::Flag, is_anomaly),
        ]
    };
    if signals.is_empty() {
        rows.sort_by(|a, b| (a.timestamp, &a.signal).cmp(&(b.timestamp, &b.signal)));
        return Ok(vec![shaped(target, "anomalies", columns(&rows))?]);
    }
    // The store sorts rows by signal and time.
    rows.chunk_by(|a, b| a.signal == b.signal)
        .map(|rows| {
            let signal = &rows[0].signal;
            shaped(target, &format!("anomalies({signal})"), of_one(rows, signal))
        })
        .collect()
}

fn scored(
    store: &Store,
    signals: &[String],
    min_score: Option<f64>,
    range: PanelRange,
    filters: &Filters,
) -> Result<Vec<AnomalyRow>, StoreError> {
    let mut rows = store.anomalies(&RowFilter { min_score, ..row_filter(signals.to_vec(), range) })?;
    rows.retain(|row| filters.pass(|key| (key == SIGNAL).then(|| row.signal.clone())));
    Ok(rows)
}

/// Returns the anomalies of the named signals in the span, or of all signals if none is named.
///
/// # Errors
/// The store's.
pub(super) fn anomaly_rows(
    store: &Store,
    signals: &[String],
    range: PanelRange,
    filters: &Filters,
) -> Result<Vec<AnomalyRow>, StoreError> {
    let mut rows = scored(store, signals, Some(1.0), range, filters)?;
    rows.retain(|row| row.score > 1.0);
    Ok(rows)
}

/// Returns the recommendations that match the target's options and the filters, the newest first.
///
/// # Errors
/// The store's; 400 for an invalid option.
pub(super) fn recommendation_rows(
    store: &Store,
    target: &TargetBody,
    filters: &Filters,
) -> Result<Vec<RecommendationRow>, ApiError> {
    target.check_options(&["format", "kind", "state", "target"])?;
    let kinds = target.options("kind").iter().map(|word| word.parse::<Kind>()).collect::<Result<_, _>>();
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

/// Returns them as a table.
///
/// # Errors
/// As [`recommendation_rows`].
pub(super) fn recommendations(store: &Store, target: &TargetBody, filters: &Filters) -> Result<Value, ApiError> {
    let rows = recommendation_rows(store, target, filters)?;
    shaped(target, "recommendations", columns(&rows))
}

fn event_filter(range: PanelRange) -> EventFilter {
    EventFilter {
        start: Some(Timestamp::from_millis(range.start_ms)),
        end: Some(Timestamp::from_millis(range.end_ms)),
        ..EventFilter::default()
    }
}

/// Returns incidents that overlap the span and pass the filters on `title`, `target`, `source` and `verdict`.
///
/// # Errors
/// The store's.
pub(super) fn incident_rows(store: &Store, range: PanelRange, filters: &Filters) -> Result<Vec<Incident>, StoreError> {
    let mut rows = store.incidents(&event_filter(range))?;
    rows.retain(|row| {
        filters.pass(|key| match key {
            "title" => Some(row.title.clone()),
            "target" => Some(row.target.clone().unwrap_or_default()),
            "source" => Some(row.source.clone()),
            "verdict" => Some(row.verdict.as_str().to_owned()),
            _ => None,
        })
    });
    Ok(rows)
}

/// Returns them as a table.
///
/// # Errors
/// As [`incident_rows`]; 400 for an invalid option.
pub(super) fn incidents(
    store: &Store,
    target: &TargetBody,
    range: PanelRange,
    filters: &Filters,
) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let rows = incident_rows(store, range, filters)?;
    shaped(target, "incidents", columns(&rows))
}

/// Returns suspected incidents that overlap the span and have a signal that passes the filter on `signal`.
///
/// # Errors
/// The store's.
pub(super) fn suspected_rows(
    store: &Store,
    range: PanelRange,
    filters: &Filters,
) -> Result<Vec<SuspectedIncidentRow>, StoreError> {
    let mut rows = store.suspected_incidents(&event_filter(range))?;
    rows.retain(|row| row.signals.iter().any(|signal| filters.pass_signal(signal)));
    Ok(rows)
}

/// Returns them as a table.
///
/// # Errors
/// As [`suspected_rows`]; 400 for an invalid option.
pub(super) fn suspected(
    store: &Store,
    target: &TargetBody,
    range: PanelRange,
    filters: &Filters,
) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let rows = suspected_rows(store, range, filters)?;
    shaped(target, "suspected_incidents", columns(&rows))
}

/// Returns deploys in the span that pass the filters on `service` and `version`.
///
/// # Errors
/// The store's.
pub(super) fn deploy_rows(store: &Store, range: PanelRange, filters: &Filters) -> Result<Vec<Deploy>, StoreError> {
    let mut rows = store.deploys(&event_filter(range))?;
    rows.retain(|row| {
        filters.pass(|key| match key {
            "service" => Some(row.service.clone()),
            "version" => Some(row.version.clone().unwrap_or_default()),
            _ => None,
        })
    });
    Ok(rows)
}

/// Returns them as a table.
///
/// # Errors
/// As [`deploy_rows`]; 400 for an invalid option.
pub(super) fn deploys(
    store: &Store,
    target: &TargetBody,
    range: PanelRange,
    filters: &Filters,
) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let rows = deploy_rows(store, range, filters)?;
    shaped(target, "deploys", columns(&rows))
}

/// Returns a table of signals and their models.
///
/// # Errors
/// The store's; 400 for an invalid option.
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
    shaped(target, "signals", columns(&rows))
}

/// Returns a table of the verdicts of the advisors that pass the filters on `kind`, `target` and `state`.
///
/// # Errors
/// The store's; 400 for an invalid option.
pub(super) fn advice(store: &Store, target: &TargetBody, filters: &Filters) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let mut rows = store.advice_status(&AdviceStatusFilter::default())?;
    rows.retain(|row| {
        filters.pass(|key| match key {
            "kind" => Some(row.kind.clone()),
            "state" => Some(row.state.to_string()),
            "target" => Some(row.target.clone()),
            _ => None,
        })
    });
    shaped(target, "advice", columns(&rows))
}

/// Returns a table of expected breaches.
///
/// # Errors
/// 400 for an invalid option.
pub(super) fn breaches(target: &TargetBody, found: &[ExpectedBreach]) -> Result<Value, ApiError> {
    target.check_options(&["format"])?;
    let texts = |name, of: fn(&ExpectedBreach) -> &String| {
        Column::new(name, ColumnKind::Text, found.iter().map(|one| of(one).clone().into()))
    };
    let times = |name, of: fn(&ExpectedBreach) -> Option<i64>| {
        Column::new(name, ColumnKind::Time, found.iter().map(|one| of(one).into()))
    };
    let columns = vec![
        times("time", |one| Some(one.breach.expected_ms)),
        times("earliest", |one| Some(one.breach.earliest_ms)),
        times("latest", |one| one.breach.latest_ms),
        texts("alert", |one| &one.alert),
        texts("expr", |one| &one.expr),
        texts("element", |one| &one.element),
        Column::numbers("slope_per_day", found.iter().map(|one| one.breach.slope_per_day)),
    ];
    shaped(target, "breaches", columns)
}
