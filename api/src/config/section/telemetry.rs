//! The sections `[grpc]` and `[otlp]`.

use std::net::SocketAddr;

use almanac_engine::ingest::otlp::OtlpSettings;
use serde::Deserialize;

use crate::config::Span;

/// Listener for OTLP over gRPC and KEDA's external scaler, `[grpc]`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grpc {
    /// Address and port; without it gRPC is off. Any address other than loopback needs a token and TLS, or
    /// `server.insecure`.
    pub listen: Option<SocketAddr>,
}

/// Translation of OTLP to series, `[otlp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// Resource attributes that become labels of every series of their resource.
    pub promote_resource_attributes: Vec<String>,
    /// Whether name, version, schema and attributes of the scope become labels `otel_scope_…`.
    pub promote_scope_metadata: bool,
    /// Whether `target_info` repeats the attributes that `job` and `instance` are made of.
    pub keep_identifying_resource_attributes: bool,
    /// Whether the statements in spans are counted by route, without their literals.
    pub statements: bool,
    /// Time after its last span at which a trace is complete.
    pub trace_wait: Span,
}

impl Default for Otlp {
    fn default() -> Self {
        let of = OtlpSettings::default();
        Self {
            promote_resource_attributes: of.promote_resource_attributes,
            promote_scope_metadata: of.promote_scope_metadata,
            keep_identifying_resource_attributes: of.keep_identifying_resource_attributes,
            statements: of.statements,
            trace_wait: Span::from_secs(30),
        }
    }
}

impl Otlp {
    /// Returns the engine's settings. `max_span_metrics`: `ingest.max_span_metrics`.
    #[must_use]
    pub fn settings(&self, max_span_metrics: usize) -> OtlpSettings {
        OtlpSettings {
            promote_resource_attributes: self.promote_resource_attributes.clone(),
            promote_scope_metadata: self.promote_scope_metadata,
            keep_identifying_resource_attributes: self.keep_identifying_resource_attributes,
            max_span_metrics,
            statements: self.statements,
            trace_wait_ms: self.trace_wait.millis(),
        }
    }

    /// Returns what is wrong with values that are valid one by one.
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        if !(1_000..=600_000).contains(&self.trace_wait.millis()) {
            return Err("otlp.trace_wait is not between 1s and 10m".to_owned());
        }
        match self.promote_resource_attributes.iter().find(|name| name.trim().is_empty()) {
            Some(name) => Err(format!("otlp.promote_resource_attributes: {name:?} is not the name of an attribute")),
            None => Ok(()),
        }
    }
}
