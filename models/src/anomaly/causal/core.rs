//! The detector for given seasons: combines channels, drifts, flat lines, drops of variance and records into one score.
//!
//! `online` builds it anew at each refit and replays the history into it.

use super::bank::Bank;
use super::channel::{Channel, ChannelConfig};
use super::deduplicator::AlarmDeduplicator;
use super::drift::{Drift, Slowness};
use super::profile::Profile;
use super::recent::{FlatlineDetector, Recent};
use super::record::Record;
use super::variance_drop::VarianceDropDetector;

use super::{Kind, Scored};

/// Number of departures on each side that bounds are fitted to: those of a week, and at least so many. Tried values:
/// `docs/tuning/anomaly.md`.
const KEPT: f64 = 4_096.0;
/// Score of a value that the series usually has: below 1 also for callers that compare with `>= 1`.
const AT_REST: f64 = 0.999;
/// Limit, in scales, of the departure that the profile learns from an anomaly.
const TAUGHT: f64 = 1.0;
/// Alarms per week on each side of a channel and of a drift, see [`Budget`](super::budget::Budget). Tried values:
/// `docs/tuning/anomaly.md`.
const ALARMS: f64 = 2.0;
/// Share of anomalies, half an hour a day, above which repeated values of an alarm score exactly 1. Tried values:
/// `docs/tuning/anomaly.md`.
const OFTEN: f64 = 0.02;
/// Largest probability that an ordinary value is called on one side, for steps of any length.
const MOST_RISK: f64 = 2.5e-3;

/// A week of one-minute steps.
pub(crate) const USUAL_WEEK: f64 = 10_080.0;

/// Profile, channels, drifts and special detectors of one series.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    profile: Profile,
    bank: Bank,
    quick: Channel,
    slow: Channel,
    /// Drift within a few values, and within minutes where steps are shorter than that.
    drifts: [Option<Drift>; 2],
    flatline: FlatlineDetector,
    recent: Recent,
    deduplicator: AlarmDeduplicator,
    variance_drop: VarianceDropDetector,
    /// Seasonal part at the last value.
    last_base: f64,
    record: Record,
    /// Number of consecutive steps without a value.
    missing: usize,
}

/// Expectation for the next value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    /// Prediction of the quick channel; NaN before the first value.
    pub expected: f64,
    /// Mean size of ordinary departures from the seasons and the slow level.
    pub scale: f64,
}

/// Number of steps without a value after which the last values are forgotten.
const GAP: usize = 20;

impl Core {
    /// `seasons`: in steps, ascending; `risk`: share of ordinary minutes that are called; `week`: steps of a week.
    pub(crate) fn new(seasons: &[usize], risk: f64, week: f64) -> Self {
        let season = seasons.first().copied().unwrap_or(0);
        let alpha = (1.0 / if season > 0 { season as f64 } else { 200.0 }).clamp(5e-4, 0.05);
        let quick = ChannelConfig {
            alpha: 0.3,
            span: 500.0,
            patience: 30,
            kept: KEPT.max(week),
            risk: (0.25 * risk * USUAL_WEEK / week).min(MOST_RISK),
            week,
            budget: ALARMS,
        };
        Self {
            profile: Profile::new(seasons),
            bank: Bank::new(),
            quick: Channel::new(quick),
            slow: Channel::new(ChannelConfig { alpha, span: 2_000.0, patience: 200, ..quick }),
            drifts: [Some(Slowness::VALUES), Slowness::minutes(week)]
                .map(|slowness| slowness.map(|slowness| Drift::new(slowness, KEPT, 0.25 * risk, week, ALARMS))),
            flatline: FlatlineDetector::default(),
            recent: Recent::default(),
            deduplicator: AlarmDeduplicator::default(),
            variance_drop: VarianceDropDetector::new(week),
            last_base: 0.0,
            record: Record::new(week),
            missing: 0,
        }
    }

    /// Learns from the history in which the seasons were found; `recurring`: indices of recurring departures,
    /// ascending, with the value expected there without them.
    pub(crate) fn replay(&mut self, history: &[f64], recurring: impl Iterator<Item = (usize, f64)>, floor: f64) {
        self.profile.start_from(history);
        let mut recurring = recurring.peekable();
        for (place, value) in history.iter().enumerate() {
            if let Some((_, base)) = recurring.next_if(|(at, _)| *at == place) {
                self.skip_recurring(base);
            } else if value.is_finite() {
                self.push(*value, floor, true);
            } else {
                self.skip();
            }
        }
    }

    /// Returns the largest score of all parts, then learns from the value; bounds and profile learn only when `open`.
    pub(crate) fn push(&mut self, value: f64, floor: f64, open: bool) -> Scored {
        self.missing = 0;
        let record = self.record.push(value, floor, open);
        // Constant or interpolated values carry no information on the noise, so that bounds do not learn from them.
        let open = open && !self.flatline.push(value, floor);
        let still = self.flatline.is_usually_constant();
        let base = self.profile.now();
        let scale = self.slow.scale(floor);
        // Without the seasons in its level, the quick channel still tolerates a seasonal move since the last value.
        let quick_base = if self.bank.is_seasonal() { base } else { base.moved_from(self.last_base) };
        self.last_base = base.now;
        let quick = self.quick.push(value, quick_base, self.quick.scale(floor), floor, open, still);
        // The order matters: a value must not be compared with itself.
        let quick = self.recent.hold(quick, value);
        self.recent.push(value);
        let slow = self.slow.push(value, base, scale, floor, open, still);
        // From here on the part with the largest score decides score, band and kind.
        let mut worst = if slow.score > quick.score { Scored { kind: Kind::Level, ..slow } } else { quick };
        for drift in self.drifts.iter_mut().flatten() {
            let drift = drift.push((value - slow.expected) / scale, worst.score > 1.0, open);
            if drift.score > worst.score {
                worst = Scored {
                    expected: slow.expected,
                    lower: slow.lower.max(slow.expected + scale * drift.lower),
                    upper: slow.upper.min(slow.expected + scale * drift.upper),
                    score: drift.score,
                    kind: Kind::Drift,
                };
            }
        }
        // A usually constant series at its resting value is ordinary, whatever the other parts score.
        let rests = self.flatline.rests_at(value);
        if worst.score > 1.0 && (self.flatline.is_usually_constant() || rests) {
            // The expectation moved, not the value: the profile contains a step that occurred once.
            worst = Scored { score: AT_REST, lower: worst.lower.min(value), upper: worst.upper.max(value), ..worst };
        }
        // The remaining parts only apply to values that no other part calls.
        let calm = if open { self.variance_drop.push(value - quick.expected) } else { 0.0 };
        if worst.score <= 1.0 && calm > 1.0 && !rests {
            worst = Scored { score: calm, kind: Kind::FlatLine, lower: worst.expected, upper: worst.expected, ..worst };
        }
        if worst.score <= 1.0
            && let Some(flat) = self.flatline.flat_line(value)
        {
            // The band is empty: no single value would be ordinary.
            worst =
                Scored { score: flat.score, kind: flat.kind, lower: worst.expected, upper: worst.expected, ..worst };
        }
        if record.score > 1.0 && worst.score <= 1.0 {
            let expected = worst.expected.max(record.lower).min(record.upper);
            let (lower, upper) = (worst.lower.max(record.lower), worst.upper.min(record.upper));
            worst = Scored { expected, lower, upper, score: record.score, kind: Kind::Value };
        }
        if open {
            let taught = self.taught(value, &worst, &slow, scale);
            self.profile.push(Some(taught));
            self.choose(value, base.now);
        } else {
            self.profile.push(None);
        }
        worst
    }

    /// Lowers scores that repeat an alarm, see [`AlarmDeduplicator`].
    pub(crate) fn deduplicate(&mut self, scored: Scored) -> Scored {
        let often = self.quick.share().max(self.slow.share()) > OFTEN;
        self.deduplicator.filter(scored, often)
    }

    /// Returns the next expected value and the scale of ordinary departures.
    pub(crate) fn outlook(&self, floor: f64) -> Outlook {
        Outlook { expected: self.expected(), scale: self.slow.scale(floor) }
    }

    /// Passes a step without a value.
    pub(crate) fn skip(&mut self) {
        self.profile.push(None);
        self.missing += 1;
        if self.missing == GAP {
            self.recent = Recent::default();
            self.deduplicator = AlarmDeduplicator::default();
        }
    }

    /// Passes a step with a recurring departure; only the seasons learn, from `base`.
    pub(crate) fn skip_recurring(&mut self, base: f64) {
        self.profile.push(Some(base).filter(|base| base.is_finite()));
    }

    /// Moves the phase of the seasons back by `steps`.
    pub(crate) fn set_back(&mut self, steps: usize) {
        self.profile.set_back(steps);
    }

    /// Returns the next expected value.
    pub(crate) fn expected(&self) -> f64 {
        self.quick.expected(if self.bank.is_seasonal() { self.profile.now().now } else { 0.0 })
    }

    pub(crate) fn seen(&self) -> usize {
        self.quick.seen()
    }

    /// Applies the choice of [`Bank`] to the quick channel.
    fn choose(&mut self, value: f64, base: f64) {
        let was = self.bank.is_seasonal();
        if self.bank.push(value, base) {
            self.quick.alpha = self.bank.alpha();
            let of = |seasonal: bool| if seasonal { base } else { 0.0 };
            self.quick.rebase(of(was), of(self.bank.is_seasonal()));
        }
    }

    /// Returns the value that the profile learns. An incident must not enter the profile, since its absence would be
    /// called a day or a week later. Where anomalies are frequent, the profile learns up to the edge of the slow band.
    fn taught(&self, value: f64, scored: &Scored, slow: &Scored, scale: f64) -> f64 {
        let held = value.clamp(slow.lower, slow.upper);
        if scored.score <= 1.0 || self.quick.is_crowded() || self.slow.is_crowded() {
            return held;
        }
        let most = TAUGHT * scale;
        held.clamp(slow.expected - most, slow.expected + most)
    }
}
