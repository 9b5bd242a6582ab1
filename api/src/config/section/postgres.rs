//! The section `[postgres]`: the listener for clients of PostgreSQL.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::config::Span;

/// The listener for clients of PostgreSQL, `[postgres]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Postgres {
    /// Address and port; without it there is no listener. Any address other than loopback needs a token and TLS, or
    /// `server.insecure`.
    pub listen: Option<SocketAddr>,
    /// Largest number of connections; further ones are refused with 53300.
    pub max_connections: usize,
    /// Time after which a connection without a statement is closed.
    pub idle_timeout: Span,
}

impl Default for Postgres {
    fn default() -> Self {
        Self { listen: None, max_connections: 64, idle_timeout: Span::from_secs(3_600) }
    }
}

impl Postgres {
    /// Checks the values; the error names the key.
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        if self.max_connections == 0 {
            return Err("postgres.max_connections is at least 1; leave postgres.listen out for no listener".to_owned());
        }
        if self.idle_timeout.millis() < 1_000 {
            return Err("postgres.idle_timeout is shorter than a second".to_owned());
        }
        Ok(())
    }
}
