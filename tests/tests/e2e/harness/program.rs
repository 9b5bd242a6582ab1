//! Runs the program as a command.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_almanac-under-test");

/// Returns the program as a command in `folder`, without `ALMANAC_*` environment variables.
pub(crate) fn almanac(folder: &Path) -> Command {
    prepared(Command::new(PROGRAM), folder)
}

/// Returns the same command after a shell fragment, such as limits on resources.
pub(crate) fn almanac_after(folder: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell} exec \"$0\" \"$@\""), PROGRAM]);
    prepared(command, folder)
}

fn prepared(mut command: Command, folder: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ALMANAC_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

/// Result of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status; `None` when a signal ended the process.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program in `folder` and waits for its end.
pub(crate) fn run<A: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    almanac(folder).args(args).output().unwrap().into()
}
