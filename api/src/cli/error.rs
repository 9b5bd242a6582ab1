use std::{error::Error, fmt::Display, io, process::ExitCode};

use crate::chain;

/// Why a command did not do what was asked; printed as one line on stderr.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The call was wrong: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The work failed: exit status 1.
    #[error("{0}")]
    Failed(String),
    /// Whoever reads stdout has gone (`almanac … | head`): exit status 0 and no word.
    #[error("stdout was closed")]
    ReaderGone,
}

impl CliError {
    /// A wrong call; `message` names what is wrong and what would be right.
    pub fn usage(message: impl Display) -> Self {
        Self::Usage(one_line(&message.to_string()))
    }

    /// Failed work, said in words.
    pub fn failed(message: impl Display) -> Self {
        Self::Failed(one_line(&message.to_string()))
    }

    /// Failed work: the error and all its sources in one line.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        Self::Failed(one_line(&chain(error)))
    }

    /// The same kind of error with `what` in front: `{what}: {message}`.
    #[must_use]
    pub fn context(self, what: impl Display) -> Self {
        match self {
            Self::Usage(message) => Self::usage(format!("{what}: {message}")),
            Self::Failed(message) => Self::failed(format!("{what}: {message}")),
            Self::ReaderGone => Self::ReaderGone,
        }
    }

    /// The process's exit status.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

/// Errors of writing results to stdout; name the file yourself when it is one.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::from_error(&error) }
    }
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
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
    fn a_closed_pipe_is_no_failure() {
        let error = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(error, CliError::ReaderGone));
    }
}
