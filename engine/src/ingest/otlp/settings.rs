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
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            promote_resource_attributes: Vec::new(),
            promote_scope_metadata: true,
            keep_identifying_resource_attributes: false,
        }
    }
}
