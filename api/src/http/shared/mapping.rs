//! Maps the engine's errors to status, code and message.
//!
//! Every variant is listed, so that a new one does not compile until it is mapped here.

use std::time::Duration;

use almanac_engine::{
    learn::LearnError,
    series::SourceError,
    signal::SignalError,
    store::{SqlError, StoreError, is_damage},
};
use axum::http::StatusCode;

use super::ApiError;
use crate::chain;

/// Maps an error of the store.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Busy { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(retry_after)
            }
            StoreError::SeriesLimit { .. } => Self::bad_request("series_limit", message),
            StoreError::LabelLimit { .. } => Self::bad_request("label_limit", message),
            StoreError::UnequalColumns { .. } => Self::bad_request("unequal_columns", message),
            StoreError::UnknownSeries { .. } => Self::bad_request("unknown_series", message),
            StoreError::TimestampRange { .. } => Self::bad_request("timestamp_range", message),
            StoreError::InvalidRow { .. } => Self::bad_request("invalid_row", message),
            StoreError::EmptySelector => Self::bad_request("empty_selector", message),
            StoreError::WholeStore { .. } => Self::bad_request("whole_store", message),
            StoreError::TooManySamples { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_samples", message)
            }
            StoreError::DamagedBlock { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store_damaged", message),
            StoreError::Moved { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_moved", message).retry_after(Duration::from_secs(5))
            }
            StoreError::Stopped { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_stopped", message),
            StoreError::Copying => Self::new(StatusCode::CONFLICT, "backup_running", message),
            StoreError::Reading => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_read", message).retry_after(Duration::from_secs(5))
            }
            StoreError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_closed", message),
            StoreError::DiskFull { .. } => {
                tracing::error!(error = %message, "the disk is full");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", "no space is left on the disk of the store")
                    .retry_after(Duration::from_secs(30))
            }
            StoreError::ReadOnly { .. } => {
                tracing::error!(error = %message, "the disk takes no writes");
                let text = "the disk of the store takes no writes";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "disk_read_only", text).retry_after(Duration::from_secs(30))
            }
            // Errors of opening a store, which no request does, or internal faults.
            StoreError::Locked { .. }
            | StoreError::Exists { .. }
            | StoreError::NotDuckDb { .. }
            | StoreError::Foreign { .. }
            | StoreError::Damaged { .. }
            | StoreError::Unrepairable { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::Open { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Database { .. } => Self::internal(&error),
        }
    }
}

impl ApiError {
    /// Maps an error of reading samples: that of the store, if it is one.
    pub(crate) fn from_source(source: SourceError) -> Self {
        match source {
            SourceError::Store(error) => match error.downcast::<StoreError>() {
                Ok(error) => (*error).into(),
                Err(other) => Self::internal(other.as_ref()),
            },
            other => Self::internal(&other),
        }
    }
}

/// Maps an error of a learning cycle. A signal that fails is part of the cycle's report and not an error.
impl From<LearnError> for ApiError {
    fn from(error: LearnError) -> Self {
        match error {
            LearnError::Store(error) => error.into(),
            LearnError::Source(error) => Self::from_source(error),
            other => Self::internal(&other),
        }
    }
}

/// Maps an error of an SQL statement.
impl From<SqlError> for ApiError {
    fn from(error: SqlError) -> Self {
        if let SqlError::Invalid { message, .. } = &error
            && is_damage(message)
        {
            return StoreError::DamagedBlock { detail: message.clone() }.into();
        }
        let status = match &error {
            // Not 408: some clients and proxies then repeat the request.
            SqlError::Deadline { .. } | SqlError::Memory | SqlError::TooComplex { .. } | SqlError::Crashed { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            SqlError::NotReadOnly { .. } | SqlError::Function { .. } | SqlError::Construct { .. } => {
                StatusCode::FORBIDDEN
            }
            SqlError::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            SqlError::Busy => {
                let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, error.code(), error.to_string());
                return refused.retry_after(Duration::from_secs(1));
            }
            SqlError::Closed | SqlError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            // The store has logged and counted it.
            SqlError::Damaged { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            SqlError::Store { .. } => return Self::internal(&error),
            SqlError::Invalid { .. }
            | SqlError::StatementCount { .. }
            | SqlError::Table { .. }
            | SqlError::ParamCount { .. } => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.code(), chain(&error))
    }
}

/// Maps an error of an expression, for all routes but Prometheus' (see `prometheus/answer.rs`).
impl From<SignalError> for ApiError {
    fn from(error: SignalError) -> Self {
        let message = chain(&error);
        match error {
            SignalError::Parse { .. } => Self::bad_request("invalid_expression", message),
            SignalError::Source(source) => Self::from_source(source),
            SignalError::Cancelled => Self::new(StatusCode::SERVICE_UNAVAILABLE, "cancelled", message),
            SignalError::Unsupported { .. }
            | SignalError::Kind { .. }
            | SignalError::Range { .. }
            | SignalError::TooManySteps { .. }
            | SignalError::TooManySamples { .. }
            | SignalError::TooDeep { .. }
            | SignalError::DuplicateLabels { .. }
            | SignalError::Matching { .. }
            | SignalError::Argument { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "expression_failed", message),
        }
    }
}
