//! Errors in PostgreSQL's form: SQLSTATE, message, position, hint.

use std::io;

use almanac_engine::store::SqlError;
use pgwire::error::{ErrorInfo, PgWireError};

use crate::chain;

/// Why a message has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error for the client; after one of the severity `FATAL` the connection is closed.
    Sql(Box<ErrorInfo>),
    /// The connection is broken.
    Io(io::Error),
    /// The client has left.
    Left,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // The message of a refused length is for the client.
        if error.kind() == io::ErrorKind::InvalidData {
            return fatal("08P01", &error.to_string());
        }
        Self::Io(error)
    }
}

impl From<PgWireError> for Failure {
    fn from(error: PgWireError) -> Self {
        match error {
            PgWireError::IoError(error) => error.into(),
            PgWireError::UserError(info) => Self::Sql(info),
            other => Self::Sql(Box::new(other.into())),
        }
    }
}

/// Returns an error that fails the statement; the connection stays open.
pub(super) fn error(code: &str, message: impl Into<String>) -> Failure {
    Failure::Sql(info("ERROR", code, message.into()))
}

/// Returns an error that ends the connection.
pub(super) fn fatal(code: &str, message: &str) -> Failure {
    Failure::Sql(info("FATAL", code, message.to_owned()))
}

/// Returns the fields of an error or a notice.
pub(super) fn info(severity: &str, code: &str, message: String) -> Box<ErrorInfo> {
    let mut info = ErrorInfo::new(severity.to_owned(), code.to_owned(), message);
    info.severity_nonlocalized = Some(severity.to_owned());
    Box::new(info)
}

/// Maps an error of a statement. `offset` is the number of characters before the statement in the client's text.
pub(super) fn of_sql(failed: &SqlError, offset: u64) -> Failure {
    let mut info = info("ERROR", sqlstate(failed), chain(failed));
    if let SqlError::Invalid { position: Some(position), .. } = failed {
        info.position = Some((position + offset).to_string());
    }
    Failure::Sql(info)
}

/// Returns the SQLSTATE of an error. Every variant is listed, so that a new one does not compile until it is mapped.
fn sqlstate(error: &SqlError) -> &'static str {
    match error {
        SqlError::Invalid { message, .. } => of_message(message),
        SqlError::StatementCount { .. } => "42601",
        SqlError::NotReadOnly { kind, .. } => of_statement(kind),
        SqlError::Function { .. } => "42883",
        SqlError::Table { .. } => "42P01",
        SqlError::Construct { .. } => "0A000",
        SqlError::TooComplex { .. } => "54001",
        SqlError::ParamCount { .. } => "08P01",
        SqlError::Cancelled | SqlError::Deadline { .. } => "57014",
        SqlError::Memory => "53200",
        SqlError::Busy => "53000",
        SqlError::Closed => "57P01",
        SqlError::Crashed { .. } => "XX000",
        SqlError::Damaged { .. } => "XX001",
        SqlError::Unavailable { .. } => "57P03",
        SqlError::Store { .. } => "58000",
    }
}

/// Returns the SQLSTATE of a statement that is not a query: a write, or something that is not offered.
fn of_statement(kind: &str) -> &'static str {
    const WRITES: [&str; 14] = [
        "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "COMMENT", "GRANT", "REVOKE",
        "REINDEX", "VACUUM", "REFRESH",
    ];
    if WRITES.contains(&kind) { "25006" } else { "0A000" }
}

/// Returns the SQLSTATE of a message of DuckDB, which starts with the kind of the error.
fn of_message(message: &str) -> &'static str {
    let has = |text: &str| message.contains(text);
    let misses = |what: &str| message.contains(&format!("Invalid Input Error: {what} \"")) && has("does not exist");
    if misses("relation") {
        "42P01"
    } else if misses("schema") {
        "3F000"
    } else if misses("type") || misses("role") {
        "42704"
    } else if has("syntax error") || message.starts_with("Parser Error") {
        "42601"
    } else if has("Table with name") || has("View with name") || has("Referenced table") {
        "42P01"
    } else if has("Referenced column") || has("does not have a column") || has("column named") {
        "42703"
    } else if has("Function with name") || has("No function matches") || has("Could not choose a best candidate") {
        "42883"
    } else if has("Type with name") {
        "42704"
    } else if has("Ambiguous reference") {
        "42702"
    } else if has("must appear in the GROUP BY") {
        "42803"
    } else if message.starts_with("Conversion Error") {
        // A text that is no number is quoted in its message, and may have these words.
        let is_time = !has("Could not convert string") && (has("timestamp") || has("date"));
        if is_time { "22007" } else { "22P02" }
    } else if message.starts_with("Out of Range Error") || has("Overflow") {
        "22003"
    } else if message.starts_with("Binder Error") || message.starts_with("Catalog Error") {
        "42804"
    } else {
        "22000"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_codes_that_clients_look_for() {
        for (message, code) in [
            ("syntax error at or near \"SELEC\"", "42601"),
            ("Catalog Error: Table with name x does not exist!", "42P01"),
            ("Binder Error: Referenced column \"x\" not found in FROM clause!", "42703"),
            ("Catalog Error: Scalar Function with name lowr does not exist!", "42883"),
            ("Conversion Error: Could not convert string 'x' to INT32", "22P02"),
            ("Conversion Error: Could not convert string 'update' to INT32", "22P02"),
            ("Conversion Error: invalid timestamp field format", "22007"),
            ("Out of Range Error: Overflow in multiplication", "22003"),
            ("Binder Error: something else", "42804"),
            ("Invalid Input Error: relation \"x\" does not exist", "42P01"),
            ("Invalid Input Error: type \"x\" does not exist", "42704"),
            ("Invalid Input Error: a", "22000"),
        ] {
            assert_eq!(of_message(message), code, "{message}");
        }
        let writes = SqlError::NotReadOnly { kind: "INSERT".to_owned(), instead: None };
        assert_eq!((sqlstate(&writes), sqlstate(&SqlError::Cancelled)), ("25006", "57014"));
        let placed = SqlError::Invalid { message: "syntax error".to_owned(), position: Some(7) };
        let Failure::Sql(info) = of_sql(&placed, 10) else { panic!() };
        assert_eq!(info.position.as_deref(), Some("17"));
    }
}
