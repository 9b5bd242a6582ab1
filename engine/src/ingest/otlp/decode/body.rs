//! Decodes the message of a signal.

use prost::Message;
use serde::de::DeserializeOwned;

use crate::ingest::otlp::OtlpError;

/// Encoding of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Binary protobuf.
    Protobuf,
    /// The JSON form: camel case, hexadecimal ids, integers of 64 bits also as strings.
    Json,
}

/// Kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Metrics.
    Metrics,
    /// Spans.
    Traces,
    /// Log records.
    Logs,
}

impl Signal {
    /// Returns the name of the request message.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Metrics => "ExportMetricsServiceRequest",
            Self::Traces => "ExportTraceServiceRequest",
            Self::Logs => "ExportLogsServiceRequest",
        }
    }
}

/// Decodes the request of a signal.
///
/// # Errors
/// [`OtlpError::Protobuf`] or [`OtlpError::Json`].
pub(crate) fn decode<M>(signal: Signal, encoding: Encoding, bytes: &[u8]) -> Result<M, OtlpError>
where
    M: Message + Default + DeserializeOwned,
{
    let message = signal.message();
    match encoding {
        Encoding::Protobuf => {
            M::decode(bytes).map_err(|error| OtlpError::Protobuf { message, problem: error.to_string() })
        }
        Encoding::Json => serde_json::from_slice(bytes).map_err(|error| {
            let problem: String = error.to_string().chars().take(300).collect();
            OtlpError::Json { message, problem }
        }),
    }
}
