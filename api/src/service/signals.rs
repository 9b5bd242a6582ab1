//! The signals of the service: SIGTERM and SIGINT end it, SIGHUP does so only when its terminal was closed.

use std::io;

/// The signals that the service handles.
#[cfg(unix)]
pub(super) struct ServiceSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    has_terminal: bool,
}

#[cfg(unix)]
impl ServiceSignals {
    /// Installs the handlers; needs a runtime.
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            has_terminal: has_terminal(),
        })
    }

    /// Waits for a signal that ends the service and returns its name.
    pub(super) async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.hangup.recv() => {
                    // A terminal that was closed is none any more.
                    if self.has_terminal && !has_terminal() {
                        return "SIGHUP";
                    }
                    tracing::info!("SIGHUP: the service goes on; a changed configuration needs a restart");
                }
            }
        }
    }
}

#[cfg(unix)]
fn has_terminal() -> bool {
    use std::io::IsTerminal;
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

#[cfg(not(unix))]
pub(super) struct ServiceSignals;

#[cfg(not(unix))]
impl ServiceSignals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
