//! Settings of the HTTP server, `[server]`, with their defaults and checks.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;

use crate::config::{ByteSize, Secret, Span};

/// Settings of the HTTP server, `[server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port; port 0 selects a free port. Any address other than loopback needs a token and TLS, or
    /// `insecure`.
    pub listen: SocketAddr,
    /// Token with every scope that clients must send as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// File of hashed tokens, which `almanac token new` writes; by default `almanac.tokens` beside the database.
    pub tokens_file: Option<PathBuf>,
    /// Whether an address other than loopback may be served without a token or without TLS.
    pub insecure: bool,
    /// File with the certificate and its chain, PEM; it is read again when it changes.
    pub tls_cert: Option<PathBuf>,
    /// File with the private key of the certificate, PEM.
    pub tls_key: Option<PathBuf>,
    /// Further names of the service that `Host` may contain when no token is required, `*` for all.
    pub hosts: Vec<String>,
    /// Largest body of a request, as transferred.
    pub max_body: ByteSize,
    /// Memory for the bodies of all requests together; further requests are rejected with 503 until others end.
    pub max_in_flight: ByteSize,
    /// Origins of web pages that may call the service, `*` for all; for Grafana's browser access mode.
    pub cors_origins: Vec<String>,
    /// Time for running requests to finish after a stop signal.
    pub drain: Span,
    /// Largest number of connections; above it the one that has been idle for the longest time is closed.
    pub max_connections: usize,
    /// Longest time for a TLS handshake, and for the headers of a request.
    pub header_timeout: Span,
    /// Time in which at least 16 KiB of a body, or its rest, must arrive.
    pub body_timeout: Span,
    /// Time after which a connection without a request is closed, and one whose client does not read its answer.
    pub idle_timeout: Span,
    /// Requests per second of each token; further ones are rejected with 429.
    pub token_rate: Option<f64>,
    /// Simultaneous requests of each token; further ones are rejected with 429.
    pub token_concurrency: Option<usize>,
    /// File to which every state change is appended as a line of JSON.
    pub audit_file: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9797),
            token: None,
            tokens_file: None,
            insecure: false,
            tls_cert: None,
            tls_key: None,
            hosts: Vec::new(),
            max_body: ByteSize::mebibytes(32),
            max_in_flight: ByteSize::mebibytes(512),
            cors_origins: Vec::new(),
            drain: Span::from_secs(10),
            max_connections: 4096,
            header_timeout: Span::from_secs(30),
            body_timeout: Span::from_secs(30),
            idle_timeout: Span::from_secs(300),
            token_rate: None,
            token_concurrency: None,
            audit_file: None,
        }
    }
}

impl Server {
    /// Returns what is wrong with values that are valid one by one.
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("server.tls_cert and server.tls_key belong together; write both or none".to_owned());
        }
        if self.max_in_flight < self.max_body {
            return Err(format!(
                "server.max_in_flight ({} bytes) is smaller than server.max_body ({} bytes): the largest body would never fit",
                self.max_in_flight.bytes(),
                self.max_body.bytes()
            ));
        }
        if self.max_connections == 0 || self.token_concurrency == Some(0) {
            return Err("server.max_connections and server.token_concurrency are at least 1".to_owned());
        }
        if let Some(rate) = self.token_rate
            && !(rate > 0.0 && rate <= 1e6)
        {
            return Err(format!("server.token_rate {rate} is not above 0 and at most 1000000"));
        }
        for (key, timeout) in [
            ("header_timeout", self.header_timeout),
            ("body_timeout", self.body_timeout),
            ("idle_timeout", self.idle_timeout),
        ] {
            if timeout.millis() < 100 {
                return Err(format!("server.{key} is shorter than 100 ms"));
            }
        }
        if let Some(host) = self.hosts.iter().find(|host| host.trim().is_empty() || host.contains(['/', ' ', '@'])) {
            return Err(format!("server.hosts: {host:?} is not a host name like almanac.example.com"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("conf/almanac.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn contradictions_are_named() {
        for (text, message) in [
            ("tls_cert = \"c\"", "conf/almanac.toml: server.tls_cert and server.tls_key belong together"),
            ("max_connections = 0", "at least 1"),
            ("token_rate = 0.0", "server.token_rate 0 is not above 0"),
            ("token_rate = nan", "server.token_rate NaN is not above 0"),
            ("idle_timeout = \"1ms\"", "server.idle_timeout is shorter than 100 ms"),
            ("hosts = [\"http://a\"]", "\"http://a\" is not a host name"),
        ] {
            let error = parse(&format!("[server]\n{text}")).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn no_secret_is_in_an_error_or_in_the_debug_output() {
        let config = parse(
            "[server]\ntoken = \"tellnoone\"\n[[scrape]]\njob = \"a\"\ntargets = [\"h:1\"]\ntoken = \"tellnoone\"",
        )
        .unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("tellnoone") && shown.contains('…'), "{shown}");
        for text in ["token = 74627", "token = [\"74627\"]", "token = 7.4627", "token = { a = \"74627\" }"] {
            let error = parse(&format!("[server]\n{text}")).unwrap_err();
            assert!(error.contains("write it in quotes") && !error.contains("4627"), "{error}");
        }
        assert!(parse("[server]\ntoken = \" \"").unwrap_err().contains("the secret is empty"));
    }
}
