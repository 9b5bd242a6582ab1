//! Errors of a measurement on a copy.

use crate::database::{AddressError, DatabaseError};

/// Why a recommendation was not measured. No text has an address or its password.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The copy cannot be reached.
    #[error("the copy: {0}")]
    Connect(String),
    /// A statement failed.
    #[error("{what} failed: {detail}")]
    Statement {
        /// What was run.
        what: String,
        /// The server's message.
        detail: String,
    },
    /// The copy may not be used.
    #[error("{0}")]
    Refused(String),
    /// The original cannot be read.
    #[error("the original: {0}")]
    Original(#[from] DatabaseError),
    /// An address is missing or wrong.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A signal arrived.
    #[error("interrupted; what was made in the copy is removed")]
    Interrupted,
    /// What was made could not be removed.
    #[error("{what} is still in the copy ({detail}); remove it with: {remedy}")]
    Left {
        /// What was made.
        what: String,
        /// The server's message.
        detail: String,
        /// Statement that removes it.
        remedy: String,
    },
    /// A program failed.
    #[error("{0}")]
    Program(String),
}
