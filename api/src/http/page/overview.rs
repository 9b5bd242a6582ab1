//! The overview: what to change now, what goes wrong, whether promises were kept, and the health of ingest.

use almanac_engine::{
    ledger::{Calibration, LedgerError},
    store::{
        StoreError, StoreStats,
        rows::{
            EventFilter, Incident, IncidentVerdict, RecommendationFilter, SignalFilter, SignalStatus,
            SuspectedIncidentRow,
        },
    },
};
use almanac_models::Timestamp;
use askama::Template;
use axum::{Extension, extract::State, response::Response};

use super::{
    card::{Card, Stamp, by_worth, is_open},
    format::{bytes, digits, quantity, span},
    shell::{Shell, render, segment},
};
use crate::{
    access::Caller,
    http::{ApiError, AppState, Lane},
};

/// Span in which suspected incidents are shown, milliseconds.
const INCIDENT_SPAN_MS: i64 = 7 * 86_400_000;
/// Number of suspected incidents that are shown.
const MAX_INCIDENTS: usize = 6;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    shell: Shell,
    open: Vec<Card>,
    incidents: Vec<Suspected>,
    kept: Kept,
    signals: Learned,
    health: Health,
}

/// A suspected incident in a list.
#[derive(Debug, Clone)]
pub(super) struct Suspected {
    pub(super) started: Stamp,
    pub(super) ended: Stamp,
    pub(super) lasted: String,
    pub(super) first: String,
    pub(super) first_path: String,
    pub(super) confidence: String,
    pub(super) signals: Vec<(String, String)>,
    pub(super) peak: String,
    /// What labels say about it.
    pub(super) verdict: Option<&'static str>,
}

impl Suspected {
    pub(super) fn of(row: &SuspectedIncidentRow, labelled: &[Incident]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
        let seconds = (row.ended_at.millis() - row.started_at.millis()) as f64 / 1000.0;
        let path = |name: &str| format!("/signals/{}", segment(name));
        Self {
            started: Stamp::of(row.started_at),
            ended: Stamp::of(row.ended_at),
            lasted: span(seconds),
            first_path: path(&row.first_mover),
            first: row.first_mover.clone(),
            confidence: quantity(row.confidence, "1"),
            signals: row.signals.iter().map(|name| (name.clone(), path(name))).collect(),
            peak: digits(row.peak),
            verdict: row.verdict(labelled).map(IncidentVerdict::as_str),
        }
    }
}

/// How promises were kept.
#[derive(Debug)]
struct Kept {
    measured: u64,
    inside: u64,
    share: Option<String>,
    verified: u64,
    regressed: u64,
}

impl From<Calibration> for Kept {
    fn from(all: Calibration) -> Self {
        Self {
            measured: all.measured,
            inside: all.inside,
            share: all.share().map(|share| quantity(share, "1")),
            verified: all.verified,
            regressed: all.regressed,
        }
    }
}

/// Numbers of signals by the state of their learning.
#[derive(Debug, Default)]
struct Learned {
    ready: usize,
    learning: usize,
    failed: usize,
    total: usize,
}

/// State of ingest and store.
#[derive(Debug)]
struct Health {
    problem: Option<String>,
    series: String,
    samples: String,
    newest: Option<Stamp>,
    file: String,
    up: usize,
    down: usize,
    refused: u64,
}

/// The page at `/`.
pub(super) async fn overview(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let shell = Shell::new(&state, &caller, "Overview", "/");
    let now = state.clock.now();
    let read = state.clone();
    let page = state
        .run(Lane::Light, move || {
            let AppState { store, ledger, config, .. } = &read;
            let rows = ledger.list(&RecommendationFilter::default()).map_err(ledger_error)?;
            let mut open: Vec<_> = rows
                .into_iter()
                .filter(|row| is_open(row.state))
                .map(|row| {
                    let card = Card::of(&row, &config.registry);
                    (row, card)
                })
                .collect();
            by_worth(&mut open);
            let start = Timestamp::from_millis(now.millis() - INCIDENT_SPAN_MS);
            let filter = EventFilter { start: Some(start), limit: Some(MAX_INCIDENTS), ..EventFilter::default() };
            let mut incidents = store.suspected_incidents(&filter)?;
            incidents.sort_by_key(|row| std::cmp::Reverse(row.started_at));
            let labelled = store.incidents(&EventFilter { start: Some(start), ..EventFilter::default() })?;
            incidents.retain(|row| row.verdict(&labelled) != Some(IncidentVerdict::False));
            let mut signals = Learned::default();
            for row in store.signals(&SignalFilter::default())? {
                signals.total += 1;
                match row.status {
                    SignalStatus::Ready => signals.ready += 1,
                    SignalStatus::Learning => signals.learning += 1,
                    SignalStatus::Failed => signals.failed += 1,
                }
            }
            Ok::<_, ApiError>(Overview {
                shell,
                open: open.into_iter().map(|(_, card)| card).collect(),
                incidents: incidents.iter().map(|row| Suspected::of(row, &labelled)).collect(),
                kept: ledger.calibration().map_err(ledger_error)?.into(),
                signals,
                health: health(&read)?,
            })
        })
        .await?;
    render(&page)
}

fn health(state: &AppState) -> Result<Health, StoreError> {
    let store = &state.store;
    let stats: StoreStats = store.stats();
    let targets = store.scrape_targets();
    let up = targets.iter().filter(|target| target.health.to_string() == "up").count();
    let down = targets.iter().filter(|target| target.health.to_string() == "down").count();
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let number = |value: u64| value as f64;
    Ok(Health {
        problem: store.unready(),
        series: digits(number(stats.series)),
        samples: digits(number(stats.samples_hot + stats.samples_late + stats.samples_cold)),
        newest: store.newest().map(Stamp::of),
        file: bytes(number(stats.file_bytes + stats.wal_bytes)),
        up,
        down,
        refused: stats.series_refused,
    })
}

/// Returns an error of the ledger as that of a request.
pub(super) fn ledger_error(error: LedgerError) -> ApiError {
    error.into()
}
