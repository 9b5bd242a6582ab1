//! The error of every command: its message on stderr and its exit status.

use std::{error::Error, fmt::Display, io, process::ExitCode};

use crate::{chain, one_line};

/// Why a command failed; printed as one line on stderr.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Invalid arguments or configuration: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// Failed work: exit status 1.
    #[error("{0}")]
    Failed(String),
    /// What was examined does not hold, and the output says so: exit status 3.
    #[error("{0}")]
    NotMet(String),
    /// The reader of stdout closed it (`almanac … | head`): exit status 0 and no message.
    #[error("stdout was closed")]
    ReaderGone,
}

impl CliError {
    /// Builds a usage error; `message` names what is wrong and what would be valid.
    pub fn usage(message: impl Display) -> Self {
        Self::Usage(one_line(&message.to_string()))
    }

    /// Builds a failure from a message.
    pub fn failed(message: impl Display) -> Self {
        Self::Failed(one_line(&message.to_string()))
    }

    /// Builds a failure from an error and all its sources, in one line.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        Self::Failed(chain(error))
    }

    /// Prefixes the message: `{what}: {message}`.
    #[must_use]
    pub fn context(self, what: impl Display) -> Self {
        match self {
            Self::Usage(message) => Self::usage(format!("{what}: {message}")),
            Self::Failed(message) => Self::failed(format!("{what}: {message}")),
            Self::NotMet(message) => Self::NotMet(one_line(&format!("{what}: {message}"))),
            Self::ReaderGone => Self::ReaderGone,
        }
    }

    /// Returns the exit status of the process.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
            Self::NotMet(_) => ExitCode::from(3),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

/// For errors of writing results to stdout. Errors of files need a message that names the file instead.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::from_error(&error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a.csv could not be read")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_is_one_line_with_its_sources() {
        let error = CliError::from_error(&Outer(io::Error::other("line 3\n  is short")));
        assert_eq!(error.to_string(), "a.csv could not be read: line 3 is short");
        assert_eq!(error.context("import").to_string(), "import: a.csv could not be read: line 3 is short");
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        let error = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(error, CliError::ReaderGone));
    }
}
