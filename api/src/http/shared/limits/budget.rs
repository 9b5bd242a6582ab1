//! Memory for bodies and answers of all requests together, as a semaphore in units of a kibibyte.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::ApiError;

/// Bytes of a unit.
const UNIT: usize = 1 << 10;

/// Memory that requests share. Clones share it too.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    units: usize,
}

/// Reserved memory; released when dropped.
#[derive(Debug, Default)]
pub struct Reserved(Option<OwnedSemaphorePermit>);

impl Reserved {
    /// Adds another reservation of the same budget.
    pub fn add(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(held), Some(more)) => held.merge(more),
            (held @ None, more) => *held = more,
            (Some(_), None) => {}
        }
    }
}

impl Budget {
    /// Creates a budget of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { free: Arc::new(Semaphore::new(units)), units }
    }

    /// Reserves `bytes`, but at most half of the budget, and waits for them up to `wait`.
    ///
    /// # Errors
    /// 503 with `Retry-After` when the memory is not free in time.
    pub async fn reserve(&self, bytes: usize, wait: Duration) -> Result<Reserved, ApiError> {
        let units = bytes.div_ceil(UNIT).min(self.units.div_ceil(2));
        let Ok(units) = u32::try_from(units) else { return Err(Self::exhausted()) };
        if units == 0 {
            return Ok(Reserved::default());
        }
        let free = Arc::clone(&self.free);
        if let Ok(permit) = Arc::clone(&free).try_acquire_many_owned(units) {
            return Ok(Reserved(Some(permit)));
        }
        match tokio::time::timeout(wait, free.acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(Reserved(Some(permit))),
            Ok(Err(_)) | Err(_) => Err(Self::exhausted()),
        }
    }

    /// Returns the error for a request whose memory is not free.
    #[must_use]
    pub fn exhausted() -> ApiError {
        let message = "the bodies of other requests take all memory of server.max_in_flight; repeat the request after the \
                       time in Retry-After";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(Duration::from_secs(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_lent_until_it_is_returned() {
        let budget = Budget::new(10 << 10);
        let wait = Duration::ZERO;
        let mut held = budget.reserve(4 << 10, wait).await.unwrap();
        held.add(budget.reserve(5 << 10, wait).await.unwrap());
        let error = budget.reserve(2 << 10, wait).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        budget.reserve(1, wait).await.unwrap();
        drop(held);
        // More than half of the budget counts as half, so that a large request can be served at all.
        let large = budget.reserve(usize::MAX, wait).await.unwrap();
        let second = budget.reserve(5 << 10, wait).await.unwrap();
        budget.reserve(1 << 10, wait).await.unwrap_err();
        drop((large, second));
    }
}
