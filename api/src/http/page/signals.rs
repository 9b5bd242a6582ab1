//! Signals: a list to search, and one with its history, forecast, anomalies, seasons and accuracy.

use almanac_engine::{
    advise::threshold::{Threshold, ThresholdSpec},
    store::rows::{SignalFilter, SignalRow},
};
use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};

use super::{
    card::Stamp,
    format::{digits, quantity, span},
    shell::{Shell, render, segment},
};
use crate::{
    access::Caller,
    http::{ApiError, AppState, Lane},
};

/// A signal in the list.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    path: String,
    expr: String,
    status: String,
    reason: Option<String>,
    origin: String,
    step: String,
    seasons: String,
    season_ms: Vec<i64>,
    model: String,
    fitted: Option<Stamp>,
    points: String,
    mase: String,
    coverage_80: String,
    coverage_95: String,
    step_ms: i64,
}

impl Entry {
    fn of(row: &SignalRow) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| quantity(value, "1"));
        Self {
            path: format!("/signals/{}", segment(&row.signal)),
            name: row.signal.clone(),
            expr: row.expr.clone(),
            status: row.status.to_string(),
            reason: row.reason.clone().filter(|reason| !reason.is_empty()),
            origin: row.origin.to_string(),
            step: span(seconds(row.step_ms)),
            step_ms: row.step_ms,
            seasons: if row.seasons_ms.is_empty() {
                "none".to_owned()
            } else {
                row.seasons_ms.iter().map(|season| span(seconds(*season))).collect::<Vec<_>>().join(", ")
            },
            season_ms: row.seasons_ms.clone(),
            model: row.model.clone().unwrap_or_else(|| "–".to_owned()),
            fitted: row.fitted_at.map(Stamp::of),
            #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
            points: digits(row.points as f64),
            mase: row.mase.map_or_else(|| "–".to_owned(), digits),
            coverage_80: share(row.coverage_80),
            coverage_95: share(row.coverage_95),
        }
    }
}

#[derive(Template)]
#[template(path = "signals.html")]
struct List {
    shell: Shell,
    signals: Vec<Entry>,
    ready: usize,
    learning: usize,
    failed: usize,
}

/// The page at `/signals`.
pub(super) async fn list(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let shell = Shell::new(&state, &caller, "Signals", "/signals");
    let store = state.store.clone();
    let rows = state.run(Lane::Light, move || store.signals(&SignalFilter::default())).await?;
    let signals: Vec<Entry> = rows.iter().map(Entry::of).collect();
    let count = |status: &str| signals.iter().filter(|signal| signal.status == status).count();
    let (ready, learning, failed) = (count("ready"), count("learning"), count("failed"));
    render(&List { shell, ready, learning, failed, signals })
}

/// A rule that alerts on the expression of a signal.
#[derive(Debug)]
struct AlertRule {
    alert: String,
    expr: String,
    hold: String,
    bound: f64,
    path: String,
}

#[derive(Template)]
#[template(path = "signal.html")]
struct One {
    shell: Shell,
    signal: Entry,
    rules: Vec<AlertRule>,
    season_list: String,
}

/// The page at `/signals/{name}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let read = state.clone();
    let (row, rules) = state
        .run(Lane::Light, move || {
            let filter = SignalFilter { signals: vec![name.clone()], ..SignalFilter::default() };
            let row = read.store.signals(&filter)?.into_iter().next();
            let row =
                row.ok_or_else(|| ApiError::not_found("unknown_signal", format!("no signal is called {name:?}")))?;
            let (specs, _) = read.config.advice_specs().map_err(|error| ApiError::internal(&error))?;
            let rules = specs.of::<Threshold>().filter(|spec| reads(spec, &row)).map(rule).collect::<Vec<_>>();
            Ok::<_, ApiError>((row, rules))
        })
        .await?;
    let signal = Entry::of(&row);
    let season_list = signal.season_ms.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let shell = Shell::new(&state, &caller, signal.name.clone(), "/signals");
    render(&One { shell, signal, rules, season_list })
}

/// Returns whether the expression of a rule is that of a signal, compared with a bound.
fn reads(spec: &ThresholdSpec, row: &SignalRow) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    squeezed(&spec.rule.condition.signal) == squeezed(&row.expr)
}

fn rule(spec: &ThresholdSpec) -> AlertRule {
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    let hold = span(spec.rule.for_ms as f64 / 1000.0);
    AlertRule {
        alert: spec.rule.alert.clone(),
        expr: spec.rule.expr.clone(),
        hold,
        bound: spec.rule.condition.bound,
        path: "/subjects/threshold".to_owned(),
    }
}
