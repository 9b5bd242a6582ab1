//! Sets of labels: the identity of a series. Cheap to clone, ordered by name.

use std::{fmt, sync::Arc};

/// Label that holds the metric name of a series.
pub const METRIC_NAME: &str = "__name__";

/// An error of labels that no series can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The name of a label is empty.
    #[error("a label has an empty name")]
    EmptyName,
    /// A label occurs twice.
    #[error("label {name:?} occurs twice")]
    Duplicate {
        /// Repeated name.
        name: String,
    },
}

/// Labels of a series: sorted by name, without duplicate names or empty values. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// Creates labels from pairs in any order. A label with an empty value is left out, because it equals an absent
    /// label.
    ///
    /// # Errors
    /// [`LabelError`] if a name is empty or occurs twice.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, LabelError>
    where
        N: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        let mut all: Vec<(Arc<str>, Arc<str>)> = pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        // Checked before empty values are removed: a repeated name is an error whatever its values.
        for pair in all.windows(2) {
            if pair[0].0 == pair[1].0 {
                return Err(LabelError::Duplicate { name: pair[0].0.to_string() });
            }
        }
        if all.first().is_some_and(|(name, _)| name.is_empty()) {
            return Err(LabelError::EmptyName);
        }
        all.retain(|(_, value)| !value.is_empty());
        Ok(Self(all.into()))
    }

    /// Creates labels from pairs that are sorted by name, without duplicate names or empty values.
    pub(crate) fn from_sorted(pairs: impl Iterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let all: Arc<[(Arc<str>, Arc<str>)]> = pairs.collect();
        debug_assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0) && all.iter().all(|pair| !pair.1.is_empty()));
        Self(all)
    }

    /// Returns the value of a label; `None` if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok().map(|idx| &*self.0[idx].1)
    }

    /// Returns the metric name; "" if there is none.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or("")
    }

    /// Iterates over names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// Returns the number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Creates a builder that starts with these labels.
    #[must_use]
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder(self.0.to_vec())
    }

    /// Returns the labels except those named.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(n, _)| !names.contains(&&**n)).cloned().collect())
    }

    /// Returns only the labels named.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(n, _)| names.contains(&&**n)).cloned().collect())
    }
}

/// Builds labels by setting and removing them one by one. Always sorted by name.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder(Vec<(Arc<str>, Arc<str>)>);

impl LabelsBuilder {
    /// Sets or replaces the value of a label; an empty value removes the label.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.0.binary_search_by(|(n, _)| (**n).cmp(name)) {
            Ok(idx) if value.is_empty() => {
                self.0.remove(idx);
            }
            Ok(idx) => self.0[idx].1 = value.into(),
            Err(_) if value.is_empty() => {}
            Err(idx) => self.0.insert(idx, (name.into(), value.into())),
        }
        self
    }

    /// Removes a label if it is present.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// Returns the labels set so far.
    #[must_use]
    pub fn build(&self) -> Labels {
        Labels(self.0.as_slice().into())
    }
}

/// Writes the notation of Prometheus: `name{a="1",b="2"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric_name())?;
        let mut rest = self.iter().filter(|(name, _)| *name != METRIC_NAME).peekable();
        if rest.peek().is_none() {
            return if self.is_empty() { f.write_str("{}") } else { Ok(()) };
        }
        f.write_str("{")?;
        for (idx, (name, value)) in rest.enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(f, "{comma}{name}=\"{value}\"")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_shown_as_prometheus_does() {
        let labels = Labels::from_pairs([("job", "api"), (METRIC_NAME, "up"), ("empty", ""), ("a", "x\"y")]).unwrap();
        assert_eq!(labels.to_string(), r#"up{a="x\"y",job="api"}"#);
        assert_eq!(labels.get("empty"), None);
        assert_eq!(Labels::default().to_string(), "{}");
    }

    #[test]
    fn impossible_labels_are_rejected() {
        assert_eq!(
            Labels::from_pairs([("a", "1"), ("a", "2")]).unwrap_err(),
            LabelError::Duplicate { name: "a".into() }
        );
        assert_eq!(Labels::from_pairs([("", "1")]).unwrap_err(), LabelError::EmptyName);
    }

    #[test]
    fn builder_sets_replaces_and_removes() {
        let mut builder = Labels::default().to_builder();
        builder.set("b", "1").set("a", "2").set("b", "3").remove("a");
        assert_eq!(builder.build().to_string(), r#"{b="3"}"#);
    }
}
