//! The loop over the messages of a connection.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
    time::Duration,
};

use futures::SinkExt;
use pgwire::{
    error::{ErrorInfo, PgWireResult},
    messages::{
        PgWireBackendMessage as Reply, PgWireFrontendMessage as Message,
        response::{ReadyForQuery, TransactionStatus},
        startup::ParameterStatus,
    },
};

use super::{
    portal::{Portal, Prepared},
    settings::Settings,
};
use crate::{
    access::Caller,
    http::AppState,
    postgres::{
        connect::{CancelSlot, Socket, receive},
        error::{Failure, fatal, info},
    },
};

/// A connection whose caller is known.
pub(in crate::postgres) struct Session {
    pub(super) socket: Socket,
    pub(super) state: AppState,
    pub(super) caller: Caller,
    pub(super) cancel: CancelSlot,
    pub(super) settings: Settings,
    pub(super) statements: HashMap<String, Arc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
    pub(super) transaction: TransactionStatus,
    /// A message that arrived while a statement ran.
    pub(super) pending: Option<Option<PgWireResult<Message>>>,
    /// After an error messages are skipped until the client's `Sync`.
    skips: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.caller.shown())
    }
}

impl Session {
    /// Creates the session of a connection.
    pub(in crate::postgres) fn new(
        socket: Socket,
        state: AppState,
        caller: Caller,
        cancel: CancelSlot,
        parameters: BTreeMap<String, String>,
    ) -> Self {
        let mut settings = Settings::default();
        let options = options(parameters.get("options").map_or("", String::as_str));
        for (name, value) in options.iter().chain(&parameters) {
            // Notices would come before the client has asked for anything; it sees the values by SHOW.
            let _ = settings.set(name, Some(value));
        }
        Self {
            socket,
            state,
            caller,
            cancel,
            settings,
            statements: HashMap::new(),
            portals: HashMap::new(),
            transaction: TransactionStatus::Idle,
            pending: None,
            skips: false,
        }
    }

    /// Answers messages until the client leaves, is idle for too long, or the service stops.
    ///
    /// # Errors
    /// The system's error of a broken connection.
    pub(in crate::postgres) async fn serve(mut self) -> io::Result<()> {
        loop {
            let message = match self.receive().await {
                Ok(Some(Message::Terminate(_)) | None) => return Ok(()),
                Ok(Some(message)) => message,
                Err(failure) => return self.end(failure).await,
            };
            if self.skips && !matches!(message, Message::Sync(_)) {
                continue;
            }
            let is_extended = message.is_extended_query();
            let failure = match self.handle(message).await {
                Ok(()) => continue,
                Err(failure) => failure,
            };
            let Failure::Sql(error) = failure else { return self.end(failure).await };
            if error.is_fatal() {
                return self.end(Failure::Sql(error)).await;
            }
            self.fail(error).await?;
            if is_extended {
                self.skips = true;
            } else {
                self.ready().await?;
            }
        }
    }

    /// Waits for a message. `None` when the client has left.
    async fn receive(&mut self) -> Result<Option<Message>, Failure> {
        let received = match self.pending.take() {
            Some(received) => received,
            None => {
                let idle = self.state.config.postgres.idle_timeout.duration();
                tokio::select! {
                    () = self.state.stopping.cancelled() => return Err(fatal("57P01", "the service is shutting down")),
                    received = tokio::time::timeout(idle, receive(&mut self.socket)) => {
                        received.map_err(|_| fatal("57P05", "the connection was idle for longer than postgres.idle_timeout"))?
                    }
                }
            }
        };
        Ok(received.transpose()?)
    }

    async fn handle(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Query(query) => self.simple(&query.query).await,
            Message::Parse(parse) => self.parse(parse).await,
            Message::Bind(bind) => self.bind(bind).await,
            Message::Describe(describe) => self.describe(describe).await,
            Message::Execute(execute) => self.execute(execute).await,
            Message::Close(close) => self.close(close).await,
            Message::Flush(_) => Ok(self.flush().await?),
            Message::Sync(_) => {
                self.skips = false;
                if self.transaction == TransactionStatus::Idle {
                    self.drop_portals();
                }
                Ok(self.ready().await?)
            }
            // As PostgreSQL does outside of a COPY.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => Ok(()),
            _ => Err(fatal("08P01", "this message is not expected after the sign-in")),
        }
    }

    /// Ends the transaction's portals; cursors that were declared `WITH HOLD` stay.
    pub(super) fn drop_portals(&mut self) {
        self.portals.retain(|_, portal| portal.is_held);
    }

    /// Sends a message, or keeps it until there are more.
    pub(super) async fn feed(&mut self, reply: Reply) -> Result<(), Failure> {
        Ok(self.write(reply).await?)
    }

    /// Sends a message as [`Session::feed`] does; the error of a client that does not read is `TimedOut`.
    async fn write(&mut self, reply: Reply) -> io::Result<()> {
        let limit = self.write_timeout();
        tokio::time::timeout(limit, self.socket.feed(reply)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let limit = self.write_timeout();
        tokio::time::timeout(limit, SinkExt::<Reply>::flush(&mut self.socket))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Time for a client to read what was sent.
    fn write_timeout(&self) -> Duration {
        self.state.config.server.idle_timeout.duration()
    }

    /// Sends an error. A transaction is failed afterwards.
    pub(super) async fn fail(&mut self, error: Box<ErrorInfo>) -> io::Result<()> {
        if self.transaction == TransactionStatus::Transaction {
            self.transaction = TransactionStatus::Error;
        }
        self.write(Reply::ErrorResponse((*error).into())).await?;
        self.flush().await
    }

    /// Sends a notice that something was ignored.
    pub(super) async fn notice(&mut self, message: String) -> Result<(), Failure> {
        self.feed(Reply::NoticeResponse((*info("NOTICE", "01000", message)).into())).await
    }

    /// Sends the value of a setting that has changed.
    pub(super) async fn report(&mut self, name: &str, value: String) -> Result<(), Failure> {
        self.feed(Reply::ParameterStatus(ParameterStatus::new(name.to_owned(), value))).await
    }

    /// Sends that the next message is awaited, with the state of the transaction.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        self.write(Reply::ReadyForQuery(ReadyForQuery::new(self.transaction))).await?;
        self.flush().await
    }

    /// Ends the connection, and sends the reason if there is one for the client.
    async fn end(&mut self, failure: Failure) -> io::Result<()> {
        match failure {
            Failure::Left => Ok(()),
            Failure::Io(error) => Err(error),
            Failure::Sql(error) => {
                self.write(Reply::ErrorResponse((*error).into())).await?;
                self.flush().await
            }
        }
    }
}

/// Reads the settings of the start-up parameter `options`: `-c name=value`, `-cname=value` or `--name=value`, in which a
/// backslash comes before a space of a value.
fn options(text: &str) -> BTreeMap<String, String> {
    let (mut words, mut escaped) = (vec![String::new()], false);
    for letter in text.chars() {
        match letter {
            '\\' if !escaped => escaped = true,
            ' ' if !escaped => words.push(String::new()),
            other => {
                if let Some(word) = words.last_mut() {
                    word.push(other);
                }
                escaped = false;
            }
        }
    }
    let assignments = words.iter().filter_map(|word| {
        let plain = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        plain.split_once('=')
    });
    assignments.map(|(name, value)| (name.replace('-', "_"), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_start_up_message_are_settings() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(options(text), expected, "{text}");
        };
        check("", &[]);
        check("-c statement_timeout=5000 -csearch_path=a", &[("search_path", "a"), ("statement_timeout", "5000")]);
        check("--application-name=a\\ b\\\\ -c", &[("application_name", "a b\\")]);
    }
}
