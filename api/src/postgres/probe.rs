//! Decodes what clients send without a connection, for tests of hostile bytes.

use almanac_engine::store::postgres::{ParamKind, ParamType, split};
use bytes::BytesMut;
use pgwire::messages::{DecodeContext, PgWireFrontendMessage as Message, ProtocolVersion};

use super::{connect, session, values};

const KINDS: [ParamKind; 6] = [
    ParamKind::Bool,
    ParamKind::BigInt,
    ParamKind::Text,
    ParamKind::Numeric,
    ParamKind::Timestamp,
    ParamKind::Interval,
];

/// Decodes messages as a session does, and reads their statements and parameters, and those of a sign-in. Returns what is
/// wrong with them.
#[must_use]
pub fn probe(bytes: &[u8]) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(length) = connect::check_lengths(bytes) {
        // The connection ends before such a message is buffered.
        return vec![format!("a message of {length} bytes")];
    }
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    (context.awaiting_frontend_ssl, context.awaiting_frontend_startup) = (false, false);
    let mut rest = BytesMut::from(bytes);
    loop {
        match Message::decode(&mut rest, &context) {
            Ok(Some(message)) => look(message, &mut wrong),
            Ok(None) => return wrong,
            Err(error) => {
                wrong.push(error.to_string());
                return wrong;
            }
        }
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
