//! The measured effect of an applied recommendation, and the calibration over all of them.

use super::Direction;
use crate::store::rows::{OutcomeRow, State};

/// Measured effect of an applied recommendation, in the unit of its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Measured value.
    pub value: f64,
    /// Lower end of its interval.
    pub lower: f64,
    /// Upper end of its interval.
    pub upper: f64,
    /// Description of a limit that was violated. The recommendation then regressed, whatever the value.
    pub broken: Option<String>,
}

impl Measured {
    /// Whether the prediction was kept: the measured interval overlaps the predicted one or is better, and no limit was
    /// violated.
    #[must_use]
    pub fn keeps(&self, direction: Direction, promised_lower: f64, promised_upper: f64) -> bool {
        let as_good = match direction {
            Direction::Higher => self.upper >= promised_lower,
            Direction::Lower => self.lower <= promised_upper,
        };
        as_good && self.broken.is_none()
    }
}

/// Counts of measured recommendations, and of those that kept their prediction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Calibration {
    /// Number of measured recommendations.
    pub measured: u64,
    /// Number of those whose measured value is inside the predicted interval.
    pub inside: u64,
    /// Number of verified recommendations.
    pub verified: u64,
    /// Number of regressed recommendations.
    pub regressed: u64,
}

impl Calibration {
    /// Counts the outcomes with a measured effect.
    #[must_use]
    pub fn of(outcomes: &[OutcomeRow]) -> Self {
        let mut calibration = Self::default();
        for outcome in outcomes {
            let (Some(realised), Some(lower), Some(upper)) =
                (outcome.realised, outcome.predicted_lower, outcome.predicted_upper)
            else {
                continue;
            };
            calibration.measured += 1;
            calibration.inside += u64::from((lower..=upper).contains(&realised));
            calibration.verified += u64::from(outcome.to_state == State::Verified);
            calibration.regressed += u64::from(outcome.to_state == State::Regressed);
        }
        calibration
    }

    /// Returns the share of measured values inside the predicted interval; `None` before the first measurement.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let number = |n: u64| u32::try_from(n).map_or(f64::MAX, f64::from);
        (self.measured > 0).then(|| number(self.inside) / number(self.measured))
    }
}

#[cfg(test)]
mod tests {
    use almanac_models::Timestamp;

    use super::*;

    #[test]
    fn better_than_promised_is_kept_too() {
        use Direction::{Higher, Lower};
        let measured = |value: f64| Measured { value, lower: value - 0.01, upper: value + 0.01, broken: None };
        for (value, direction, kept) in [
            (0.5, Lower, true),
            (0.605, Lower, true),
            (0.62, Lower, false),
            (0.62, Higher, true),
            (0.38, Higher, false),
        ] {
            assert_eq!(measured(value).keeps(direction, 0.4, 0.6), kept, "{value} {direction:?}");
        }
    }

    #[test]
    fn only_measured_outcomes_count() {
        let outcome = |to_state, realised| OutcomeRow {
            recommendation: "scaling-api-1".into(),
            at: Timestamp::from_millis(0),
            from_state: Some(State::Applied),
            to_state,
            actor: "almanac".into(),
            note: None,
            predicted: Some(0.5),
            predicted_lower: Some(0.4),
            predicted_upper: Some(0.6),
            realised,
            realised_lower: realised,
            realised_upper: realised,
        };
        let outcomes = [
            outcome(State::Verified, Some(0.5)),
            outcome(State::Verified, Some(0.3)),
            outcome(State::Regressed, Some(0.9)),
            outcome(State::Expired, None),
        ];
        let calibration = Calibration::of(&outcomes);
        assert_eq!(calibration, Calibration { measured: 3, inside: 1, verified: 2, regressed: 1 });
        assert!((calibration.share().unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(Calibration::default().share(), None);
    }
}
