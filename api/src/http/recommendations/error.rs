//! Maps errors of the ledger, of advice and of scaling to status, code and message.

use almanac_engine::{
    advise::{AdviseError, scaling::ScalingError},
    ledger::LedgerError,
};
use axum::http::StatusCode;

use crate::{chain, http::ApiError};

/// Maps an error of the ledger.
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

/// Maps an error of drawing a recommendation.
impl From<AdviseError> for ApiError {
    fn from(error: AdviseError) -> Self {
        match error {
            AdviseError::Store(error) => error.into(),
            AdviseError::Ledger(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

/// Maps an error of scaling. Without a valid number of replicas the response is an error and never a number, so that
/// the autoscaler uses its own fallback.
impl From<ScalingError> for ApiError {
    fn from(error: ScalingError) -> Self {
        match error {
            ScalingError::Store(error) => error.into(),
            error => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_replicas", chain(&error)),
        }
    }
}
