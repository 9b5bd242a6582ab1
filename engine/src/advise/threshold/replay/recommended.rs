//! Builds the rule file with the recommended rules in place of the present ones.

use std::collections::{BTreeMap, BTreeSet};

use super::report::RuleFigures;
use crate::advise::threshold::{Rule, RuleFile, RulePlace, RuleSpec, format_duration};

/// A rule file in which rules are replaced; everything else is unchanged.
#[derive(Debug)]
pub(in crate::advise::threshold) struct RecommendedFile {
    file: RuleFile,
    rules: BTreeMap<RulePlace, Vec<Rule>>,
    names: BTreeSet<String>,
}

impl RecommendedFile {
    pub(in crate::advise::threshold) fn new(file: &RuleFile) -> Self {
        Self { file: file.clone(), rules: BTreeMap::new(), names: BTreeSet::new() }
    }

    /// Returns a name for the recording rule of an alert's bound that is unique in the file.
    pub(in crate::advise::threshold) fn bound_name(&mut self, alert: &str) -> String {
        let stem = bound_name(alert);
        let taken = |name: &String| {
            self.names.contains(name)
                || self.file.groups.iter().flat_map(|group| &group.rules).any(|rule| rule.record.as_ref() == Some(name))
        };
        let name = std::iter::once(stem.clone())
            .chain((2..).map(|nth| format!("{stem}_{nth}")))
            .find(|name| !taken(name))
            .unwrap_or(stem);
        self.names.insert(name.clone());
        name
    }

    /// Replaces the present rule, or appends to its replacements if the rule has several series.
    ///
    /// `recording`: the recording rules of its bounds, written before it. `series`: value of the label `series` that
    /// distinguishes the rules of one alert on several series.
    pub(in crate::advise::threshold) fn add(
        &mut self,
        spec: &RuleSpec,
        figures: &RuleFigures,
        recording: Vec<Rule>,
        series: Option<&str>,
    ) {
        let mut rule = spec.rule.clone();
        rule.expr.clone_from(&figures.expr);
        if figures.for_ms != spec.for_ms {
            rule.hold = (figures.for_ms > 0).then(|| format_duration(figures.for_ms));
        }
        if figures.keep_firing_for_ms != spec.keep_firing_for_ms {
            rule.keep_firing_for =
                (figures.keep_firing_for_ms > 0).then(|| format_duration(figures.keep_firing_for_ms));
        }
        if let Some(series) = series {
            rule.labels.insert("series".to_owned(), series.to_owned());
        }
        let place = self.rules.entry(spec.place).or_default();
        for mut rule in recording {
            // The ticket alert of a burn rate gets the same label.
            if let (Some(_), Some(series)) = (&rule.alert, series) {
                rule.labels.insert("series".to_owned(), series.to_owned());
            }
            place.push(rule);
        }
        place.push(rule);
    }

    pub(in crate::advise::threshold) fn finish(mut self) -> RuleFile {
        for (group_idx, group) in self.file.groups.iter_mut().enumerate() {
            let rules = std::mem::take(&mut group.rules);
            for (rule_idx, rule) in rules.into_iter().enumerate() {
                match self.rules.remove(&RulePlace { group: group_idx, rule: rule_idx }) {
                    Some(recommended) => group.rules.extend(recommended),
                    None => group.rules.push(rule),
                }
            }
        }
        self.file
    }
}

/// Returns the default name of the recording rule of an alert's bound.
pub(in crate::advise::threshold) fn bound_name(alert: &str) -> String {
    format!("almanac:bound:{}", snake_case(alert))
}

/// Converts `HighLatency` to `high_latency`, with `_` for every character that is not allowed in a metric name.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_metric_names_and_unique() {
        let mut file = RecommendedFile::new(&RuleFile::default());
        assert_eq!(file.bound_name("HighLatency p95"), "almanac:bound:high_latency_p95");
        assert_eq!(file.bound_name("HighLatency p95"), "almanac:bound:high_latency_p95_2");
    }
}
