//! Sends alerts to Alertmanagers: `POST /api/v2/alerts`.

use std::time::Duration;

use almanac_engine::rules::Notice;
use reqwest::{Client, Url};
use serde_json::{Map, Value, json};

use crate::http::iso;

/// Longest duration of a request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most alerts of a request, as in Prometheus.
const BATCH: usize = 256;

/// The Alertmanagers, each of which gets every alert.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    client: Client,
    urls: Vec<Url>,
}

impl Sender {
    /// Returns a sender to these addresses; one that is no URL is left out and logged.
    pub(super) fn new(addresses: &[String]) -> Self {
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
    pub(super) async fn send(&self, notices: &[Notice]) {
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
