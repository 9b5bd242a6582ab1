//! HTTP client for a running service.

use std::{fs, path::Path, time::Duration};

use indicatif::ProgressBar;
use reqwest::{
    Certificate,
    blocking::{Body, Client, RequestBuilder, Response},
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::backend::ServiceAddress;
use crate::{chain, cli::CliError, config::Secret, http::SAMPLES};

/// Timeout of a request; a full compaction may take long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// Timeout of an upload. A service that stops closes the connection, so this may be long.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);

/// A running service, used instead of a store.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
    url: String,
    /// The URL without a password, for messages.
    shown: String,
    token: Option<Secret>,
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
    /// Builds a client for a service.
    ///
    /// # Errors
    /// A usage error when the file of certificates cannot be used; a failure when the client cannot be created.
    pub fn new(service: ServiceAddress) -> Result<Self, CliError> {
        let ServiceAddress { url, token, ca } = service;
        let agent = concat!("almanac/", env!("CARGO_PKG_VERSION"));
        let mut builder =
            Client::builder().user_agent(agent).timeout(REQUEST_TIMEOUT).connect_timeout(Duration::from_secs(10));
        if let Some(ca) = ca {
            let wrong = |reason: String| CliError::usage(format!("--ca {}: {reason}", ca.display()));
            let pem = fs::read(&ca).map_err(|error| wrong(error.to_string()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(chain(&error)))?;
            if certificates.is_empty() {
                return Err(wrong("there is no certificate in PEM format".to_owned()));
            }
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| CliError::from_error(&error))?;
        Ok(Self { client, shown: without_password(&url), url, token })
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
    pub fn post_body(&self, path: &str, query: &[(&str, &str)], body: Body) -> Result<Answer, CliError> {
        let request = self.client.post(format!("{}{path}", self.url)).query(query).timeout(UPLOAD_TIMEOUT);
        self.send(request.header(CONTENT_TYPE, "application/octet-stream").body(body))
    }

    /// Sends `GET`.
    ///
    /// # Errors
    /// As [`Remote::post_json`].
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, CliError> {
        self.send(self.client.get(format!("{}{path}", self.url)).query(query))
    }

    /// Sends `POST` and writes the response's body into a new file, which is synced. Returns the samples that the service names.
    ///
    /// # Errors
    /// As [`Remote::post_json`]; a failure when the file cannot be written or the response is cut off.
    pub fn download(&self, path: &str, file: &Path, bar: &ProgressBar) -> Result<u64, CliError> {
        let request = self.client.post(format!("{}{path}", self.url)).json(&serde_json::json!({}));
        let mut response = self.sent(request.timeout(UPLOAD_TIMEOUT))?;
        let failed = |error: std::io::Error| CliError::failed(format!("{}: {error}", file.display()));
        let samples = response.headers().get(SAMPLES).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = response.content_length();
        bar.set_length(length.unwrap_or(0));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let out = options.open(file).map_err(failed)?;
        let written = response.copy_to(&mut bar.wrap_write(&out)).map_err(|error| {
            CliError::failed(format!(
                "the service at {} ended the response: {}",
                self.shown,
                chain(&error.without_url())
            ))
        })?;
        if length.is_some_and(|length| length != written) {
            return Err(CliError::failed(format!("the service at {} ended the response early", self.shown)));
        }
        out.sync_all().map_err(failed)?;
        samples.ok_or_else(|| CliError::failed("the response of the service is no backup"))
    }

    /// Sends a request and reads its answer.
    fn send(&self, request: RequestBuilder) -> Result<Answer, CliError> {
        let response = self.sent(request)?;
        let headers = response.headers().clone();
        let body = response.bytes().map_err(|error| self.unreachable(error))?.to_vec();
        Ok(Answer { headers, body })
    }

    fn unreachable(&self, error: reqwest::Error) -> CliError {
        let reason = chain(&error.without_url());
        // The TLS library rejects the usual self-signed certificates, which are certificates of authorities.
        let hint = if reason.contains("CaUsedAsEndEntity") {
            "; its certificate is one of an authority: make it with the extension basicConstraints=CA:FALSE"
        } else {
            ""
        };
        CliError::failed(format!("the service at {} did not answer: {reason}{hint}", self.shown))
    }

    /// Sends a request with the token, and turns error responses into failures.
    fn sent(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let response = request.send().map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().map_err(|error| self.unreachable(error))?;
        let message = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| Some(body.get("message").or_else(|| body.get("error"))?.as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
        Err(CliError::failed(format!("the service at {} answered {}: {message}", self.shown, status.as_u16())))
    }
}

/// Returns a URL without user name and password.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        let check = |url: &str, shown: &str| assert_eq!(without_password(url), shown);
        check("http://127.0.0.1:9797", "http://127.0.0.1:9797");
        check("https://ann:secret@h:1/a@b", "https://h:1/a@b");
        check("http://a:b@c@h", "http://h");
    }
}
