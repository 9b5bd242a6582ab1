//! Cleans up when a command is interrupted by a signal.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use almanac_engine::store::NewFile;

use super::CliError;

/// Handles SIGINT and SIGTERM on a thread of its own: runs a cleanup and exits with status 130.
#[derive(Debug)]
pub(super) struct InterruptHandler {
    armed: Arc<AtomicBool>,
}

impl InterruptHandler {
    /// Starts to handle signals; `cleanup` runs at the first one.
    ///
    /// # Errors
    /// A failure when the thread or the signal handler cannot be created.
    pub(super) fn install(cleanup: impl FnOnce() + Send + 'static) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::failed(format!("cannot handle signals: {error}"));
        let armed = Arc::new(AtomicBool::new(true));
        let is_armed = Arc::clone(&armed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        std::thread::Builder::new()
            .name("almanac-interrupted".into())
            .spawn(move || {
                if runtime.block_on(signalled()).is_ok() && is_armed.load(Ordering::SeqCst) {
                    cleanup();
                    std::process::exit(130);
                }
            })
            .map_err(failed)?;
        Ok(Self { armed })
    }

    /// Starts to handle signals while a new file is written: removes what there is of it, and prints a line.
    ///
    /// # Errors
    /// As [`InterruptHandler::install`].
    pub(super) fn removing(file: &Path, line: &'static str) -> Result<Self, CliError> {
        let file = file.to_owned();
        Self::install(move || {
            NewFile::remove_unfinished(&file);
            crate::say!("almanac: interrupted: {line}");
        })
    }

    /// Disables the handler; the caller handles further signals.
    pub(super) fn disarm(self) {
        self.armed.store(false, Ordering::SeqCst);
    }
}

/// Waits for SIGINT or SIGTERM.
pub(super) async fn signalled() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
