//! `GET /v1/webhooks`: how far each webhook has been told, and the newest dead letters.

use almanac_engine::store::{
    StoreError,
    rows::{DeadLetterRow, WebhookRow},
};
use axum::{Json, extract::State};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, Lane, Params, iso};

/// Dead letters in the answer.
const DEAD_LETTERS: usize = 100;

/// The state of the webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksBody {
    /// Configured webhooks.
    webhooks: Vec<WebhookBody>,
    /// The newest notices that were given up.
    dead_letters: Vec<DeadLetterBody>,
}

/// The state of a webhook.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookBody {
    /// Name of the webhook.
    name: String,
    /// Notices that it has accepted.
    delivered: u64,
    /// Notices that were given up.
    dead: u64,
    /// Notices that wait, of all types.
    waiting: i64,
    /// Attempts at the next notice so far.
    attempts: u64,
    /// First failed attempt at the next notice.
    failing_since: Option<String>,
    /// Why the last attempt failed.
    error: Option<String>,
}

/// A notice that was given up.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetterBody {
    /// Name of the webhook.
    webhook: String,
    /// Identifier of the notice, as in the body that was posted.
    id: String,
    /// When it was given up.
    time: String,
    /// Number of attempts.
    attempts: u64,
    /// Why the last one failed.
    error: String,
}

impl From<DeadLetterRow> for DeadLetterBody {
    fn from(row: DeadLetterRow) -> Self {
        Self { webhook: row.webhook, id: row.id, time: iso(row.at.millis()), attempts: row.attempts, error: row.error }
    }
}

/// Returns the state of each configured webhook, and the number of notices behind it.
pub(in crate::http) fn places(state: &AppState) -> Result<Vec<(WebhookRow, i64)>, StoreError> {
    let rows = state.store.webhooks()?;
    let newest = state.store.newest_notice()?;
    let place = |name: String| {
        let row = rows.iter().find(|row| row.webhook == name).cloned();
        let row = row.unwrap_or_else(|| WebhookRow::new(name, newest, state.clock.now()));
        let waiting = newest - row.delivered_seq;
        (row, waiting)
    };
    Ok(state.config.webhooks.iter().map(|webhook| place(webhook.shown())).collect())
}

/// Label of the metrics of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    webhook: String,
}

/// Returns the metrics of the webhooks.
pub(in crate::http) fn registry(places: &[(WebhookRow, i64)]) -> Registry {
    let mut registry = Registry::with_prefix("almanac");
    let labels = |row: &WebhookRow| WebhookLabels { webhook: row.webhook.clone() };
    let mut counter = |name: &str, help: &str, of: fn(&WebhookRow) -> u64| {
        let family = Family::<WebhookLabels, Counter>::default();
        for (row, _) in places {
            family.get_or_create(&labels(row)).inc_by(of(row));
        }
        registry.register(name, help, family);
    };
    counter("webhook_delivered", "Notices that a webhook has accepted", |row| row.delivered);
    counter("webhook_dead", "Notices that were given up", |row| row.dead);
    let waiting = Family::<WebhookLabels, Gauge>::default();
    for (row, behind) in places {
        waiting.get_or_create(&labels(row)).set(*behind);
    }
    registry.register("webhook_waiting", "Notices behind the last one that was delivered or skipped", waiting);
    registry
}

/// Lists the configured webhooks with what they have been told, and the newest dead letters.
#[utoipa::path(get, path = "/v1/webhooks", tag = "notices",
    responses((status = 200, description = "the state of the webhooks", body = WebhooksBody)))]
pub(super) async fn list_webhooks(
    State(state): State<AppState>,
    params: Params,
) -> Result<Json<WebhooksBody>, ApiError> {
    params.only(&[])?;
    let shared = state.clone();
    let read = move || {
        let body = |(row, waiting): (WebhookRow, i64)| WebhookBody {
            name: row.webhook,
            delivered: row.delivered,
            dead: row.dead,
            waiting,
            attempts: row.attempts,
            failing_since: row.failing_since.map(|at| iso(at.millis())),
            error: row.error,
        };
        Ok::<_, ApiError>(WebhooksBody {
            webhooks: places(&shared)?.into_iter().map(body).collect(),
            dead_letters: shared.store.dead_letters(Some(DEAD_LETTERS))?.into_iter().map(Into::into).collect(),
        })
    };
    Ok(Json(state.run(Lane::Light, read).await?))
}
