//! `almanac restore`: makes a new store of a backup.

use std::{io::Write, path::PathBuf};

use almanac_engine::store::Store;

use super::StoreArgs;
use crate::{
    cli::{CliError, Global, interrupt::InterruptHandler, output, progress},
    service,
};

/// Options of `restore`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// File that `almanac backup` has written, or the file of a stopped store
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// New store and configuration.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Runs the command: copies the backup, then opens the new store, which migrates it to the present schema.
///
/// # Errors
/// A failure when the backup is not a store of this or an older release, or the new store exists; nothing is left of it. A store
/// that is restored and cannot be migrated stays as it was backed up.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let Args { file, store } = args;
    let config = store.config()?;
    let path = config.store.path.clone();
    let failed = |error: almanac_engine::store::StoreError| CliError::from_error(&error);
    let interrupt = InterruptHandler::removing(&path, "nothing is restored")?;
    let bar = progress::bytes(global, "copying", 0);
    let mut count = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let report = Store::restore(&file, &path, &service::store_options(&config), &mut count).map_err(failed)?;
    bar.finish_and_clear();
    interrupt.disarm();
    service::open_store(&config).map_err(failed)?.close().map_err(failed)?;
    let mut out = output::stdout();
    writeln!(out, "{}: {} samples of {}", path.display(), report.samples, file.display())?;
    out.flush()?;
    Ok(())
}
