//! HTTP client of the scraper.

use std::time::{Duration, Instant};

use almanac_engine::ingest::scrape::{Fetched, Page, ScrapeClient, ScrapeRequest};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, future::BoxFuture};
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, LOCATION},
    redirect::Policy,
};

use crate::chain;

/// Fetches metrics pages over HTTP; connections are reused between scrapes.
#[derive(Debug, Clone)]
pub(super) struct HttpClient {
    /// Treats a redirect as the answer.
    direct: Client,
    /// Follows redirects.
    following: Client,
}

/// Maximum number of redirects that are followed.
const MAX_REDIRECTS: usize = 5;

impl HttpClient {
    pub(super) fn new() -> reqwest::Result<Self> {
        let agent = concat!("almanac/", env!("CARGO_PKG_VERSION"));
        // Like Prometheus, ignores the proxies of the environment: targets are usually local.
        let client =
            |policy: Policy| Client::builder().user_agent(agent).no_proxy().gzip(true).redirect(policy).build();
        Ok(Self { direct: client(Policy::none())?, following: client(Policy::limited(MAX_REDIRECTS))? })
    }
}

impl ScrapeClient for HttpClient {
    fn fetch<'a>(&'a self, request: &'a ScrapeRequest) -> BoxFuture<'a, Fetched> {
        async move {
            let started = Instant::now();
            let page = match tokio::time::timeout(request.timeout, self.page(request)).await {
                Ok(page) => page,
                Err(_) => Err(format!("no response within {}", humantime::format_duration(request.timeout))),
            };
            Fetched { elapsed: started.elapsed(), page }
        }
        .boxed()
    }
}

impl HttpClient {
    async fn page(&self, request: &ScrapeRequest) -> Result<Page, String> {
        let client = if request.follow_redirects { &self.following } else { &self.direct };
        let mut get = client
            .get(&request.url)
            .header(ACCEPT, request.accept)
            .header("X-Prometheus-Scrape-Timeout-Seconds", seconds(request.timeout));
        if let Some(token) = &request.token {
            get = get.bearer_auth(token);
        }
        let response = get.send().await.map_err(|error| describe(&error))?;
        if response.status().is_redirection() {
            let to =
                response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("another address");
            let to: String = to.chars().take(200).collect();
            return Err(format!(
                "the target redirects to {to} with status {}; write that address into the configuration, or set \
                 follow_redirects",
                response.status()
            ));
        }
        if response.status() != StatusCode::OK {
            return Err(format!("the target responded with status {}", response.status()));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
        Ok(Page { content_type, body: body(response, request.body_limit).await? })
    }
}

/// Reads the whole body; stops with an error as soon as it exceeds `limit` bytes.
async fn body(mut response: Response, limit: usize) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(format!("the page has more than {limit} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn seconds(timeout: Duration) -> String {
    format!("{}", timeout.as_secs_f64())
}

/// Formats the error without the URL, which the caller logs anyway.
fn describe(error: &reqwest::Error) -> String {
    let text = chain(error);
    match error.url() {
        Some(url) => text.replace(&format!(" for url ({url})"), ""),
        None => text,
    }
}
