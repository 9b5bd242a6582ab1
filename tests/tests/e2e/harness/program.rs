use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_almanac-under-test");

/// The program, with an empty environment but for what finding libraries needs, in `folder`.
pub(crate) fn almanac(folder: &Path) -> Command {
    prepared(Command::new(PROGRAM), folder)
}

/// The same behind a few words of shell, such as limits on what the process may use; its arguments follow.
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

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status.
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

/// Calls the program in `folder` and waits for its end.
pub(crate) fn run<A: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    almanac(folder).args(args).output().unwrap().into()
}
