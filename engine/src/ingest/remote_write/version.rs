//! Versions of remote write.

/// Version of a remote-write message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// `prometheus.WriteRequest`
    #[default]
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

impl Version {
    /// Returns the full name of the message, as in the `proto` parameter of a content type.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::V1 => "prometheus.WriteRequest",
            Self::V2 => "io.prometheus.write.v2.Request",
        }
    }
}
