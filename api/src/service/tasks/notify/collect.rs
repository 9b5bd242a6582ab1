//! Finds what no notice has said yet, and stores notices about it.

use std::{collections::HashMap, time::Duration};

use almanac_engine::{
    notice::{Facts, find},
    store::{
        StoreError,
        rows::{EventFilter, NoticeRow, NoticeType, RecommendationFilter, RowFilter, SignalFilter, WebhookRow},
    },
};
use almanac_models::Timestamp;
use serde_json::Value;

use crate::{
    chain,
    config::Webhook,
    http::{AppState, notice_data},
};

/// Time between two looks at what is learned; changes of the ledger are noticed at once.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Notices that are kept, as in the store, and how many are read at a time.
const TOLD_MAX: usize = 20_000;
const PAGE: usize = 500;
/// Spans of anomalies and incidents that are compared with what was told.
const SPAN_MS: i64 = 26 * 3_600_000;

/// Looks for news until the service shuts down.
pub(super) async fn run(state: AppState) {
    let shared = state.clone();
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || register(&shared)).await {
        tracing::warn!(error = %chain(&error), "webhooks could not be registered");
    }
    let mut revisions = state.ledger.subscribe();
    let mut told: Option<Vec<NoticeRow>> = None;
    loop {
        revisions.borrow_and_update();
        if let Ok(now) = state.steady_now() {
            let shared = state.clone();
            let known = told.take();
            let looked = tokio::task::spawn_blocking(move || look(&shared, known, now)).await;
            match looked {
                Ok(Ok(known)) => told = Some(known),
                Ok(Err(_)) if state.stopping.is_cancelled() => return,
                // Everything is read again at the next look.
                Ok(Err(error)) => tracing::warn!(error = %chain(&error), "notices could not be written"),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => return,
            }
        }
        tokio::select! {
            () = state.stopping.cancelled() => return,
            changed = revisions.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Stores the place of each new webhook before the first look: the first webhooks of a new store get notices on all open
/// recommendations, one that is added later gets only later notices. The place of one that is no longer configured is
/// deleted, so that it is new when it comes back.
fn register(state: &AppState) -> Result<(), StoreError> {
    let configured: Vec<String> = state.config.webhooks.iter().map(Webhook::shown).collect();
    state.store.retain_webhooks(configured.clone())?;
    let known = state.store.webhooks()?;
    let newest = state.store.newest_notice()?;
    for name in configured {
        if !known.iter().any(|row| row.webhook == name) {
            state.store.put_webhook(WebhookRow::new(name, newest, state.clock.now()))?;
        }
    }
    Ok(())
}

/// Stores the notices about what is new; returns all notices, without their contents.
fn look(state: &AppState, told: Option<Vec<NoticeRow>>, now: Timestamp) -> Result<Vec<NoticeRow>, StoreError> {
    let store = &state.store;
    let mut told = match told {
        Some(told) => told,
        None => read_told(state)?,
    };
    let since = Some(now.plus_millis(-SPAN_MS));
    let last_change = told
        .iter()
        .rev()
        .find(|notice| notice.notice_type == NoticeType::Recommendation)
        .and_then(|notice| notice.key.split_once('.')?.0.parse().ok())
        .map(Timestamp::from_millis);
    let filter = RecommendationFilter { updated_since: last_change, ..RecommendationFilter::default() };
    let recommendations = store.recommendations(&filter)?;
    let breaches = state.metrics.expected_breaches();
    let events = EventFilter { start: since, ..EventFilter::default() };
    let (incidents, labelled) = (store.suspected_incidents(&events)?, store.incidents(&events)?);
    let rows = RowFilter { start: since, min_score: Some(1.0), ..RowFilter::default() };
    let mut anomalies = store.anomalies(&rows)?;
    anomalies.retain(|row| row.score > 1.0);
    let signals = store.signals(&SignalFilter::default())?;
    let steps_ms: HashMap<&str, i64> = signals.iter().map(|row| (row.signal.as_str(), row.step_ms)).collect();
    let facts = Facts {
        recommendations: &recommendations,
        breaches: breaches.as_deref(),
        incidents: &incidents,
        labelled: &labelled,
        anomalies: &anomalies,
        steps_ms,
    };
    let news = find(&told, &facts, now);
    if news.is_empty() {
        return Ok(told);
    }
    let mut rows: Vec<NoticeRow> = news
        .iter()
        .map(|news| {
            let (subject, state, key) = news.names();
            NoticeRow {
                seq: 0,
                id: format!("{:032x}", rand::random::<u128>()),
                at: now,
                notice_type: news.notice_type(),
                subject,
                state,
                key,
                data: notice_data(news),
            }
        })
        .collect();
    let newest = store.put_notices(rows.clone())?;
    for (row, seq) in rows.iter_mut().rev().zip((0..=newest).rev()) {
        (row.seq, row.data) = (seq, Value::Null);
    }
    told.extend(rows);
    let excess = told.len().saturating_sub(TOLD_MAX);
    told.drain(..excess);
    state.noticed.send_replace(newest);
    Ok(told)
}

/// Reads the stored notices without their contents.
fn read_told(state: &AppState) -> Result<Vec<NoticeRow>, StoreError> {
    let mut told: Vec<NoticeRow> = Vec::new();
    loop {
        let after = told.last().map_or(0, |notice| notice.seq);
        let page = state.store.notices(after, &[], Some(PAGE))?;
        if page.is_empty() {
            return Ok(told);
        }
        told.extend(page.into_iter().map(|notice| NoticeRow { data: Value::Null, ..notice }));
    }
}
