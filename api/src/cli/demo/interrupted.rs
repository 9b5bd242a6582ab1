use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::cli::CliError;

/// Removes the demo's folder when the demo is interrupted before it serves.
#[derive(Debug)]
pub(super) struct Interrupted {
    watching: Arc<AtomicBool>,
}

impl Interrupted {
    /// Watches for SIGINT and SIGTERM from now on; the process then ends with 130.
    ///
    /// # Errors
    /// A failure when the system lets nobody watch.
    pub(super) fn watch(folder: &Path) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::failed(format!("signals could not be watched for: {error}"));
        let watching = Arc::new(AtomicBool::new(true));
        let (folder, still) = (folder.to_path_buf(), Arc::clone(&watching));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        std::thread::Builder::new()
            .name("almanac-interrupted".into())
            .spawn(move || {
                if runtime.block_on(signalled()).is_ok() && still.load(Ordering::SeqCst) {
                    let _ = std::fs::remove_dir_all(&folder);
                    std::process::exit(130);
                }
            })
            .map_err(failed)?;
        Ok(Self { watching })
    }

    /// Leaves interruptions to somebody else.
    pub(super) fn leave(self) {
        self.watching.store(false, Ordering::SeqCst);
    }
}

async fn signalled() -> std::io::Result<()> {
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
