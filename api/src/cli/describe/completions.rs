//! `almanac completions`: prints the completion script of a shell.

use std::io::Write;

use clap_complete::{Shell, generate};

use super::visible::visible;
use crate::cli::{CliError, output};

/// Options of `completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Runs the command. `program`: all commands.
///
/// # Errors
/// A failure when stdout cannot be written.
pub fn run(args: &Args, program: &clap::Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    // `generate` panics on an error of its writer, so that it gets memory.
    generate(args.shell, &mut visible(program), "almanac", &mut script);
    let mut out = output::stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(())
}
