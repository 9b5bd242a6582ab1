//! Sets of labels: the identity of a series. Cheap to clone, ordered by name.

use std::{cmp::Ordering, fmt, sync::Arc};

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
    /// All names and values together are too long.
    #[error("labels of {bytes} bytes, at most 4 GiB are possible")]
    TooLong {
        /// Length of all names and values.
        bytes: usize,
    },
}

/// Labels of a series: sorted by name, without duplicate names or empty values. Cloning is cheap.
///
/// Names and values are one text, so that the labels of a series in a store are made by copying it, without counting a reference to
/// each string.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels {
    /// Names and values in turn, one after the other.
    text: Arc<str>,
    /// End of each name and value in the text.
    ends: Arc<[u32]>,
}

impl Labels {
    /// Creates labels from pairs in any order. A label with an empty value is left out, because it equals an absent
    /// label.
    ///
    /// # Errors
    /// [`LabelError`] if a name is empty or occurs twice, or if all together are longer than 4 GiB.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, LabelError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut all: Vec<(N, V)> = pairs.into_iter().collect();
        all.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        // Checked before empty values are removed: a repeated name is an error whatever its values.
        for pair in all.windows(2) {
            if pair[0].0.as_ref() == pair[1].0.as_ref() {
                return Err(LabelError::Duplicate { name: pair[0].0.as_ref().to_owned() });
            }
        }
        if all.first().is_some_and(|(name, _)| name.as_ref().is_empty()) {
            return Err(LabelError::EmptyName);
        }
        let all = all.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let bytes: usize = all.clone().map(|(name, value)| name.len() + value.len()).sum();
        if u32::try_from(bytes).is_err() {
            return Err(LabelError::TooLong { bytes });
        }
        Ok(Self::from_sorted(all.filter(|(_, value)| !value.is_empty())))
    }

    /// Creates labels from pairs that are sorted by name, without duplicate names or empty values, together at most 4 GiB.
    pub(crate) fn from_sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut text, mut ends) = (String::with_capacity(256), Vec::with_capacity(32));
        for (name, value) in pairs {
            for part in [name, value] {
                text.push_str(part);
                ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            }
        }
        let labels = Self { text: text.into(), ends: ends.into() };
        debug_assert!(
            labels.iter().is_sorted_by(|a, b| a.0 < b.0) && labels.iter().all(|(_, value)| !value.is_empty())
        );
        labels
    }

    /// Returns the name (`place` even) or value (odd) at a place.
    fn part(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[place] as usize]
    }

    /// Returns the value of a label; `None` if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.part(2 * middle).cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(self.part(2 * middle + 1)),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Returns the metric name; "" if there is none.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or("")
    }

    /// Iterates over names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.chunks_exact(2).map(move |ends| {
            let (middle, end) = (ends[0] as usize, ends[1] as usize);
            let pair = (&self.text[start..middle], &self.text[middle..end]);
            start = end;
            pair
        })
    }

    /// Returns the number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len() / 2
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Creates a builder that starts with these labels.
    #[must_use]
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder(self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Returns the labels except those named.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self::from_sorted(self.iter().filter(|(name, _)| !names.contains(name)))
    }

    /// Returns only the labels named.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        Self::from_sorted(self.iter().filter(|(name, _)| names.contains(name)))
    }
}

/// By the first label that differs, its name before its value.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Builds labels by setting and removing them one by one. Always sorted by name.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder(Vec<(String, String)>);

impl LabelsBuilder {
    /// Sets or replaces the value of a label; an empty value removes the label.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.0.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(idx) if value.is_empty() => {
                self.0.remove(idx);
            }
            Ok(idx) => value.clone_into(&mut self.0[idx].1),
            Err(_) if value.is_empty() => {}
            Err(idx) => self.0.insert(idx, (name.to_owned(), value.to_owned())),
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
        Labels::from_sorted(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())))
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
    fn labels_are_ordered_by_the_first_that_differs() {
        let texts: [&[(&str, &str)]; 7] = [
            &[],
            &[("a", "1")],
            &[("a", "1"), ("b", "1")],
            &[("a", "10")],
            &[("a", "2"), ("b", "1")],
            &[("ab", "1")],
            &[("b", ""), ("c", "1")],
        ];
        let all: Vec<Labels> = texts.iter().map(|pairs| Labels::from_pairs(pairs.iter().copied()).unwrap()).collect();
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        // The text of these two is the same.
        let [a, b] = [[("ab", "c")], [("a", "bc")]].map(|pairs| Labels::from_pairs(pairs).unwrap());
        assert_ne!(a, b);
        assert_eq!((a.get("ab"), a.get("a"), b.get("a")), (Some("c"), None, Some("bc")));
    }

    #[test]
    fn builder_sets_replaces_and_removes() {
        let mut builder = Labels::default().to_builder();
        builder.set("b", "1").set("a", "2").set("b", "3").remove("a");
        assert_eq!(builder.build().to_string(), r#"{b="3"}"#);
    }
}
