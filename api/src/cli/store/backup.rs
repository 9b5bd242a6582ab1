//! `almanac backup`: copies a store into a file, also the one of a running service.

use std::{io::Write, path::PathBuf};

use almanac_engine::store::{BackupReport, NewFile};

use super::{Backend, BackendArgs, Remote, backend::existing};
use crate::{
    cli::{CliError, Global, interrupt::InterruptHandler, output, progress},
    service,
};

/// Options of `backup`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// New file for the copy, which is a store of its own
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// Runs the command.
///
/// # Errors
/// A failure when the file exists or cannot be written, or the store does not exist or is in use; nothing is left of the copy.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let Args { file, backend } = args;
    let backend = backend.backend(global)?;
    // Whoever has no place for the copy learns it before the work.
    let new = NewFile::begin(&file).map_err(|error| CliError::from_error(&error))?;
    let interrupt = InterruptHandler::removing(&file, "there is no backup")?;
    let report = match backend {
        Backend::Service(service) => {
            let bar = progress::bytes(global, "receiving", 0);
            let samples = Remote::new(service)?.download("/v1/admin/backup", new.part(), &bar)?;
            BackupReport { samples, bytes: new.publish().map_err(|error| CliError::from_error(&error))? }
        }
        Backend::Store(config) => {
            existing(&config.store.path)?;
            // The store begins the file itself.
            drop(new);
            let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let bar = progress::bytes(global, "copying", 0);
            let mut count = |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            };
            let report = store.backup(&file, &mut count).map_err(|error| CliError::from_error(&error));
            let closed = store.close().map_err(|error| CliError::from_error(&error));
            let report = report?;
            closed?;
            report
        }
    };
    interrupt.disarm();
    let mut out = output::stdout();
    writeln!(out, "{}: {} samples, {} bytes", file.display(), report.samples, report.bytes)?;
    out.flush()?;
    Ok(())
}
