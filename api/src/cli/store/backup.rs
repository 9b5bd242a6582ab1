//! `almanac backup`: copies a store into a file, also the one of a running service.

use std::{fs, io::Write, path::PathBuf};

use almanac_engine::store::BackupReport;

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
    if file.exists() {
        return Err(CliError::failed(format!("{} exists already; give a new file", file.display())));
    }
    let part = PathBuf::from(format!("{}.part", file.display()));
    if part.symlink_metadata().is_ok() {
        let problem = "exists: another copy is being made, or one was killed; remove it if it is not needed";
        return Err(CliError::failed(format!("{} {problem}", part.display())));
    }
    let begun = part.clone();
    let interrupt = InterruptHandler::install(move || {
        for path in [begun.clone(), PathBuf::from(format!("{}.wal", begun.display()))] {
            let _ = fs::remove_file(path);
        }
        crate::say!("almanac: interrupted: there is no backup");
    })?;
    let report = match backend {
        Backend::Service(service) => {
            let bar = progress::bytes(global, "receiving", 0);
            let result = Remote::new(service)?.download("/v1/admin/backup", &part, &bar).and_then(|samples| {
                fs::hard_link(&part, &file)
                    .and_then(|()| fs::remove_file(&part))
                    .or_else(|error| if file.exists() { Err(error) } else { fs::rename(&part, &file) })
                    .map_err(|error| CliError::failed(format!("{} cannot be written: {error}", file.display())))?;
                Ok(BackupReport { samples, bytes: fs::metadata(&file).map_or(0, |data| data.len()) })
            });
            if result.is_err() {
                let _ = fs::remove_file(&part);
            }
            result?
        }
        Backend::Store(config) => {
            existing(&config.store.path)?;
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
