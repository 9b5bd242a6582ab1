//! Interface of the HTTP client that fetches pages; the service provides the implementation.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;

/// Request for a page.
#[derive(Clone, PartialEq, Eq)]
pub struct ScrapeRequest {
    /// Address of the page.
    pub url: String,
    /// Maximum time including the body; also sent as `X-Prometheus-Scrape-Timeout-Seconds`.
    pub timeout: Duration,
    /// Header `Accept`.
    pub accept: &'static str,
    /// Maximum decompressed size of the body in bytes; a larger one is a failure.
    pub body_limit: usize,
    /// Token to send as `Authorization: Bearer …`.
    pub token: Option<String>,
    /// Whether to follow redirects; otherwise a redirect is a failure.
    pub follow_redirects: bool,
}

/// Omits the token.
impl fmt::Debug for ScrapeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeRequest").field("url", &self.url).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Fetched page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Header `Content-Type`.
    pub content_type: Option<String>,
    /// Decompressed body.
    pub body: Bytes,
}

/// Result of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Duration of the fetch.
    pub elapsed: Duration,
    /// Page, or the error in one line.
    pub page: Result<Page, String>,
}

/// Client that fetches pages.
pub trait ScrapeClient: Send + Sync {
    /// Fetches one page within the request's timeout; a status other than 200 is a failure.
    fn fetch<'a>(&'a self, request: &'a ScrapeRequest) -> BoxFuture<'a, Fetched>;
}
