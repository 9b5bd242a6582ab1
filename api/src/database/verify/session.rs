//! A session on a copy, which may change it.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, SimpleQueryMessage};

use super::VerifyError;
use crate::database::{Address, client::describe, tls};

/// Settings of the session: plans are made for the values of each execution, as for a statement that is prepared anew, and
/// the copy waits for no other session.
const SETTINGS: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '5min'; \
    SET plan_cache_mode = force_custom_plan; SET client_min_messages = error";

/// A session on a copy; the connection closes when it is dropped, and an open transaction is rolled back.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    connection: JoinHandle<()>,
    address: Address,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    /// Connects. `statement_timeout`: longest time of a statement that is measured.
    ///
    /// # Errors
    /// [`VerifyError::Connect`], [`VerifyError::Statement`].
    pub(super) async fn connect(address: &Address, statement_timeout: Duration) -> Result<Self, VerifyError> {
        let tls = tls::connector(address.verify, &address.roots).map_err(VerifyError::Connect)?;
        let connected = address.config.connect(tls).await;
        let (client, connection) = connected.map_err(|error| VerifyError::Connect(describe(&error)))?;
        let connection = tokio::spawn(async move {
            // The error reaches the statement that runs.
            let _ = connection.await;
        });
        let session = Self { client, connection, address: address.clone() };
        session.run("the session", SETTINGS).await?;
        session.run("the session", &format!("SET statement_timeout = {}", statement_timeout.as_millis())).await?;
        Ok(session)
    }

    /// Runs statements and returns the first value of the first row as text. `what` names them in errors.
    ///
    /// # Errors
    /// [`VerifyError::Statement`].
    pub(super) async fn run(&self, what: &str, sql: &str) -> Result<Option<String>, VerifyError> {
        let answer = self.client.simple_query(sql).await;
        let messages =
            answer.map_err(|error| VerifyError::Statement { what: what.to_owned(), detail: describe(&error) })?;
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(str::to_owned),
            _ => None,
        }))
    }

    /// Runs a statement that returns a truth value; false without a row.
    ///
    /// # Errors
    /// [`VerifyError::Statement`].
    pub(super) async fn holds(&self, what: &str, sql: &str) -> Result<bool, VerifyError> {
        Ok(self.run(what, sql).await?.as_deref() == Some("t"))
    }

    /// Returns what cancels the running statement.
    pub(super) fn canceller(&self) -> Canceller {
        Canceller { token: self.client.cancel_token(), address: self.address.clone() }
    }
}

/// Cancels the running statement of a session.
pub(super) struct Canceller {
    token: CancelToken,
    address: Address,
}

impl Canceller {
    /// Asks the server to cancel; nothing is wrong if no statement runs.
    pub(super) async fn cancel(self) {
        if let Ok(tls) = tls::connector(self.address.verify, &self.address.roots) {
            let _ = tokio::time::timeout(Duration::from_secs(5), self.token.cancel_query(tls)).await;
        }
    }
}
