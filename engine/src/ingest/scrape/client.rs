//! What the client that fetches pages is asked, and what it answers.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;

/// What a client is to fetch.
#[derive(Clone, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// Where.
    pub url: String,
    /// How long at most, the body included; also told to the target in `X-Prometheus-Scrape-Timeout-Seconds`.
    pub timeout: Duration,
    /// The header `Accept`.
    pub accept: &'static str,
    /// Most bytes of the body once it is unpacked; more is a failure.
    pub body_limit: usize,
    /// To be sent as `Authorization: Bearer …`.
    pub token: Option<String>,
}

/// Without the token.
impl fmt::Debug for ScrapeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeRequest").field("url", &self.url).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// A page as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The body, unpacked.
    pub body: Bytes,
}

/// The end of a fetch, good or bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// How long it took.
    pub elapsed: Duration,
    /// The page, or why there is none, in one line.
    pub page: Result<Page, String>,
}

/// Fetches pages; the service passes one in that speaks HTTP.
pub trait ScrapeClient: Send + Sync {
    /// Fetches one page within the request's timeout; a status other than 200 is a failure.
    fn fetch<'a>(&'a self, request: &'a ScrapeRequest) -> BoxFuture<'a, Fetched>;
}
