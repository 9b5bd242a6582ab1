//! What failures of the ledger and of scaling mean to callers.

use almanac_engine::{advise::scaling::ScalingError, ledger::LedgerError};
use axum::http::StatusCode;

use crate::{chain, http::ApiError};

/// What a refusal of the ledger means to a caller.
impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        let message = error.to_string();
        match error {
            LedgerError::Unknown { .. } => Self::not_found("unknown_recommendation", message),
            LedgerError::Transition { .. } => Self::conflict("illegal_transition", message),
            LedgerError::Store(error) => error.into(),
            _ => Self::internal(&error),
        }
    }
}

/// What it means to an autoscaler that there is no number now: never a number, so that its own fallback acts.
impl From<ScalingError> for ApiError {
    fn from(error: ScalingError) -> Self {
        match error {
            ScalingError::Store(error) => error.into(),
            error => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_replicas", chain(&error)),
        }
    }
}
