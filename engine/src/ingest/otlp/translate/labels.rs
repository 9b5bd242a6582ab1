//! Labels of the series of a resource and a scope, and of a data point's attributes.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};
use serde_json::json;

use super::names::label_name;
use crate::ingest::otlp::OtlpSettings;

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

/// Depth to which nested values are written; deeper ones are left out.
const MAX_DEPTH: usize = 16;

/// Labels that all series of a resource and a scope have: `job`, `instance`, promoted attributes, `otel_scope_…`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    /// Labels that give way to an attribute of the same name.
    promoted: Vec<(String, String)>,
    /// Labels that replace an attribute of the same name.
    fixed: Vec<(String, String)>,
}

impl Identity {
    /// Returns the labels of a resource.
    pub(crate) fn of_resource(resource: Option<&Resource>, settings: &OtlpSettings) -> Self {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        let promoted = settings.promote_resource_attributes.iter();
        let promoted = promoted.filter_map(|key| Some((label_name(key)?, attribute(attributes, key)?))).collect();
        Self { promoted, fixed: target(attributes) }
    }

    /// Returns the labels of a scope of the resource.
    pub(crate) fn with_scope(
        &self,
        scope: Option<&InstrumentationScope>,
        schema: &str,
        settings: &OtlpSettings,
    ) -> Self {
        let mut found = self.clone();
        let Some(scope) = scope.filter(|scope| settings.promote_scope_metadata && !scope.name.is_empty()) else {
            return found;
        };
        let known = [("name", scope.name.as_str()), ("version", &scope.version), ("schema_url", schema)];
        let mut labels: BTreeMap<String, String> =
            known.into_iter().map(|(key, value)| (format!("otel_scope_{key}"), value.to_owned())).collect();
        for attribute in &scope.attributes {
            if let Some(name) = label_name(&format!("otel_scope_{}", attribute.key)) {
                labels.insert(name, text_of(attribute.value.as_ref()));
            }
        }
        // `job` and `instance` are last, so that they win.
        labels.extend(found.fixed);
        found.fixed = labels.into_iter().collect();
        found
    }

    /// Returns the labels of a data point with these attributes, ordered by name.
    ///
    /// Values of attributes whose names become equal are joined with `;` in the order of the attributes' names, and
    /// `collided` is called with the label.
    pub(crate) fn labels(&self, attributes: &[KeyValue], mut collided: impl FnMut(&str)) -> BTreeMap<String, String> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        for attribute in sorted {
            let Some(name) = label_name(&attribute.key) else { continue };
            let value = text_of(attribute.value.as_ref());
            match found.get_mut(&name) {
                None => {
                    found.insert(name, value);
                }
                Some(joined) => {
                    collided(&name);
                    joined.push(';');
                    joined.push_str(&value);
                }
            }
        }
        for (name, value) in &self.promoted {
            found.entry(name.clone()).or_insert_with(|| value.clone());
        }
        found.extend(self.fixed.iter().cloned());
        found
    }

    /// Returns the labels of `target_info`: `job`, `instance` and the attributes that identify nothing. `None` when
    /// there is nothing to identify the target, or nothing to add to it.
    pub(crate) fn target_info(
        resource: Option<&Resource>,
        settings: &OtlpSettings,
    ) -> Option<BTreeMap<String, String>> {
        let attributes = &resource?.attributes;
        let identifies = |key: &str| [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE].contains(&key);
        let further = attributes.iter().filter(|attribute| !identifies(&attribute.key));
        let fixed = target(attributes);
        if fixed.is_empty() || further.clone().next().is_none() {
            return None;
        }
        let shown: Vec<KeyValue> =
            if settings.keep_identifying_resource_attributes { attributes.clone() } else { further.cloned().collect() };
        Some(Self { promoted: Vec::new(), fixed }.labels(&shown, |_| {}))
    }
}

/// Returns `job` and `instance` of a resource.
fn target(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(name) = attribute(attributes, SERVICE_NAME) {
        let job = match attribute(attributes, SERVICE_NAMESPACE) {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name,
        };
        found.push(("job".to_owned(), job));
    }
    if let Some(instance) = attribute(attributes, SERVICE_INSTANCE) {
        found.push(("instance".to_owned(), instance));
    }
    found
}

/// Returns the value of an attribute as text; `None` if it is absent.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| text_of(attribute.value.as_ref()))
}

/// Returns a value as text: lists and maps as JSON, bytes as base64.
pub(crate) fn text_of(value: Option<&AnyValue>) -> String {
    match json_of(value, MAX_DEPTH) {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn json_of(value: Option<&AnyValue>, depth: usize) -> serde_json::Value {
    let Some(value) = value.and_then(|value| value.value.as_ref()).filter(|_| depth > 0) else {
        return serde_json::Value::Null;
    };
    match value {
        Value::StringValue(text) => json!(text),
        Value::BoolValue(flag) => json!(flag),
        Value::IntValue(number) => json!(number),
        Value::DoubleValue(number) if number.is_finite() => json!(number),
        Value::DoubleValue(number) => json!(number.to_string()),
        Value::BytesValue(bytes) => json!(base64(bytes)),
        Value::ArrayValue(list) => list.values.iter().map(|value| json_of(Some(value), depth - 1)).collect(),
        Value::KvlistValue(pairs) => {
            let pairs = pairs.values.iter();
            pairs.map(|pair| (pair.key.clone(), json_of(pair.value.as_ref(), depth - 1))).collect()
        }
        // A reference into a dictionary that only profiles have.
        Value::StringValueStrindex(_) => serde_json::Value::Null,
    }
}

/// Encodes bytes with the standard alphabet and padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let all = part.iter().chain([0, 0].iter()).take(3).fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
        for idx in 0..4 {
            let digit = DIGITS[all >> (18 - 6 * idx) & 63];
            text.push(if idx <= part.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
