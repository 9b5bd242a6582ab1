//! The state machine of one alert, equivalent to `AlertingRule.Eval` of Prometheus. Reads no clock.

/// State of an alert, as Prometheus names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlertState {
    /// The expression has no element.
    #[default]
    Inactive,
    /// It has an element, but not yet for the duration of `for`.
    Pending,
    /// The alert is sent.
    Firing,
}

/// State machine of one alert (one rule, one set of labels).
///
/// ```
/// use almanac_engine::advise::threshold::{AlertMachine, AlertState};
/// let mut alert = AlertMachine::new(60_000, 0);
/// assert_eq!(alert.step(0, true), AlertState::Pending);
/// assert_eq!(alert.step(60_000, true), AlertState::Firing);
/// assert_eq!(alert.step(120_000, false), AlertState::Inactive);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMachine {
    for_ms: i64,
    keep_firing_for_ms: i64,
    state: AlertState,
    active_at_ms: i64,
    keep_firing_since_ms: Option<i64>,
}

impl AlertMachine {
    /// Creates an inactive alert of a rule with these durations, milliseconds ≥ 0.
    #[must_use]
    pub fn new(for_ms: i64, keep_firing_for_ms: i64) -> Self {
        Self { for_ms, keep_firing_for_ms, state: AlertState::Inactive, active_at_ms: 0, keep_firing_since_ms: None }
    }

    /// Moves the start of a pending alert, for one whose start is known from before a restart.
    pub fn restore(&mut self, active_at_ms: i64) {
        if self.state == AlertState::Pending {
            self.active_at_ms = active_at_ms;
        }
    }

    /// Evaluates the alert at `now_ms` and returns its new state. `breached`: whether the expression has an element; a
    /// missing value is `false`. Times must ascend.
    pub fn step(&mut self, now_ms: i64, breached: bool) -> AlertState {
        if breached {
            if self.state == AlertState::Inactive {
                self.state = AlertState::Pending;
                self.active_at_ms = now_ms;
            }
            self.keep_firing_since_ms = None;
        } else {
            // `keep_firing_for` applies to a firing alert only, and counts from the first evaluation without a breach.
            let keeps = self.state == AlertState::Firing
                && self.keep_firing_for_ms > 0
                && now_ms - *self.keep_firing_since_ms.get_or_insert(now_ms) < self.keep_firing_for_ms;
            if !keeps {
                self.state = AlertState::Inactive;
                self.keep_firing_since_ms = None;
            }
        }
        // After the transition to pending, so that `for: 0s` fires at the same evaluation.
        if self.state == AlertState::Pending && now_ms - self.active_at_ms >= self.for_ms {
            self.state = AlertState::Firing;
        }
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::AlertState::{Firing, Inactive, Pending};
    use super::*;
    use proptest::prelude::*;

    /// `breaches`: one letter for each minute, `x` for a breach. `expected`: the states, `i`, `p` or `f`.
    fn check(for_min: i64, keep_min: i64, breaches: &str, expected: &str) {
        let mut alert = AlertMachine::new(for_min * 60_000, keep_min * 60_000);
        let states: String = (0_i64..)
            .zip(breaches.chars())
            .map(|(minute, breach)| match alert.step(minute * 60_000, breach == 'x') {
                Inactive => 'i',
                Pending => 'p',
                Firing => 'f',
            })
            .collect();
        assert_eq!(states, expected, "for {for_min} keep {keep_min} on {breaches}");
    }

    #[test]
    fn transitions_by_hand() {
        // Without `for` an alert fires at once.
        check(0, 0, ".x.xx", "ififf");
        // `for: 2m` fires two minutes after the first breach, at the third evaluation.
        check(2, 0, "xxx.xx.xxx", "ppfippippf");
        // `keep_firing_for` counts from the first evaluation without a breach.
        check(0, 2, "x....x", "fffiif");
        // A breach in between restarts it, and the alert stays firing.
        check(2, 2, "xxx.x...", "ppfffffi");
        // It does not keep a pending alert.
        check(2, 5, "xx.x", "ppip");
        check(1, 1, "xx..x", "pffip");
    }

    /// Literal transcription of `AlertingRule.Eval` of Prometheus, with its fields and order.
    fn transcription(for_ms: i64, keep_ms: i64, evaluations: &[(i64, bool)]) -> Vec<AlertState> {
        let (mut state, mut active_at, mut since) = (None::<AlertState>, 0, None::<i64>);
        let mut states = Vec::new();
        for &(now, breached) in evaluations {
            if breached && !matches!(state, Some(Pending | Firing)) {
                (state, active_at, since) = (Some(Pending), now, None);
            }
            if let Some(current) = state {
                let mut check_for = true;
                if breached {
                    since = None;
                } else {
                    let mut keep = false;
                    if current == Firing && keep_ms > 0 {
                        if since.is_none() {
                            since = Some(now);
                        }
                        if now - since.unwrap() < keep_ms {
                            keep = true;
                        }
                    }
                    if current == Pending {
                        state = None;
                    }
                    if current != Inactive && !keep {
                        state = state.map(|_| Inactive);
                    }
                    check_for = keep;
                }
                if check_for && state == Some(Pending) && now - active_at >= for_ms {
                    state = Some(Firing);
                }
            }
            states.push(state.unwrap_or(Inactive));
        }
        states
    }

    proptest! {
        #[test]
        fn agrees_with_the_transcription(
            for_ms in 0_i64..6, keep_ms in 0_i64..6, gaps in prop::collection::vec((1_i64..4, any::<bool>()), 0..80),
        ) {
            let mut now = 0;
            let evaluations: Vec<(i64, bool)> = gaps.into_iter().map(|(gap, breached)| { now += gap; (now, breached) }).collect();
            let mut alert = AlertMachine::new(for_ms, keep_ms);
            let states: Vec<AlertState> = evaluations.iter().map(|&(now, breached)| alert.step(now, breached)).collect();
            prop_assert_eq!(states, transcription(for_ms, keep_ms, &evaluations));
        }
    }
}
