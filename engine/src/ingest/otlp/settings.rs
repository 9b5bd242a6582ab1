//! Settings of the translation of OTLP to series.

/// Settings of the translation; `default()` is that of a service without the section `[otlp]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpSettings {
    /// Resource attributes that become labels of every series of their resource.
    pub promote_resource_attributes: Vec<String>,
    /// Whether name, version, schema and attributes of the scope become labels `otel_scope_…`.
    pub promote_scope_metadata: bool,
    /// Whether `target_info` repeats the attributes that `job` and `instance` are made of.
    pub keep_identifying_resource_attributes: bool,
    /// Largest number of combinations of labels of span metrics; further spans are counted under the name `other`.
    pub max_span_metrics: usize,
    /// Whether the statements in spans are counted by route, for the search for loops.
    pub statements: bool,
    /// Time after its last span at which a trace is complete, in milliseconds.
    pub trace_wait_ms: i64,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            promote_resource_attributes: Vec::new(),
            promote_scope_metadata: true,
            keep_identifying_resource_attributes: false,
            max_span_metrics: 20_000,
            statements: true,
            trace_wait_ms: 30_000,
        }
    }
}
