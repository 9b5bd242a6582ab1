//! Decides whether a learned setting is worth a recommendation, by its score on the held-out part of the history.

use super::{
    decide::{MovingBound, ScoredDecision},
    learn::{fires_no_longer, improves},
};
use crate::advise::threshold::RuleScore;

/// Minimum confidence of a recommendation: below it more of the next incidents would be missed than caught.
pub(in crate::advise::threshold) const CONFIDENCE_MIN: f64 = 0.5;

/// Computes the confidence in a rule by Laplace's rule of succession over the held-out incidents; one half without
/// labels.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(in crate::advise::threshold) fn confidence(score: &RuleScore, labelled: bool) -> f64 {
    if labelled { (score.incidents_caught as f64 + 1.0) / (score.incidents as f64 + 2.0) } else { 0.5 }
}

impl ScoredDecision {
    /// Checks whether the recommended rule is worth the change.
    ///
    /// # Errors
    /// The reason to keep the present rule.
    pub(in crate::advise::threshold) fn worth_it(&self, labelled: bool) -> Result<(), String> {
        let (present, recommended) = (&self.present, &self.recommended);
        if !self.decision.changed {
            return Err(self.decision.reason.clone());
        }
        let later = || {
            format!(
                "on the held-out part of the history the best bound found catches {} of {} incidents with {} false alerts, \
                 the present one {} with {}",
                recommended.incidents_caught,
                recommended.incidents,
                recommended.false_alerts,
                present.incidents_caught,
                present.false_alerts
            )
        };
        if labelled {
            // A ticket fires until its short window has passed, hours after the incident. Burn rates are
            // therefore not compared by the time that they fire.
            let lingers = matches!(self.decision.moving, Some(MovingBound::BurnRate(_)));
            let worse = recommended.incidents_caught < present.incidents_caught
                || recommended.false_alerts > present.false_alerts
                || !(lingers || fires_no_longer(recommended, present));
            let as_good = !(lingers || improves(recommended, present));
            let nothing_shown = recommended.incidents_caught == 0 && recommended.false_alerts >= present.false_alerts;
            if worse || as_good || nothing_shown {
                return Err(later());
            }
        }
        let confidence = confidence(recommended, labelled);
        if confidence < CONFIDENCE_MIN {
            return Err(format!("confidence {confidence:.2} is below {CONFIDENCE_MIN:.1}: {}", later()));
        }
        Ok(())
    }
}
