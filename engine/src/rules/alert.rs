//! The alerts of one alerting rule: one for each set of labels, with their states and the times of their changes.

use std::collections::BTreeMap;

use crate::{
    advise::threshold::{AlertMachine, AlertState},
    series::Labels,
};

/// Time for which a resolved alert is kept, so that its end is sent more than once.
pub(super) const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;
/// Time after which an alert that is still firing is sent again.
pub(super) const RESEND_AFTER_MS: i64 = 60_000;

/// Least `for` of a rule whose states are restored, and least time that a restored alert waits before it fires.
pub(super) const GRACE_MS: i64 = 10 * 60_000;

/// An alert of a rule.
#[derive(Debug, Clone)]
pub struct ActiveAlert {
    /// Labels, with `alertname`.
    pub labels: Labels,
    /// Expanded annotations.
    pub annotations: BTreeMap<String, String>,
    /// Newest value of the expression.
    pub value: f64,
    pub(super) machine: AlertMachine,
    /// State after the last evaluation.
    pub state: AlertState,
    /// Time of the first evaluation with a value, in epoch milliseconds.
    pub active_at_ms: i64,
    /// Time of the evaluation at which it began to fire.
    pub fired_at_ms: Option<i64>,
    /// Time of the evaluation at which it ended.
    pub resolved_at_ms: Option<i64>,
    /// Time since which it fires for `keep_firing_for` only.
    pub keep_firing_since_ms: Option<i64>,
    pub(super) last_sent_ms: Option<i64>,
}

/// An alert as it is sent to an Alertmanager.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Labels, with `alertname`.
    pub labels: Labels,
    /// Expanded annotations.
    pub annotations: BTreeMap<String, String>,
    /// Start in epoch milliseconds.
    pub starts_at_ms: i64,
    /// End in epoch milliseconds: past for a resolved alert, else the time until which it holds without a further notice.
    pub ends_at_ms: i64,
}

impl ActiveAlert {
    /// Returns an alert that was not evaluated yet.
    pub(super) fn new(labels: Labels, for_ms: i64, keep_firing_for_ms: i64) -> Self {
        Self {
            labels,
            annotations: BTreeMap::new(),
            value: 0.0,
            machine: AlertMachine::new(for_ms, keep_firing_for_ms),
            state: AlertState::Inactive,
            active_at_ms: 0,
            fired_at_ms: None,
            resolved_at_ms: None,
            keep_firing_since_ms: None,
            last_sent_ms: None,
        }
    }

    /// Evaluates the alert. `has_value`: whether the expression has an element with these labels.
    pub(super) fn step(&mut self, now_ms: i64, has_value: bool) {
        let before = self.state;
        self.state = self.machine.step(now_ms, has_value);
        if before == AlertState::Inactive && self.state != AlertState::Inactive {
            (self.active_at_ms, self.resolved_at_ms, self.fired_at_ms) = (now_ms, None, None);
            self.last_sent_ms = None;
        }
        if before != AlertState::Firing && self.state == AlertState::Firing {
            self.fired_at_ms = Some(now_ms);
        }
        if before == AlertState::Firing && self.state == AlertState::Inactive {
            self.resolved_at_ms = Some(now_ms);
        }
        self.keep_firing_since_ms = match (self.state, has_value) {
            (AlertState::Firing, false) => self.keep_firing_since_ms.or(Some(now_ms)),
            _ => None,
        };
    }

    /// Moves the start of an alert that is pending, as Prometheus does after a restart. `down_at_ms`: last evaluation
    /// before it. An alert that was about to fire waits for [`GRACE_MS`] at most, any other for as long as it had left.
    pub(super) fn restore(&mut self, active_at_ms: i64, down_at_ms: i64, for_ms: i64, now_ms: i64) {
        if self.state != AlertState::Pending {
            return;
        }
        let left_ms = for_ms - (down_at_ms - active_at_ms);
        self.active_at_ms = if left_ms <= 0 {
            active_at_ms
        } else if left_ms < GRACE_MS {
            now_ms + GRACE_MS - for_ms
        } else {
            active_at_ms + (now_ms - down_at_ms)
        };
        self.machine.restore(self.active_at_ms);
    }

    /// Whether the alert has ended so long ago, or without having fired, that it is dropped.
    pub(super) fn is_over(&self, now_ms: i64) -> bool {
        self.state == AlertState::Inactive
            && self.resolved_at_ms.is_none_or(|resolved| now_ms - resolved > RESOLVED_RETENTION_MS)
    }

    /// Returns the notice to send now: the first, a repetition, or that of the end. `interval_ms`: that of the group.
    pub(super) fn notice(&mut self, now_ms: i64, interval_ms: i64) -> Option<Notice> {
        let starts_at_ms = self.fired_at_ms?;
        let ended = self.resolved_at_ms.is_some_and(|resolved| self.last_sent_ms.is_none_or(|sent| resolved > sent));
        let repeats = self.last_sent_ms.is_none_or(|sent| sent + RESEND_AFTER_MS <= now_ms);
        if !ended && !repeats {
            return None;
        }
        self.last_sent_ms = Some(now_ms);
        // Four attempts may fail before a firing alert ends at its receiver.
        let valid_until_ms = now_ms + 4 * interval_ms.max(RESEND_AFTER_MS);
        Some(Notice {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            starts_at_ms,
            ends_at_ms: self.resolved_at_ms.unwrap_or(valid_until_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_sent_at_once_repeated_and_at_the_end() {
        let mut alert = ActiveAlert::new(Labels::default(), 60_000, 0);
        let mut sent = Vec::new();
        for minute in 0..22 {
            let now_ms = minute * 30_000;
            alert.step(now_ms, minute < 8);
            sent.extend(alert.notice(now_ms, 30_000).map(|notice| (minute, notice.ends_at_ms)));
        }
        // It fires at 60 s, is repeated each minute, and its end at 240 s is sent at once and repeated too.
        assert_eq!(sent[..4], [(2, 300_000), (4, 360_000), (6, 420_000), (8, 240_000)]);
        assert_eq!(sent[4], (10, 240_000));
        assert!(!alert.is_over(600_000) && alert.is_over(1_200_000));
        let mut short = ActiveAlert::new(Labels::default(), 60_000, 0);
        short.step(0, true);
        short.step(30_000, false);
        assert!(short.notice(30_000, 30_000).is_none() && short.is_over(30_000));
    }
}
