//! A session on a watched database that reads and changes nothing.

use std::time::Duration;

use almanac_engine::database::read::SESSION;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Address, tls};

/// Longest time of a statement; the server cancels earlier, unless it does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a database cannot be read. No text has the address or its password.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is no connection.
    #[error("the connection failed: {0}")]
    Connect(String),
    /// A statement failed.
    #[error("reading {what} failed: {detail}")]
    Query {
        /// What was read.
        what: &'static str,
        /// The server's message.
        detail: String,
    },
    /// The server did not answer.
    #[error("reading {what} took longer than {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout {
        /// What was read.
        what: &'static str,
    },
}

/// A session on a database; the connection closes when it is dropped.
#[derive(Debug)]
pub struct DatabaseClient {
    client: Client,
    connection: JoinHandle<()>,
}

impl Drop for DatabaseClient {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl DatabaseClient {
    /// Connects and restricts the session: read-only, with time limits for statements and locks.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn connect(address: &Address) -> Result<Self, DatabaseError> {
        let (verify, roots) = (address.verify, address.roots.clone());
        // It reads files, those of the system's authorities among them.
        let built = tokio::task::spawn_blocking(move || tls::connector(verify, &roots)).await;
        let stopped = || DatabaseError::Connect("the service is shutting down".to_owned());
        let tls = built.map_err(|_| stopped())?.map_err(DatabaseError::Connect)?;
        let connecting = tokio::time::timeout(ANSWER_TIMEOUT, address.config.connect(tls)).await;
        let connected = connecting.map_err(|_| DatabaseError::Connect("the server does not answer".to_owned()))?;
        let (client, connection) = connected.map_err(|error| DatabaseError::Connect(describe(&error)))?;
        let connection = tokio::spawn(async move {
            // The error reaches the statement that runs.
            let _ = connection.await;
        });
        let session = Self { client, connection };
        session.run("the session", SESSION).await?;
        Ok(session)
    }

    /// Whether the connection is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs a statement that returns one value, and returns it as text. `what` names it in errors.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn run(&self, what: &'static str, sql: &str) -> Result<Option<String>, DatabaseError> {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.client.simple_query(sql)).await;
        let messages = answer
            .map_err(|_| DatabaseError::Timeout { what })?
            .map_err(|error| DatabaseError::Query { what, detail: describe(&error) })?;
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(str::to_owned),
            _ => None,
        }))
    }
}

/// Returns an error in one line: the server's own message, or the reason of the system.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    let text = match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => crate::chain(error),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect()
}
