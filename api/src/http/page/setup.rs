//! Set-up: what arrives, errors of each scrape target, webhooks, and what each advisor lacks.

use almanac_engine::store::rows::{AdviceState, AdviceStatusFilter, WebhookRow};
use askama::Template;
use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, header::HOST},
    response::Response,
};

use super::{
    card::Stamp,
    format::{bytes, digits, span},
    shell::{Shell, render},
    subject::{Target, targets},
};
use crate::{
    access::Caller,
    http::{ApiError, AppState, Lane, notices::webhook_places},
};

#[derive(Template)]
#[template(path = "setup.html")]
struct Setup {
    shell: Shell,
    facts: Vec<(String, String)>,
    newest: Option<Stamp>,
    problem: Option<String>,
    scraped: Vec<Scraped>,
    webhooks: Vec<Hook>,
    lacking: Vec<Target>,
    unused: Vec<Unused>,
    refused: u64,
    address: String,
}

#[derive(Debug)]
struct Scraped {
    job: String,
    instance: String,
    url: String,
    health: String,
    error: Option<String>,
    at: Option<Stamp>,
    took: String,
    samples: String,
}

/// A webhook and its place among the notices.
#[derive(Debug)]
struct Hook {
    name: String,
    delivered: u64,
    dead: u64,
    waiting: i64,
    failing: Option<Stamp>,
    error: String,
}

/// An advisor without a target.
#[derive(Debug)]
struct Unused {
    title: String,
    kind: String,
    noun: String,
    section: Option<String>,
}

/// The page at `/setup`.
pub(super) async fn setup(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let address = address(&state, &headers);
    let shell = Shell::new(&state, &caller, "Set-up", "/setup");
    let read = state.clone();
    let page = state
        .run(Lane::Light, move || {
            let store = &read.store;
            let stats = store.stats();
            #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
            let number = |value: u64| value as f64;
            let fact = |name: &str, value: String| (name.to_owned(), value);
            let facts = vec![
                fact(
                    "series",
                    format!("{} of at most {}", digits(number(stats.series)), digits(number(stats.max_series))),
                ),
                fact("samples", digits(number(stats.samples_hot + stats.samples_late + stats.samples_cold))),
                fact("database file", bytes(number(stats.file_bytes))),
                fact("write-ahead log", bytes(number(stats.wal_bytes))),
                fact("recent samples in memory", digits(number(stats.samples_recent))),
                fact("distinct names and values of labels", bytes(number(stats.label_bytes))),
            ];
            let scraped = store
                .scrape_targets()
                .into_iter()
                .map(|row| Scraped {
                    job: row.job,
                    instance: row.instance,
                    url: row.url,
                    health: row.health.to_string(),
                    error: row.last_error,
                    at: row.last_scrape.map(Stamp::of),
                    took: span(row.duration_ms / 1000.0),
                    samples: digits(number(row.samples)),
                })
                .collect();
            let hook = |(row, waiting): (WebhookRow, i64)| Hook {
                name: row.webhook,
                delivered: row.delivered,
                dead: row.dead,
                waiting,
                failing: row.failing_since.map(Stamp::of),
                error: row.error.unwrap_or_default(),
            };
            let webhooks = webhook_places(&read)?.into_iter().map(hook).collect();
            let all = targets(&read, &AdviceStatusFilter::default())?;
            let unused = read
                .config
                .registry
                .advisors()
                .filter(|advisor| !all.iter().any(|target| target.kind == advisor.kind().to_string()))
                .map(|advisor| Unused {
                    title: advisor.title().to_owned(),
                    kind: advisor.kind().to_string(),
                    noun: advisor.target().to_owned(),
                    section: advisor.section().map(str::to_owned),
                })
                .collect();
            let lacking = all.into_iter().filter(|target| target.state == lacks()).collect();
            Ok::<_, ApiError>(Setup {
                shell,
                facts,
                newest: store.newest().map(Stamp::of),
                problem: store.unready(),
                scraped,
                webhooks,
                lacking,
                unused,
                refused: stats.series_refused,
                address,
            })
        })
        .await?;
    render(&page)
}

/// Returns the address under which the reader reaches the service, which senders can use too.
fn address(state: &AppState, headers: &HeaderMap) -> String {
    let server = &state.config.server;
    let scheme = if server.tls_cert.is_some() { "https" } else { "http" };
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    format!("{scheme}://{}", named.map_or_else(|| server.listen.to_string(), str::to_owned))
}

fn lacks() -> String {
    AdviceState::Lacks.to_string()
}
