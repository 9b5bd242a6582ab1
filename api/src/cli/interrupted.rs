//! What a command does when it is interrupted before its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::CliError;

/// Watches for SIGINT and SIGTERM; when one comes, a last thing is done and the process ends with 130.
#[derive(Debug)]
pub(super) struct Interrupted {
    watching: Arc<AtomicBool>,
}

impl Interrupted {
    /// Watches from now on.
    ///
    /// # Errors
    /// A failure when the system lets nobody watch.
    pub(super) fn watch(last: impl FnOnce() + Send + 'static) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::failed(format!("signals could not be watched for: {error}"));
        let watching = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&watching);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        std::thread::Builder::new()
            .name("almanac-interrupted".into())
            .spawn(move || {
                if runtime.block_on(signalled()).is_ok() && still.load(Ordering::SeqCst) {
                    last();
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
