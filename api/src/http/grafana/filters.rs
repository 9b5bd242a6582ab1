//! A dashboard's ad-hoc filters, on tables and on series.

use std::collections::HashSet;

use almanac_engine::series::{Labels, MatchOp, Matcher, SampleSource, SeriesSamples, SourceError};

use super::request::FilterBody;
use crate::http::{ApiError, shared::escape_pattern};

/// The label by which filters speak of a signal's own name.
pub(super) const SIGNAL: &str = "signal";

/// Ad-hoc filters, ready to use.
#[derive(Debug, Clone, Default)]
pub(super) struct Filters {
    matchers: Vec<Matcher>,
    bounds: Vec<Bound>,
    /// Keys that no series has as a label: filters on them are meant for tables.
    not_labels: HashSet<String>,
}

/// A label's value as a number, compared.
#[derive(Debug, Clone)]
struct Bound {
    name: String,
    operator: &'static str,
    value: f64,
}

impl Bound {
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
    /// Reads what a dashboard sends.
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
                        .map_err(|_| wrong(format!("filter on {:?}: {:?} is no number", body.key, body.value)))?;
                    filters.bounds.push(Bound { name: body.key.clone(), operator, value });
                }
            }
        }
        Ok(filters)
    }

    /// Whether a row passes. A dashboard's filters hold for all its panels, so those on a key that the row's table does not
    /// have (`property` gives none) are left out; a column without a value is the empty text.
    pub(super) fn pass(&self, property: impl Fn(&str) -> Option<String>) -> bool {
        self.matchers.iter().all(|matcher| property(matcher.name()).is_none_or(|value| matcher.matches_value(&value)))
            && self.bounds.iter().all(|bound| property(&bound.name).is_none_or(|value| bound.holds(&value)))
    }

    /// The keys of all filters but that on signals.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let all = self.matchers.iter().map(Matcher::name).chain(self.bounds.iter().map(|bound| bound.name.as_str()));
        all.filter(|key| *key != SIGNAL)
    }

    /// The same filters, those on keys that are no label of any series left out where series are asked for.
    pub(super) fn with_labels(mut self, labels: &[String]) -> Self {
        self.not_labels =
            self.keys().filter(|key| !labels.iter().any(|label| label == key)).map(str::to_owned).collect();
        self
    }

    /// Whether a signal's name passes the filters on it.
    pub(super) fn pass_signal(&self, signal: &str) -> bool {
        self.matchers.iter().filter(|matcher| matcher.name() == SIGNAL).all(|matcher| matcher.matches_value(signal))
    }

    /// The filters on labels alone, as matchers, those by number left out.
    pub(super) fn label_matchers(&self) -> Vec<Matcher> {
        let on_labels = |matcher: &&Matcher| matcher.name() != SIGNAL && !self.not_labels.contains(matcher.name());
        self.matchers.iter().filter(on_labels).cloned().collect()
    }

    fn pass_bounds(&self, labels: &Labels) -> bool {
        let on_labels = self.bounds.iter().filter(|bound| !self.not_labels.contains(&bound.name));
        on_labels.into_iter().all(|bound| bound.holds(labels.get(&bound.name).unwrap_or("")))
    }
}

/// A source of samples that shows only what passes the filters: so they hold for every selector of an expression.
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
    fn filters_on_keys_that_a_table_lacks_are_left_out() {
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
    fn what_cannot_be_compared_is_refused() {
        assert!(Filters::read(&[filter("<", "ten", &[])]).is_err());
        assert!(Filters::read(&[filter("~~", "a", &[])]).is_err());
        assert!(Filters::read(&[filter("=~", "(", &[])]).is_err());
    }
}
