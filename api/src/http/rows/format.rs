//! Parses the parameter `format` of rows.

use crate::http::{ApiError, Params};

/// Encoding of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Format {
    Json,
    Csv,
}

impl Format {
    /// Returns the encoding by the parameter `format`, else by `Accept`, else JSON.
    ///
    /// # Errors
    /// 400 `invalid_parameter`.
    pub(in crate::http) fn of(params: &Params) -> Result<Self, ApiError> {
        match params.get("format") {
            None if params.prefers_csv() => Ok(Self::Csv),
            None | Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(other) => {
                let message = format!("format {other:?} is neither json nor csv");
                Err(ApiError::bad_request("invalid_parameter", message))
            }
        }
    }
}
