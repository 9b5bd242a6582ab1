//! Sends alerts to Alertmanagers: `POST /api/v2/alerts`.

use std::time::Duration;

use almanac_engine::rules::Notice;
use reqwest::{Client, Url};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::http::iso;

/// Longest duration of a request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most alerts of a request, as in Prometheus.
const BATCH: usize = 256;

/// Most evaluations whose notices wait for a slow Alertmanager; those of further ones are dropped.
const WAITING: usize = 16;

/// Hands notices to a task that sends them, so that a slow Alertmanager delays no evaluation.
#[derive(Debug)]
pub(super) struct Sender(mpsc::Sender<Vec<Notice>>);

impl Sender {
    /// Starts the task, which ends with the sender.
    pub(super) fn start(addresses: &[String]) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Vec<Notice>>(WAITING);
        let receivers = Receivers::new(addresses);
        tokio::spawn(async move {
            while let Some(notices) = waiting.recv().await {
                receivers.send(&notices).await;
            }
        });
        Self(sender)
    }

    /// Sends notices soon. Those that are dropped are repeated by later evaluations.
    pub(super) fn send(&self, notices: Vec<Notice>) {
        if !notices.is_empty() && self.0.try_send(notices).is_err() {
            tracing::warn!("alerts are dropped, because the Alertmanagers are slow; they are sent again later");
        }
    }
}

/// The Alertmanagers, each of which gets every alert.
#[derive(Debug, Clone)]
struct Receivers {
    client: Client,
    urls: Vec<Url>,
}

impl Receivers {
    /// Returns the Alertmanagers at these addresses; one that is no URL is left out and logged.
    fn new(addresses: &[String]) -> Self {
        let url = |address: &String| {
            let text = format!("{}/api/v2/alerts", address.trim_end_matches('/'));
            text.parse().inspect_err(|error| tracing::error!(address, %error, "this Alertmanager gets no alerts")).ok()
        };
        let urls = addresses.iter().filter_map(url).collect();
        // Building fails only without a TLS backend, which is compiled in.
        let client = Client::builder().timeout(TIMEOUT).build().unwrap_or_default();
        Self { client, urls }
    }

    /// Sends the notices. A failure is logged; the notices are repeated by later evaluations.
    async fn send(&self, notices: &[Notice]) {
        for batch in notices.chunks(BATCH) {
            let body = Value::Array(batch.iter().map(alert).collect());
            for url in &self.urls {
                let sent = self.client.post(url.clone()).json(&body).send().await;
                match sent.map(|answer| answer.status()) {
                    Ok(status) if status.is_success() => {}
                    Ok(status) => tracing::warn!(%url, %status, alerts = batch.len(), "alerts were not accepted"),
                    Err(error) => {
                        let error = crate::chain(&error);
                        tracing::warn!(%url, error, alerts = batch.len(), "alerts could not be sent");
                    }
                }
            }
        }
    }
}

fn alert(notice: &Notice) -> Value {
    let labels: Map<String, Value> =
        notice.labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({
        "labels": labels,
        "annotations": notice.annotations,
        "startsAt": iso(notice.starts_at_ms),
        "endsAt": iso(notice.ends_at_ms),
    })
}
