//! Decodes what clients send without a connection, for tests of hostile bytes.

use almanac_engine::store::postgres::{ParamKind, ParamType, split};
use bytes::BytesMut;
use pgwire::messages::{DecodeContext, PgWireFrontendMessage as Message, ProtocolVersion};

use super::{connect, session, values};

const KINDS: [ParamKind; 7] = [
    ParamKind::Bool,
    ParamKind::BigInt,
    ParamKind::Oid,
    ParamKind::Text,
    ParamKind::Numeric,
    ParamKind::Timestamp,
    ParamKind::Interval,
];

/// Decodes messages as a session does, and reads their statements and parameters, and those of a sign-in. Returns what is
/// wrong with them.
#[must_use]
pub fn probe(bytes: &[u8]) -> Vec<String> {
    let (mut wrong, mut rest) = (Vec::new(), BytesMut::from(bytes));
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    (context.awaiting_frontend_ssl, context.awaiting_frontend_startup) = (false, false);
    loop {
        let decoded = match connect::take_message(&mut rest, true, connect::AUTHENTICATED_BYTES) {
            Ok(Some(mut message)) => Message::decode(&mut message, &context).map_err(|error| error.to_string()),
            Ok(None) => return wrong,
            // The connection ends at such a message.
            Err(reason) => Err(reason),
        };
        match decoded {
            Ok(Some(message)) => look(message, &mut wrong),
            Ok(None) => return wrong,
            Err(reason) => {
                wrong.push(reason);
                return wrong;
            }
        }
    }
}

/// Decodes the first messages of a connection, as before a sign-in. Returns what is wrong with them.
#[must_use]
pub fn probe_start(bytes: &[u8]) -> Option<String> {
    let mut rest = BytesMut::from(bytes);
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    (context.awaiting_frontend_ssl, context.awaiting_frontend_startup) = (false, true);
    match connect::take_message(&mut rest, false, connect::AUTHENTICATED_BYTES) {
        Ok(Some(mut message)) => Message::decode(&mut message, &context).err().map(|error| error.to_string()),
        Ok(None) => None,
        Err(reason) => Some(reason),
    }
}

fn look(message: Message, wrong: &mut Vec<String>) {
    match message {
        Message::Query(query) => {
            for piece in split(&query.query) {
                let _ = session::command(&piece);
            }
        }
        Message::Parse(parse) => {
            let _ = split(&parse.query).iter().map(session::command).count();
            let _ = parse.type_oids.iter().filter_map(|oid| values::declared_type(*oid)).count();
        }
        Message::Bind(bind) => {
            for value in bind.parameters.iter().flatten() {
                for (kind, form) in KINDS.iter().flat_map(|kind| (0..4).map(move |form| (*kind, form))) {
                    let found = ParamType { kind, is_list: form & 1 == 1 };
                    wrong.extend(values::parameter(value, found, form & 2 == 2).err());
                }
            }
        }
        Message::PasswordMessageFamily(message) => wrong.extend(connect::check_sign_in(message).err()),
        _ => {}
    }
}
