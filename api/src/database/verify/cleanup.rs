//! Remembers what was made in a copy, and removes it on a connection of its own.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{VerifyError, session::Session};
use crate::database::Address;

/// Longest time of one removal.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What was made in a copy: each with the statement that removes it. Clones share their content.
#[derive(Debug, Clone, Default)]
pub(super) struct Made(Arc<Mutex<Vec<(String, String)>>>);

impl Made {
    /// Notes something before it is made, so that an interruption leaves nothing.
    pub(super) fn note(&self, what: impl Into<String>, removal: impl Into<String>) {
        self.0.lock().push((what.into(), removal.into()));
    }

    /// Keeps what was made.
    pub(super) fn keep(&self) {
        self.0.lock().clear();
    }

    /// Removes everything, the newest first.
    ///
    /// # Errors
    /// [`VerifyError::Left`] for the first thing that remains; the others are removed.
    pub(super) async fn remove(&self, address: &Address) -> Result<(), VerifyError> {
        let all = std::mem::take(&mut *self.0.lock());
        if all.is_empty() {
            return Ok(());
        }
        let session = Session::connect(address, TIMEOUT).await;
        let mut result = Ok(());
        for (what, removal) in all.into_iter().rev() {
            let removed = match &session {
                Ok(session) => session.run(&what, &removal).await.map(|_| ()).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(detail) = removed
                && result.is_ok()
            {
                result = Err(VerifyError::Left { what, detail, remedy: removal });
            }
        }
        result
    }
}
