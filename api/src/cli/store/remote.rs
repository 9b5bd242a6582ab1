//! HTTP client for a running service.

use std::{fs::File, time::Duration};

use reqwest::{
    blocking::{Body, Client, RequestBuilder, Response},
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{chain, cli::CliError};

/// Timeout of a request; a full compaction may take long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// Timeout of an upload. A service that stops closes the connection, so this may be long.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);

/// A running service, used instead of a store.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
    url: String,
    token: Option<String>,
}

/// A successful response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Parses the body as JSON.
    ///
    /// # Errors
    /// A failure when it is not the expected JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| CliError::failed(format!("unexpected response of the service: {error}")))
    }
}

impl Remote {
    /// Builds a client for the service at `url`, which has no trailing slash.
    ///
    /// # Errors
    /// A failure when the client cannot be created.
    pub fn new(url: String, token: Option<String>) -> Result<Self, CliError> {
        let agent = concat!("almanac/", env!("CARGO_PKG_VERSION"));
        let client = Client::builder()
            .user_agent(agent)
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(Duration::from_secs(10))
            .build();
        Ok(Self { client: client.map_err(|error| CliError::from_error(&error))?, url, token })
    }

    /// Sends `POST` with a JSON body.
    ///
    /// # Errors
    /// A failure with the message of the service, or with the reason why it cannot be reached.
    pub fn post_json(&self, path: &str, body: &Value, accept: &str) -> Result<Answer, CliError> {
        let request = self.client.post(format!("{}{path}", self.url)).header(ACCEPT, accept).json(body);
        self.send(request)
    }

    /// Sends `POST` with the content of a file.
    ///
    /// # Errors
    /// As [`Remote::post_json`].
    pub fn post_file(&self, path: &str, query: &[(&str, &str)], file: File) -> Result<Answer, CliError> {
        let request = self.client.post(format!("{}{path}", self.url)).query(query).timeout(UPLOAD_TIMEOUT);
        self.send(request.header(CONTENT_TYPE, "application/octet-stream").body(Body::from(file)))
    }

    /// Sends `GET`.
    ///
    /// # Errors
    /// As [`Remote::post_json`].
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, CliError> {
        self.send(self.client.get(format!("{}{path}", self.url)).query(query))
    }

    /// Sends a request with the token, and turns error responses into failures.
    fn send(&self, request: RequestBuilder) -> Result<Answer, CliError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let unreachable = |error: reqwest::Error| {
            CliError::failed(format!("the service at {} did not answer: {}", self.url, chain(&error.without_url())))
        };
        let response: Response = request.send().map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().map_err(unreachable)?.to_vec();
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        let message = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("message").or_else(|| body.get("error"))?.as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
        Err(CliError::failed(format!("the service at {} answered {}: {message}", self.url, status.as_u16())))
    }
}
