use std::time::Duration;

use almanac_engine::{
    learn::LearnError,
    signal::SignalError,
    store::{SqlError, StoreError},
};
use axum::http::StatusCode;

use super::ApiError;
use crate::chain;

/// What a failure of the store means to a caller.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Busy { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(retry_after)
            }
            StoreError::SeriesLimit { .. } => Self::bad_request("series_limit", message),
            StoreError::UnequalColumns { .. } => Self::bad_request("unequal_columns", message),
            StoreError::UnknownSeries { .. } => Self::bad_request("unknown_series", message),
            StoreError::TimestampRange { .. } => Self::bad_request("timestamp_range", message),
            StoreError::InvalidRow { .. } => Self::bad_request("invalid_row", message),
            StoreError::EmptySelector => Self::bad_request("empty_selector", message),
            StoreError::WholeStore { .. } => Self::bad_request("whole_store", message),
            StoreError::TooManySamples { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_samples", message)
            }
            StoreError::Stopped { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_stopped", message),
            StoreError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_closed", message),
            StoreError::DiskFull { .. } => {
                tracing::error!(error = %message, "the disk is full");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", "no space is left on the disk of the store")
                    .retry_after(Duration::from_secs(30))
            }
            // The remaining ones are met at opening, or are faults of ours.
            _ => Self::internal(&error),
        }
    }
}

/// What a failed round of learning means to a caller; a signal that fails is no failure of the round.
impl From<LearnError> for ApiError {
    fn from(error: LearnError) -> Self {
        match error {
            LearnError::Store(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

/// What a refused or failed statement means to a caller.
impl From<SqlError> for ApiError {
    fn from(error: SqlError) -> Self {
        let status = match &error {
            // Not 408, after which some clients and proxies send the same again.
            SqlError::Deadline { .. } | SqlError::Memory | SqlError::TooComplex { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            SqlError::NotReadOnly { .. } | SqlError::Function { .. } | SqlError::Construct { .. } => {
                StatusCode::FORBIDDEN
            }
            SqlError::Busy => {
                let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, error.code(), error.to_string());
                return refused.retry_after(Duration::from_secs(1));
            }
            SqlError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            SqlError::Store { .. } => return Self::internal(&error),
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.code(), chain(&error))
    }
}

/// What a wrong or failed expression means to a caller outside of Prometheus' own interface.
impl From<SignalError> for ApiError {
    fn from(error: SignalError) -> Self {
        let message = chain(&error);
        match error {
            SignalError::Parse { .. } | SignalError::Matcher(_) => Self::bad_request("invalid_expression", message),
            SignalError::Source(_) => Self::internal(&error),
            SignalError::Cancelled => Self::new(StatusCode::SERVICE_UNAVAILABLE, "cancelled", message),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "expression_failed", message),
        }
    }
}
