//! A group of rules: evaluates its rules one after the other, each on the samples that the earlier ones wrote.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use super::{
    alert::Notice,
    rule::{EvaluatedRule, Health},
};
use crate::{
    advise::threshold::{RuleGroup, parse_duration},
    series::{Labels, SampleSource, stale_marker},
    signal::{EvalLimits, VectorSample},
};

/// Stores the samples of a rule, numbers and histograms, all at one time in milliseconds.
pub type WriteSamples<'a> = dyn FnMut(i64, &[VectorSample]) -> Result<(), String> + 'a;

/// A group of rules with its state.
#[derive(Debug, Clone)]
pub struct Group {
    /// Path of its file.
    pub file: String,
    /// Name.
    pub name: String,
    /// Interval between evaluations in milliseconds.
    pub interval_ms: i64,
    /// Time by which expressions are evaluated earlier, in milliseconds.
    pub query_offset_ms: i64,
    /// Largest number of elements of a rule; 0 for none.
    pub limit: usize,
    /// Rules in the order of the file.
    pub rules: Vec<EvaluatedRule>,
    /// Time of the last evaluation in epoch milliseconds.
    pub evaluated_at_ms: Option<i64>,
    /// Series that each rule wrote at the last evaluation.
    written: Vec<HashSet<Labels>>,
}

/// The result of one evaluation of a group.
#[derive(Debug, Default)]
pub struct Evaluated {
    /// Alerts to send.
    pub notices: Vec<Notice>,
    /// Names and reasons of the rules that failed.
    pub failures: Vec<(String, String)>,
}

impl Group {
    /// Reads a group. `interval_ms`: that of a group without one. Also returns the rules that cannot be evaluated, by
    /// name, with the reasons.
    pub(super) fn new(file: &str, group: &RuleGroup, interval_ms: i64) -> (Self, Vec<(String, String)>) {
        let ms = |text: &Option<String>| text.as_deref().and_then(parse_duration);
        let (mut rules, mut faults) = (Vec::new(), Vec::new());
        for rule in &group.rules {
            match EvaluatedRule::new(rule, &group.labels) {
                Ok(rule) => rules.push(rule),
                Err(reason) => {
                    let name = rule.alert.as_ref().or(rule.record.as_ref()).cloned().unwrap_or_default();
                    faults.push((name, reason));
                }
            }
        }
        let this = Self {
            file: file.to_owned(),
            name: group.name.clone(),
            interval_ms: ms(&group.interval).filter(|ms| *ms > 0).unwrap_or(interval_ms),
            query_offset_ms: ms(&group.query_offset).unwrap_or(0),
            limit: group.limit.as_deref().and_then(|limit| limit.parse().ok()).unwrap_or(0),
            written: vec![HashSet::new(); rules.len()],
            rules,
            evaluated_at_ms: None,
        };
        (this, faults)
    }

    /// Evaluates all rules at `now_ms`. `write` stores the samples of a rule, all of one time in milliseconds, before the
    /// next rule is evaluated; the samples include stale markers of series that the rule no longer writes. `elapsed`
    /// returns the running time of the caller's clock.
    pub fn evaluate(
        &mut self,
        source: &dyn SampleSource,
        now_ms: i64,
        limits: &EvalLimits,
        elapsed: &dyn Fn() -> Duration,
        write: &mut WriteSamples<'_>,
    ) -> Evaluated {
        let mut evaluated = Evaluated::default();
        if self.evaluated_at_ms.is_none() {
            self.rules.iter_mut().for_each(|rule| rule.restore(source, now_ms, limits));
        }
        let at_ms = now_ms.saturating_sub(self.query_offset_ms);
        for (rule, former) in self.rules.iter_mut().zip(&mut self.written) {
            let started = elapsed();
            let result = rule.evaluate(source, now_ms, self.query_offset_ms, self.limit, limits).and_then(|samples| {
                let series: HashSet<Labels> = samples.iter().map(|sample| sample.labels.clone()).collect();
                let ended: BTreeSet<&Labels> = former.difference(&series).collect();
                let markers =
                    ended.into_iter().map(|labels| VectorSample::number(labels.clone(), at_ms, stale_marker()));
                let all: Vec<VectorSample> = samples.into_iter().chain(markers).collect();
                if !all.is_empty() {
                    write(at_ms, &all)?;
                }
                *former = series;
                Ok(())
            });
            rule.took = elapsed().saturating_sub(started);
            rule.evaluated_at_ms = Some(now_ms);
            rule.health = match result {
                Ok(()) => {
                    evaluated.notices.extend(rule.notices(now_ms, self.interval_ms));
                    Health::Good
                }
                Err(reason) => {
                    evaluated.failures.push((rule.name().to_owned(), reason.clone()));
                    Health::Bad(reason)
                }
            };
        }
        self.evaluated_at_ms = Some(now_ms);
        evaluated
    }

    /// Removes the rules for which `keeps` is false.
    pub fn retain(&mut self, keeps: impl Fn(&EvaluatedRule) -> bool) {
        self.rules.retain(keeps);
        self.written.resize_with(self.rules.len(), HashSet::new);
    }

    /// Returns the time that the last evaluation of all rules took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.rules.iter().map(|rule| rule.took).sum()
    }

    /// Returns the first time of an evaluation after `now_ms`: a multiple of the interval.
    #[must_use]
    pub fn next_after(&self, now_ms: i64) -> i64 {
        (now_ms.div_euclid(self.interval_ms) + 1) * self.interval_ms
    }
}
