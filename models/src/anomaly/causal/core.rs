//! What a detector knows of a series once its seasons are known.

use super::bank::Bank;
use super::channel::{Channel, ChannelConfig};
use super::deduplicator::AlarmDeduplicator;
use super::drift::{Drift, Slowness};
use super::profile::Profile;
use super::recent::{FlatlineDetector, Recent};
use super::record::Record;
use super::variance_drop::VarianceDropDetector;

use super::{Kind, Scored};

/// Departures a side that bounds stand on: a week of them, and at least so many. Of the half of the KPI series scored, a
/// week at one minute leaves 1.4 false alarms a week where three days left 1.6 and four weeks 2.2.
const KEPT: f64 = 4_096.0;
/// Score of a value at which a series usually rests: below 1 also for readers who compare with "at least 1".
const AT_REST: f64 = 0.999;
/// Scales that an anomaly departs by in what profiles learn of it: as an ordinary value may.
const TAUGHT: f64 = 1.0;
/// Alarms a week on each side of a channel, and of the drifts, that weigh as much as a bound e times as far out, see
/// [`Budget`](super::budget::Budget). Chosen on KPI series, NAB and the simulator: at 1 the four incidents a week of a simulated signal are taken for
/// how it is, at 4 false alarms on KPI series rise by half.
/// Of drifts alone, 1, 2, 5, 10 and 20 leave 1.24, 1.46, 1.58, 1.71 and 1.79 false alarms a week there, F1 .561, .555, .556,
/// .545 and .541; of 20 leaks on ten seeds 1 finds 15, all others 18.
const ALARMS: f64 = 2.0;
/// Share of values that are anomalies from which on those that go on are no news: half an hour a day. At 1.5, 2 and 3 %
/// NAB's standard score at a threshold of 1 is 53.8, 51.9 and 49.6, without 45.0; KPI's events are the same.
const OFTEN: f64 = 0.02;
/// No more of the values than this are called by chance on a side, however long the steps.
const MOST_RISK: f64 = 2.5e-3;

/// A week of one-minute steps.
pub(crate) const USUAL_WEEK: f64 = 10_080.0;

/// Profile, levels, scales and bounds.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    profile: Profile,
    bank: Bank,
    quick: Channel,
    slow: Channel,
    /// Quick ones, and slow ones where steps are short.
    drifts: [Option<Drift>; 2],
    flatline: FlatlineDetector,
    recent: Recent,
    deduplicator: AlarmDeduplicator,
    variance_drop: VarianceDropDetector,
    /// What the seasons had at the last value.
    last_base: f64,
    record: Record,
    /// Steps without a value, one after the other.
    missing: usize,
}

/// What is expected of the next value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    /// From the values just before; NaN before anything was seen.
    pub expected: f64,
    /// The mean size of ordinary departures from the seasons and the slow level.
    pub scale: f64,
}

/// Steps without a value after which the values before them say nothing of the next one.
const GAP: usize = 20;

impl Core {
    /// `seasons` in steps, ascending; `risk`: share of ordinary minutes called; `week`: steps of a week.
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

    /// Learns from a history that the seasons were found in; `recurring`: ascending places of values that recur, and what
    /// was expected there without them.
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

    /// The worst that the channels say of a value; all learn from it, bounds and profile only when `open`.
    pub(crate) fn push(&mut self, value: f64, floor: f64, open: bool) -> Scored {
        self.missing = 0;
        let record = self.record.push(value, floor, open);
        // Values that stand still, or lie on a line as filled ones do, say nothing of how the series varies.
        let open = open && !self.flatline.push(value, floor);
        let still = self.flatline.is_usually_constant();
        let base = self.profile.now();
        let scale = self.slow.scale(floor);
        let quick_base = if self.bank.is_seasonal() { base } else { base.moved_from(self.last_base) };
        self.last_base = base.now;
        let quick = self.quick.push(value, quick_base, self.quick.scale(floor), floor, open, still);
        let quick = self.recent.hold(quick, value);
        self.recent.push(value);
        let slow = self.slow.push(value, base, scale, floor, open, still);
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
        let rests = self.flatline.rests_at(value);
        if worst.score > 1.0 && (self.flatline.is_usually_constant() || rests) {
            // It is what was expected that moved: a profile of steps that came once.
            worst = Scored { score: AT_REST, lower: worst.lower.min(value), upper: worst.upper.max(value), ..worst };
        }
        let calm = if open { self.variance_drop.push(value - quick.expected) } else { 0.0 };
        if worst.score <= 1.0 && calm > 1.0 && !rests {
            worst = Scored { score: calm, kind: Kind::FlatLine, lower: worst.expected, upper: worst.expected, ..worst };
        }
        if worst.score <= 1.0
            && let Some(flat) = self.flatline.flat_line(value)
        {
            // An empty band, as no value stands for what varies.
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

    /// What is expected next, and the scale of ordinary departures.
    pub(crate) fn outlook(&self, floor: f64) -> Outlook {
        Outlook { expected: self.expected(), scale: self.slow.scale(floor) }
    }

    /// There is no value at this step.
    pub(crate) fn skip(&mut self) {
        self.profile.push(None);
        self.missing += 1;
        if self.missing == GAP {
            self.recent = Recent::default();
            self.deduplicator = AlarmDeduplicator::default();
        }
    }

    /// The value at this step recurs there, and teaches the seasons `base` alone.
    pub(crate) fn skip_recurring(&mut self, base: f64) {
        self.profile.push(Some(base).filter(|base| base.is_finite()));
    }

    /// Phases come again from `steps` ago on.
    pub(crate) fn set_back(&mut self, steps: usize) {
        self.profile.set_back(steps);
    }

    /// The value expected next.
    pub(crate) fn expected(&self) -> f64 {
        self.quick.expected(if self.bank.is_seasonal() { self.profile.now().now } else { 0.0 })
    }

    pub(crate) fn seen(&self) -> usize {
        self.quick.seen()
    }

    /// Follows the choice among short predictions.
    fn choose(&mut self, value: f64, base: f64) {
        let was = self.bank.is_seasonal();
        if self.bank.push(value, base) {
            self.quick.alpha = self.bank.alpha();
            let of = |seasonal: bool| if seasonal { base } else { 0.0 };
            self.quick.rebase(of(was), of(self.bank.is_seasonal()));
        }
    }

    /// What the profile learns of a value. An incident must not stand in the profile a day or a week later, where its
    /// absence would be called; where anomalies are many, they teach up to the edge of the slow band.
    fn taught(&self, value: f64, scored: &Scored, slow: &Scored, scale: f64) -> f64 {
        let held = value.clamp(slow.lower, slow.upper);
        if scored.score <= 1.0 || self.quick.is_crowded() || self.slow.is_crowded() {
            return held;
        }
        let most = TAUGHT * scale;
        held.clamp(slow.expected - most, slow.expected + most)
    }
}
