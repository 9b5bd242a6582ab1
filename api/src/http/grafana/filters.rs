//! Applies a dashboard's ad-hoc filters to tables and to series.

use std::collections::HashSet;

use almanac_engine::series::{Labels, MatchOp, Matcher, SampleSource, SeriesHistograms, SeriesSamples, SourceError};

use super::request::FilterBody;
use crate::http::{ApiError, shared::escape_pattern};

/// Key of filters on the name of a signal.
pub(super) const SIGNAL: &str = "signal";

/// Parsed ad-hoc filters.
#[derive(Debug, Clone, Default)]
pub(super) struct Filters {
    matchers: Vec<Matcher>,
    bounds: Vec<NumericFilter>,
    /// Keys that are not a label of any series; filters on them apply only to tables.
    table_keys: HashSet<String>,
}

/// A filter that compares a value as a number.
#[derive(Debug, Clone)]
struct NumericFilter {
    name: String,
    operator: &'static str,
    value: f64,
}

impl NumericFilter {
    /// Whether `text` passes; text that is not a number does not.
    fn holds(&self, text: &str) -> bool {
        let Ok(value) = text.parse::<f64>() else { return false };
        match self.operator {
            "<" => value < self.value,
            "<=" => value <= self.value,
            ">" => value > self.value,
            _ => value >= self.value,
        }
    }
}

impl Filters {
    /// Parses the filters that a dashboard sends.
    ///
    /// # Errors
    /// 400 `invalid_filter`.
    pub(super) fn read(bodies: &[FilterBody]) -> Result<Self, ApiError> {
        let mut filters = Self::default();
        for body in bodies {
            let wrong = |what: String| ApiError::bad_request("invalid_filter", what);
            let matcher = |op: MatchOp, value: &str| {
                Matcher::new(&*body.key, op, value).map_err(|error| wrong(format!("filter on {:?}: {error}", body.key)))
            };
            // The values are escaped: `=|` and `!=|` compare text, not patterns.
            let any_of = || {
                let values = if body.values.is_empty() { std::slice::from_ref(&body.value) } else { &body.values };
                values.iter().map(|value| escape_pattern(value)).collect::<Vec<_>>().join("|")
            };
            match body.operator.as_str() {
                "=" => filters.matchers.push(matcher(MatchOp::Equal, &body.value)?),
                "!=" => filters.matchers.push(matcher(MatchOp::NotEqual, &body.value)?),
                "=~" => filters.matchers.push(matcher(MatchOp::Regex, &body.value)?),
                "!~" => filters.matchers.push(matcher(MatchOp::NotRegex, &body.value)?),
                "=|" => filters.matchers.push(matcher(MatchOp::Regex, &any_of())?),
                "!=|" => filters.matchers.push(matcher(MatchOp::NotRegex, &any_of())?),
                operator => {
                    let Some(operator) = ["<=", ">=", "<", ">"].into_iter().find(|known| *known == operator) else {
                        return Err(wrong(format!("filter on {:?}: unknown operator {operator:?}", body.key)));
                    };
                    let value = body
                        .value
                        .parse()
                        .map_err(|_| wrong(format!("filter on {:?}: {:?} is not a number", body.key, body.value)))?;
                    filters.bounds.push(NumericFilter { name: body.key.clone(), operator, value });
                }
            }
        }
        Ok(filters)
    }

    /// Whether a row of a table passes. `property` returns the row's value for a key.
    ///
    /// A dashboard's filters apply to all its panels, so filters on a key that the table does not have (`None`) are
    /// ignored. A column without a value counts as empty text.
    pub(super) fn pass(&self, property: impl Fn(&str) -> Option<String>) -> bool {
        self.matchers.iter().all(|matcher| property(matcher.name()).is_none_or(|value| matcher.matches_value(&value)))
            && self.bounds.iter().all(|bound| property(&bound.name).is_none_or(|value| bound.holds(&value)))
    }

    /// Returns the keys of all filters except those on signals.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let all = self.matchers.iter().map(Matcher::name).chain(self.bounds.iter().map(|bound| bound.name.as_str()));
        all.filter(|key| *key != SIGNAL)
    }

    /// Restricts filters on series to keys in `labels`, the labels of all series.
    pub(super) fn with_labels(mut self, labels: &[String]) -> Self {
        self.table_keys =
            self.keys().filter(|key| !labels.iter().any(|label| label == key)).map(str::to_owned).collect();
        self
    }

    /// Whether the name of a signal passes the filters on signals.
    pub(super) fn pass_signal(&self, signal: &str) -> bool {
        self.matchers.iter().filter(|matcher| matcher.name() == SIGNAL).all(|matcher| matcher.matches_value(signal))
    }

    /// Returns the filters on labels as matchers, without the numeric ones.
    pub(super) fn label_matchers(&self) -> Vec<Matcher> {
        let on_labels = |matcher: &&Matcher| matcher.name() != SIGNAL && !self.table_keys.contains(matcher.name());
        self.matchers.iter().filter(on_labels).cloned().collect()
    }

    /// Whether labels pass the numeric filters; a missing label does not.
    fn pass_bounds(&self, labels: &Labels) -> bool {
        let on_labels = self.bounds.iter().filter(|bound| !self.table_keys.contains(&bound.name));
        on_labels.into_iter().all(|bound| bound.holds(labels.get(&bound.name).unwrap_or("")))
    }
}

/// A source of samples that adds the filters to every selector of an expression.
pub(super) struct Filtered<'a> {
    pub(super) source: &'a dyn SampleSource,
    pub(super) filters: &'a Filters,
}

impl SampleSource for Filtered<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let mut all = matchers.to_vec();
        all.extend(self.filters.label_matchers());
        let mut series = self.source.select(&all, start_ms, end_ms, limit)?;
        series.retain(|one| self.filters.pass_bounds(&one.labels));
        Ok(series)
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        limit: usize,
    ) -> Result<Vec<SeriesHistograms>, SourceError> {
        let mut all = matchers.to_vec();
        all.extend(self.filters.label_matchers());
        let mut series = self.source.select_histograms(&all, start_ms, end_ms, limit)?;
        series.retain(|one| self.filters.pass_bounds(&one.labels));
        Ok(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(operator: &str, value: &str, values: &[&str]) -> FilterBody {
        FilterBody {
            key: "host".into(),
            operator: operator.into(),
            value: value.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    #[test]
    fn every_operator_of_the_editor_works() {
        let check = |body: FilterBody, host: &str, passes: bool| {
            let filters = Filters::read(std::slice::from_ref(&body)).unwrap();
            let found = filters.pass(|name| (name == "host").then(|| host.to_owned()));
            assert_eq!(found, passes, "{body:?} {host}");
        };
        check(filter("=", "a.b", &[]), "a.b", true);
        check(filter("=", "a.b", &[]), "axb", false);
        check(filter("!=", "a", &[]), "b", true);
        check(filter("=|", "a.b", &["a.b", "c"]), "c", true);
        check(filter("=|", "a.b", &["a.b", "c"]), "axb", false);
        check(filter("!=|", "a", &["a", "c"]), "c", false);
        check(filter("=~", "a.*", &[]), "abc", true);
        check(filter("!~", "a.*", &[]), "abc", false);
        check(filter("<", "10", &[]), "9", true);
        check(filter(">=", "10", &[]), "9", false);
        check(filter(">", "1", &[]), "x", false);
    }

    #[test]
    fn filters_on_keys_that_a_table_lacks_are_ignored() {
        for body in [filter("=", "api", &[]), filter("!=", "x", &[]), filter("=~", "a.*", &[]), filter(">", "5", &[])] {
            let filters = Filters::read(std::slice::from_ref(&body)).unwrap();
            assert!(filters.pass(|_| None), "{body:?}");
            assert_eq!(filters.clone().with_labels(&["job".to_owned()]).label_matchers().len(), 0, "{body:?}");
        }
        let filters = Filters::read(&[filter("=", "api", &[])]).unwrap();
        assert!(!filters.pass(|_| Some(String::new())));
        assert_eq!(filters.with_labels(&["host".to_owned()]).label_matchers().len(), 1);
    }

    #[test]
    fn invalid_filters_are_rejected() {
        assert!(Filters::read(&[filter("<", "ten", &[])]).is_err());
        assert!(Filters::read(&[filter("~~", "a", &[])]).is_err());
        assert!(Filters::read(&[filter("=~", "(", &[])]).is_err());
    }
}
