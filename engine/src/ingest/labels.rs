//! Validates the labels of a series, and formats them for messages.

use super::{IngestLimits, Refusal, files::shorten};
use crate::series::{Labels, METRIC_NAME};

/// Validates labels and sorts them by name.
///
/// As in Prometheus, the order of labels does not matter and a label with an empty value is the same as no label.
pub(crate) fn validate(pairs: &[(&[u8], &[u8])], limits: &IngestLimits) -> Result<Labels, Refusal> {
    if pairs.len() > limits.labels {
        return Err(Refusal::TooManyLabels { series: shown(pairs), count: pairs.len(), limit: limits.labels });
    }
    let mut text = Vec::with_capacity(pairs.len());
    for &(name, value) in pairs {
        if name.is_empty() {
            return Err(Refusal::EmptyLabelName { series: shown(pairs) });
        }
        too_long("name", name, name.len(), limits.label_name_bytes)?;
        too_long("value", name, value.len(), limits.label_value_bytes)?;
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            return Err(Refusal::NotUtf8 { series: shown(pairs) });
        };
        text.push((name, value));
    }
    text.sort_unstable_by_key(|(name, _)| *name);
    if let Some(twice) = text.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Refusal::DuplicateLabel { label: twice[0].0.to_owned(), series: shown(pairs) });
    }
    // All errors of `from_pairs` are excluded above.
    let labels = Labels::from_pairs(text).map_err(|_| Refusal::MalformedLabels)?;
    if labels.get(METRIC_NAME).is_none() {
        return Err(Refusal::NoName { series: shown(pairs) });
    }
    Ok(labels)
}

fn too_long(part: &'static str, label: &[u8], bytes: usize, limit: usize) -> Result<(), Refusal> {
    if bytes > limit {
        let label = shorten(&String::from_utf8_lossy(&label[..label.len().min(300)]));
        return Err(Refusal::LabelTooLong { part, label, bytes, limit });
    }
    Ok(())
}

/// Formats labels for a message: `name{a="1"}`, truncated to about 200 characters.
pub(crate) fn shown(pairs: &[(&[u8], &[u8])]) -> String {
    let part = |bytes: &[u8]| shorten(&String::from_utf8_lossy(&bytes[..bytes.len().min(300)]));
    let mut text = String::new();
    if let Some((_, name)) = pairs.iter().find(|(name, _)| *name == METRIC_NAME.as_bytes()) {
        text.push_str(&part(name));
    }
    text.push('{');
    for (idx, (name, value)) in pairs.iter().filter(|(name, _)| *name != METRIC_NAME.as_bytes()).enumerate() {
        if idx > 0 {
            text.push(',');
        }
        if text.len() > 200 {
            text.push('…');
            break;
        }
        text.push_str(&format!("{}={:?}", part(name), part(value)));
    }
    text.push('}');
    text
}
