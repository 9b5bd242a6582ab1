//! Reads rule files into groups.

use super::Group;
use crate::advise::threshold::RuleFile;

/// All groups of the rule files.
#[derive(Debug, Clone, Default)]
pub struct RuleBook {
    /// Groups in the order of the files.
    pub groups: Vec<Group>,
    /// Files and rules that cannot be evaluated.
    pub faults: Vec<RuleFault>,
}

/// A file or a rule that cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFault {
    /// Path of the file.
    pub file: String,
    /// Name of the rule; empty for a file.
    pub rule: String,
    /// Reason.
    pub reason: String,
}

impl RuleBook {
    /// Adds the groups of a file. `interval_ms`: interval of a group without one.
    pub fn add(&mut self, file: &str, text: &str, interval_ms: i64) {
        let fault = |rule: String, reason: String| RuleFault { file: file.to_owned(), rule, reason };
        match RuleFile::parse(file, text) {
            Ok(parsed) => {
                for group in &parsed.groups {
                    let (group, faults) = Group::new(file, group, interval_ms);
                    self.faults.extend(faults.into_iter().map(|(rule, reason)| fault(rule, reason)));
                    self.groups.push(group);
                }
            }
            Err(error) => self.faults.push(fault(String::new(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        rules::Health,
        series::{Labels, METRIC_NAME, is_stale},
        signal::{EvalLimits, VectorSample},
        store::{SampleBatch, Store, StoreOptions},
    };

    const RULES: &str = "groups:
- name: g
  interval: 1m
  labels: {team: core}
  rules:
  - record: job:depth:sum
    expr: sum by (job) (depth)
    labels: {level: job}
  - alert: Deep
    expr: job:depth:sum > 5
    for: 1m
    labels: {severity: page, depth: '{{ $value }}'}
    annotations: {summary: '{{ $labels.job }} has {{ $value }}'}
  - alert: Wrong
    expr: sum(
";

    /// Rules of a group see what earlier rules wrote, alerts go through their states, and ended series are marked.
    #[test]
    fn a_group_is_evaluated_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let put = |labels: &Labels, at_ms: i64, value: f64| {
            let mut batch = SampleBatch::default();
            batch.push(store.resolve(labels).unwrap(), at_ms, value);
            store.append(batch).unwrap().wait().unwrap();
        };
        let depth = Labels::from_pairs([(METRIC_NAME, "depth"), ("job", "mail"), ("host", "a")]).unwrap();
        let mut book = RuleBook::default();
        book.add("rules.yml", RULES, 15_000);
        assert_eq!(book.faults.len(), 1, "{:?}", book.faults);
        assert_eq!(book.faults[0].rule, "Wrong");
        let group = &mut book.groups[0];
        assert_eq!((group.interval_ms, group.next_after(61_000), group.rules.len()), (60_000, 120_000, 2));

        let (mut written, mut notices) = (Vec::new(), Vec::new());
        for (minute, value) in [(1, 9.0), (2, 9.0), (3, 1.0)] {
            let now_ms = minute * 60_000;
            put(&depth, now_ms, value);
            let mut write = |at_ms: i64, samples: &[VectorSample]| {
                for VectorSample { labels, value, .. } in samples {
                    put(labels, at_ms, *value);
                    written.push((minute, labels.to_string(), *value));
                }
                Ok(())
            };
            let done = group.evaluate(&store, now_ms, &EvalLimits::default(), &|| Duration::ZERO, &mut write);
            assert!(done.failures.is_empty(), "{:?}", done.failures);
            notices.extend(done.notices);
        }
        let sum = "job:depth:sum{job=\"mail\",level=\"job\",team=\"core\"}";
        assert!(written.contains(&(1, sum.to_owned(), 9.0)) && written.contains(&(3, sum.to_owned(), 1.0)));
        let states: Vec<(i64, &str, bool)> = written
            .iter()
            .filter(|(_, labels, _)| labels.starts_with("ALERTS{"))
            .map(|(minute, labels, value)| {
                (*minute, if labels.contains("firing") { "firing" } else { "pending" }, is_stale(*value))
            })
            .collect();
        assert_eq!(states, [(1, "pending", false), (2, "firing", false), (2, "pending", true), (3, "firing", true)]);
        assert_eq!(notices.len(), 2);
        assert_eq!(notices[0].annotations["summary"], "mail has 9");
        assert_eq!(notices[0].labels.get("severity"), Some("page"));
        assert_eq!((notices[0].starts_at_ms, notices[1].ends_at_ms), (120_000, 180_000));
        assert!(group.rules.iter().all(|rule| rule.health == Health::Good));

        // A failed write is the failure of its rule.
        let done = group
            .evaluate(&store, 240_000, &EvalLimits::default(), &|| Duration::ZERO, &mut |_, _| Err("full".to_owned()));
        assert_eq!(done.failures, [("job:depth:sum".to_owned(), "full".to_owned())]);
    }

    /// An alert that was pending before a restart keeps its start, with a grace period when it was about to fire.
    #[test]
    fn states_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let text = "groups: [{name: g, interval: 1m, rules: [{alert: Old, expr: up == 0, for: 30m}]}]";
        let up = Labels::from_pairs([(METRIC_NAME, "up"), ("job", "a")]).unwrap();
        let put = |labels: &Labels, at_ms: i64, value: f64| {
            let mut batch = SampleBatch::default();
            batch.push(store.resolve(labels).unwrap(), at_ms, value);
            store.append(batch).unwrap().wait().unwrap();
        };
        let mut fired = Vec::new();
        // Twenty-five minutes, ten minutes without the service, and a new book.
        for minutes in [0..25, 35..60] {
            let mut book = RuleBook::default();
            book.add("rules.yml", text, 60_000);
            for minute in minutes {
                put(&up, minute * 60_000, 0.0);
                let mut write = |at_ms: i64, samples: &[VectorSample]| {
                    samples.iter().for_each(|sample| put(&sample.labels, at_ms, sample.value));
                    Ok(())
                };
                let now_ms = minute * 60_000;
                book.groups[0].evaluate(&store, now_ms, &EvalLimits::default(), &|| Duration::ZERO, &mut write);
                let active = book.groups[0].rules[0].active();
                if active[0].fired_at_ms.is_some() {
                    fired.push(minute);
                }
            }
        }
        // Six minutes were left, which the grace period of ten minutes extends.
        assert_eq!(fired.first(), Some(&45));
    }
}
