//! Counts the alerting rules that are used, kept, skipped or without data, with the reasons.

use std::{collections::BTreeMap, fmt};

use super::spec::{KeptRule, NotUsed};

/// Number of rules that are used, and reasons of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleSummary {
    /// Rules that compare a signal with a bound.
    pub used: usize,
    /// Rules among these whose signal has too little history.
    pub no_data: usize,
    /// Rules without a bound to advise on, by reason.
    pub kept: BTreeMap<String, usize>,
    /// Invalid rules, groups and files, by reason.
    pub skipped: BTreeMap<String, usize>,
}

impl RuleSummary {
    /// Counts rules. `used`: rules with a bound; `no_data`: those among them without enough history.
    #[must_use]
    pub fn of(used: usize, no_data: usize, not_used: &[KeptRule]) -> Self {
        let mut summary = Self { used, no_data, ..Self::default() };
        for rule in not_used {
            let counts = match rule.why {
                NotUsed::Kept => &mut summary.kept,
                NotUsed::Skipped => &mut summary.skipped,
            };
            *counts.entry(without_place(&rule.reason).to_owned()).or_default() += 1;
        }
        summary
    }
}

/// Removes the line number from a reason.
fn without_place(reason: &str) -> &str {
    match reason.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((place, reason)) if place.bytes().all(|byte| byte.is_ascii_digit()) => reason,
        _ => reason,
    }
}

impl fmt::Display for RuleSummary {
    /// Writes one line of counts and one line for each reason, the most frequent first.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
        write!(
            out,
            "alerting rules: {} used ({} without enough data), {} kept without a numeric bound, {} skipped",
            self.used,
            self.no_data,
            total(&self.kept),
            total(&self.skipped)
        )?;
        for (what, counts) in [("kept", &self.kept), ("skipped", &self.skipped)] {
            let mut by_count: Vec<(&String, &usize)> = counts.iter().collect();
            by_count.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            for (reason, count) in by_count {
                write!(out, "\n  {what} {count}: {reason}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_without_their_lines() {
        let rule = |why, reason: &str| KeptRule { why, ..KeptRule::unreadable("r.yml", reason.to_owned()) };
        let not_used = [
            rule(NotUsed::Kept, "no numeric bound to advise on: == tests for a state"),
            rule(NotUsed::Skipped, "line 4: expr is missing"),
            rule(NotUsed::Skipped, "line 9: expr is missing"),
            rule(NotUsed::Skipped, "another"),
        ];
        let summary = RuleSummary::of(5, 2, &not_used);
        assert_eq!(
            summary.to_string(),
            "alerting rules: 5 used (2 without enough data), 1 kept without a numeric bound, 3 skipped\n  \
             kept 1: no numeric bound to advise on: == tests for a state\n  \
             skipped 2: expr is missing\n  skipped 1: another"
        );
    }
}
