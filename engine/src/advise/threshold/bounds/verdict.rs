//! Whether what was learned is worth a recommendation, by the part of the history that it was not learned from.

use super::{
    decide::{Judged, Moving},
    learn::{better, fires_no_longer},
};
use crate::advise::threshold::RuleScore;

/// Least confidence of a recommendation: below it more of the unseen incidents would be missed than caught.
pub(in crate::advise::threshold) const CONFIDENCE_MIN: f64 = 0.5;

/// Confidence in a rule: Laplace's rule of succession over the incidents of the unseen part; a half where nobody labelled.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(in crate::advise::threshold) fn confidence(score: &RuleScore, labelled: bool) -> f64 {
    if labelled { (score.incidents_caught as f64 + 1.0) / (score.incidents as f64 + 2.0) } else { 0.5 }
}

impl Judged {
    /// Whether the recommended rule is worth the change; the reason to keep the present one where it is not.
    pub(in crate::advise::threshold) fn worth_it(&self, labelled: bool) -> Result<(), String> {
        let (present, recommended) = (&self.present, &self.recommended);
        if !self.decision.changed {
            return Err(self.decision.reason.clone());
        }
        let later = || {
            format!(
                "on the later part of the history, which it was not learned from, the better bound found catches {} of {} incidents \
                 with {} false alerts, the present one {} with {}",
                recommended.incidents_caught,
                recommended.incidents,
                recommended.false_alerts,
                present.incidents_caught,
                present.false_alerts
            )
        };
        if labelled {
            // A ticket lasts as long as its shorter window remembers, hours beyond the incident: that is no fault of an objective's rules.
            let lingers = matches!(self.decision.moving, Some(Moving::BurnRate(_)));
            let worse = recommended.incidents_caught < present.incidents_caught
                || recommended.false_alerts > present.false_alerts
                || !(lingers || fires_no_longer(recommended, present));
            let as_good = !(lingers || better(recommended, present));
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
