//! The start-up message and the sign-in: the password is a token, checked by SCRAM-SHA-256; the user name is free.

use std::{collections::BTreeMap, net::IpAddr};

use futures::SinkExt;
use pgwire::{
    api::{ClientInfo, PgWireConnectionState, auth::protocol_negotiation},
    messages::{
        PgWireBackendMessage as Reply, PgWireFrontendMessage as Message,
        response::{ReadyForQuery, TransactionStatus},
        startup::{Authentication, BackendKeyData, ParameterStatus, PasswordMessageFamily, Startup},
    },
};

use super::{
    Socket,
    cancel::Registered,
    exchange::{First, MECHANISM, initial_response, last},
    receive::receive,
    shared::Shared,
};
use crate::{
    access::{Caller, Refusal, Scope},
    postgres::error::{Failure, fatal},
};
use almanac_engine::store::PG_SETTINGS;

/// A connection whose caller is known.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) caller: Caller,
    pub(super) registered: Registered,
    /// Parameters of the start-up message.
    pub(super) parameters: BTreeMap<String, String>,
}

/// Settings whose values every client gets after the sign-in, in this order.
const REPORTED: [&str; 13] = [
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "default_transaction_read_only",
    "in_hot_standby",
    "is_superuser",
    "session_authorization",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
];

/// Encodings of clients that are UTF-8, or whose bytes are not looked at.
const ENCODINGS: [&str; 5] = ["utf8", "utf-8", "unicode", "sql_ascii", "auto"];

/// Reads the start-up message and identifies the caller. `None` after a cancel request, or when the client has left.
///
/// # Errors
/// [`Failure`], which the caller sends to the client.
pub(super) async fn sign_in(socket: &mut Socket, shared: &Shared, is_full: bool) -> Result<Option<SignedIn>, Failure> {
    let startup = match receive(socket).await {
        Some(Ok(Message::CancelRequest(request))) => {
            shared.keys.cancel(&request);
            return Ok(None);
        }
        Some(Ok(Message::Startup(startup))) => startup,
        Some(Ok(_)) => return Err(fatal("08P01", "a start-up message was expected")),
        Some(Err(error)) => return Err(error.into()),
        None => return Ok(None),
    };
    protocol_negotiation(socket, &startup).await?;
    // Messages have a type from here on.
    socket.set_state(PgWireConnectionState::AuthenticationInProgress);
    check(&startup, shared, socket.is_secure(), is_full)?;
    let caller = identify(socket, shared, &startup).await?;
    if let Err(missing) = caller.require(Scope::Sql) {
        return Err(fatal("42501", &missing.to_string()));
    }
    let registered = shared.keys.register(socket.protocol_version());
    let registered = registered.ok_or_else(|| fatal("58000", "the system gave no random bytes"))?;
    socket.set_state(PgWireConnectionState::ReadyForQuery);
    socket.feed(Reply::Authentication(Authentication::Ok)).await?;
    for name in REPORTED {
        let value = match name {
            "application_name" => startup.parameters.get(name).map_or("", String::as_str),
            _ => PG_SETTINGS.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value),
        };
        socket.feed(Reply::ParameterStatus(ParameterStatus::new(name.to_owned(), value.to_owned()))).await?;
    }
    socket.feed(Reply::BackendKeyData(BackendKeyData::new(registered.number, registered.key.clone()))).await?;
    socket.send(Reply::ReadyForQuery(ReadyForQuery::new(TransactionStatus::Idle))).await?;
    Ok(Some(SignedIn { caller, registered, parameters: startup.parameters }))
}

/// Checks what can be refused before the sign-in.
fn check(startup: &Startup, shared: &Shared, is_secure: bool, is_full: bool) -> Result<(), Failure> {
    if is_full {
        return Err(fatal("53300", "postgres.max_connections is reached; close connections, or raise it"));
    }
    if shared.needs_tls && !is_secure {
        return Err(fatal("28000", "this address is served with TLS only; connect with sslmode=require"));
    }
    let parameter = |name: &str| startup.parameters.get(name).map_or("", String::as_str);
    if !["", "false", "off", "no", "0"].contains(&parameter("replication")) {
        return Err(fatal("0A000", "replication is not offered; this service answers read-only SQL"));
    }
    let encoding = parameter("client_encoding").trim_matches(['\'', '"']).to_lowercase();
    if !encoding.is_empty() && !ENCODINGS.contains(&encoding.as_str()) {
        return Err(fatal("22023", &format!("client_encoding {encoding:?} is not offered; use UTF8")));
    }
    Ok(())
}

async fn identify(socket: &mut Socket, shared: &Shared, startup: &Startup) -> Result<Caller, Failure> {
    let (auth, from) = (&shared.state.auth, Some(socket.socket_addr().ip()));
    if !auth.is_required() {
        return auth.identify(None, from).await.map_err(|refusal| refused(shared, refusal));
    }
    if auth.has_scram() {
        let user = startup.parameters.get("user").map_or("", String::as_str);
        return scram(socket, shared, user, from).await;
    }
    if !socket.is_secure() {
        let message = "the tokens of this service were made by a release without SCRAM, which PostgreSQL's clients need; make a new \
                       one with almanac token new, or connect with TLS";
        return Err(fatal("28000", message));
    }
    // Tokens without a verifier are checked against their hash, which needs their text.
    socket.send(Reply::Authentication(Authentication::CleartextPassword)).await?;
    let Some(message) = password(socket).await? else { return Err(Failure::Left) };
    let token = message.into_password()?.password;
    auth.identify(Some(token.as_bytes()), from).await.map_err(|refusal| refused(shared, refusal))
}

/// Runs the exchange of SCRAM.
async fn scram(socket: &mut Socket, shared: &Shared, user: &str, from: Option<IpAddr>) -> Result<Caller, Failure> {
    let wrong = |reason: &str| fatal("28000", &format!("SCRAM: {reason}"));
    socket.send(Reply::Authentication(Authentication::SASL(vec![MECHANISM.to_owned()]))).await?;
    let Some(message) = password(socket).await? else { return Err(Failure::Left) };
    let first = First::parse(&initial_response(message).map_err(wrong)?).map_err(wrong)?;
    let waiting = first.answer(shared.state.auth.scram_offer(user)).ok_or_else(|| wrong("no random bytes"))?;
    socket.send(Reply::Authentication(Authentication::SASLContinue(waiting.server_first.clone().into()))).await?;
    let Some(message) = password(socket).await? else { return Err(Failure::Left) };
    let proof = waiting.proof(&message.into_sasl_response()?.data).map_err(wrong)?;
    let checked =
        shared.state.auth.identify_scram(&waiting.offer, proof.auth_message.as_bytes(), &proof.proof, from).await;
    let (caller, signature) = checked.map_err(|refusal| refused(shared, refusal))?;
    socket.feed(Reply::Authentication(Authentication::SASLFinal(last(&signature).into()))).await?;
    Ok(caller)
}

/// Reads a message of the sign-in. `None` when the client has left, as `psql` does to ask for a password.
async fn password(socket: &mut Socket) -> Result<Option<PasswordMessageFamily>, Failure> {
    match receive(socket).await {
        Some(Ok(Message::PasswordMessageFamily(message))) => Ok(Some(message)),
        Some(Ok(Message::Terminate(_))) | None => Ok(None),
        Some(Ok(_)) => Err(fatal("08P01", "a message of the sign-in was expected")),
        Some(Err(error)) => Err(error.into()),
    }
}

/// Returns the error for a caller that is not identified.
fn refused(shared: &Shared, refusal: Refusal) -> Failure {
    let code = match refusal {
        Refusal::TooMany { .. } => "53400",
        Refusal::Missing | Refusal::Wrong => "28P01",
    };
    let mut message = format!("{refusal}; the password is a token of almanac token new");
    let old = shared.state.auth.without_scram(Scope::Sql);
    if code == "28P01" && !old.is_empty() {
        message.push_str("; tokens of a release without SCRAM cannot sign in here, make new ones");
    }
    fatal(code, &message)
}
