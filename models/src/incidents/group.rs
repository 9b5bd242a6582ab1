//! Joins episodes of several signals into incidents.

use super::episode::{Episode, SignalScores, episodes};
use super::first_mover::first_mover;
use crate::Timestamp;

/// Largest number of steps between anomalies of one episode.
const JOIN: usize = 3;
/// Largest distance of two episodes of one incident, in steps of the slower signal.
const NEAR: i64 = 2;
/// Largest probability of a coincidence at which two episodes are one incident. At 0.05, half a signal of ten unrelated
/// ones joins an incident on average.
const CHANCE: f64 = 0.05;

/// Anomalies of one or several signals with a common cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Onset of the first episode.
    pub start: Timestamp,
    /// Time of the last anomaly.
    pub end: Timestamp,
    /// Episodes by onset.
    pub episodes: Vec<Episode>,
    /// Index of the signal that most likely departed first.
    pub first_mover: usize,
    /// Probability that it did, in [0, 1]; 1 for one signal.
    pub confidence: f64,
    /// Largest score.
    pub peak: f64,
}

/// Groups anomalies of several signals into incidents.
///
/// Anomalies of a signal at most three steps apart are one episode. Episodes of two signals are one incident when they
/// overlap, or are at most two steps of the slower signal apart, and so close an onset is improbable by chance. A
/// signal with an episode every hour is near every incident and joins none. The relation is transitive.
///
/// ```
/// use almanac_models::incidents::{IncidentGrouper, SignalScores};
/// use almanac_models::{Step, Timestamp};
/// let step = Step::from_millis(60_000)?;
/// let timestamps: Vec<Timestamp> = (0..600).map(|t| Timestamp::from_millis(t * 60_000)).collect();
/// let odd = |from: usize, to: usize| -> Vec<f64> {
///     (0..600).map(|t| if (from..to).contains(&t) { 4.0 } else { 0.1 }).collect()
/// };
/// let (database, api) = (odd(300, 330), odd(302, 332));
/// let scored = |scores| SignalScores { step, looked_ms: 600 * 60_000, timestamps: &timestamps, scores };
/// let incidents = IncidentGrouper::default().group(&[scored(&api), scored(&database)]);
/// assert_eq!((incidents.len(), incidents[0].first_mover), (1, 1));
/// # Ok::<(), almanac_models::UnitError>(())
/// ```
///
/// Cost: O(e²) for e episodes near each other, O(e log e) for distant ones.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentGrouper {
    chance: f64,
}

impl Default for IncidentGrouper {
    fn default() -> Self {
        Self { chance: CHANCE }
    }
}

impl IncidentGrouper {
    /// Sets the largest probability of a coincidence, in [0, 1], at which episodes are one incident; 0.05 by default.
    #[must_use]
    pub fn with_chance(mut self, chance: f64) -> Self {
        self.chance = if (0.0..=1.0).contains(&chance) { chance } else { CHANCE };
        self
    }

    /// Returns the incidents in the scores of several signals, by start. A NaN score is not an anomaly.
    #[must_use]
    pub fn group(&self, signals: &[SignalScores<'_>]) -> Vec<Incident> {
        let mut all: Vec<Episode> = Vec::new();
        let mut rates = Vec::with_capacity(signals.len());
        for (idx, scored) in signals.iter().enumerate() {
            let own = episodes(idx, *scored, JOIN);
            // Rate of the other episodes, in 1/ms.
            rates.push(own.len().saturating_sub(1) as f64 / scored.looked_ms.max(1) as f64);
            all.extend(own);
        }
        all.sort_by_key(|e| (e.onset, e.signal));
        let mut sets = DisjointSets::new(all.len());
        // Episodes are sorted by onset: only those that have not ended can be near a later one.
        let mut open: Vec<usize> = Vec::new();
        for later in 0..all.len() {
            let onset = all[later].onset.millis();
            let widest = signals.iter().map(|s| s.step.millis()).max().unwrap_or(0).saturating_mul(NEAR);
            open.retain(|&earlier| all[earlier].end.millis().saturating_add(widest) >= onset);
            for &earlier in &open {
                if self.are_related(&all[earlier], &all[later], signals, &rates) {
                    sets.join(earlier, later);
                }
            }
            open.push(later);
        }
        let mut incidents: Vec<Incident> =
            sets.groups().into_iter().filter_map(|members| incident(&all, &members, signals)).collect();
        incidents.sort_by_key(|i| (i.start, i.first_mover));
        incidents
    }

    /// Whether `b`, whose onset is not before that of `a`, belongs to the same incident.
    fn are_related(&self, a: &Episode, b: &Episode, signals: &[SignalScores<'_>], rates: &[f64]) -> bool {
        if a.signal == b.signal {
            return false;
        }
        let step = signals[a.signal].step.millis().max(signals[b.signal].step.millis());
        if b.onset.millis() > a.end.millis().saturating_add(step.saturating_mul(NEAR)) {
            return false;
        }
        // On either side, and at least the resolution of the slower signal.
        let distance = 2.0 * (b.onset.millis() - a.onset.millis()).max(step) as f64;
        let busiest = rates[a.signal].max(rates[b.signal]);
        // Probability of at least one Poisson event within the distance.
        -(-busiest * distance).exp_m1() <= self.chance
    }
}

fn incident(all: &[Episode], members: &[usize], signals: &[SignalScores<'_>]) -> Option<Incident> {
    let episodes: Vec<Episode> = members.iter().map(|&i| all[i]).collect();
    let start = episodes.iter().map(|e| e.onset).min()?;
    let end = episodes.iter().map(|e| e.end).max()?;
    let peak = episodes.iter().map(|e| e.peak).fold(0.0, f64::max);
    let mut firsts: Vec<Episode> = Vec::new();
    for episode in &episodes {
        if !firsts.iter().any(|known| known.signal == episode.signal) {
            firsts.push(*episode);
        }
    }
    let steps: Vec<i64> = firsts.iter().map(|e| signals[e.signal].step.millis()).collect();
    let likely = first_mover(&firsts, &steps);
    let (best, confidence) =
        likely.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    Some(Incident { start, end, first_mover: firsts[best].signal, confidence, peak, episodes })
}

/// Disjoint sets of episodes (union-find with path halving).
#[derive(Debug)]
struct DisjointSets {
    parent: Vec<usize>,
}

impl DisjointSets {
    fn new(n: usize) -> Self {
        Self { parent: (0..n).collect() }
    }

    fn root(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// Returns the members of each set, ascending.
    fn groups(&mut self) -> Vec<Vec<usize>> {
        let mut out: Vec<Vec<usize>> = vec![Vec::new(); self.parent.len()];
        for i in 0..self.parent.len() {
            let root = self.root(i);
            out[root].push(i);
        }
        out.retain(|members| !members.is_empty());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Step;

    const MINUTE: i64 = 60_000;

    fn timestamps(n: i64) -> Vec<Timestamp> {
        (0..n).map(|t| Timestamp::from_millis(t * MINUTE)).collect()
    }

    fn odd(n: usize, spans: &[(usize, usize)], score: f64) -> Vec<f64> {
        (0..n).map(|t| if spans.iter().any(|(a, b)| (*a..*b).contains(&t)) { score } else { 0.2 }).collect()
    }

    fn group(scores: &[Vec<f64>]) -> Vec<Incident> {
        let step = Step::from_millis(MINUTE).unwrap();
        let timestamps = timestamps(i64::try_from(scores[0].len()).unwrap());
        let looked_ms = MINUTE * i64::try_from(timestamps.len()).unwrap();
        let signals: Vec<SignalScores<'_>> =
            scores.iter().map(|scores| SignalScores { step, looked_ms, timestamps: &timestamps, scores }).collect();
        IncidentGrouper::default().group(&signals)
    }

    #[test]
    fn simultaneous_episodes_are_one_incident() {
        let n = 20_000;
        let found = group(&[
            odd(n, &[(5_003, 5_030)], 3.0),
            odd(n, &[(5_000, 5_025)], 2.0),
            odd(n, &[(5_010, 5_040), (15_000, 15_005)], 9.0),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].first_mover, found[0].episodes.len(), found[0].peak), (1, 3, 9.0));
        assert!(found[0].confidence > 0.95);
        assert_eq!((found[0].start.millis(), found[0].end.millis()), (5_000 * MINUTE, 5_039 * MINUTE));
        assert_eq!((found[1].first_mover, found[1].episodes.len(), found[1].confidence), (2, 1, 1.0));
    }

    #[test]
    fn a_signal_with_frequent_episodes_joins_no_incident() {
        let n = 20_000;
        let flapping: Vec<(usize, usize)> = (0..200).map(|k| (k * 100, k * 100 + 20)).collect();
        let found = group(&[odd(n, &flapping, 5.0), odd(n, &[(5_005, 5_030)], 3.0), odd(n, &[(5_006, 5_030)], 3.0)]);
        let joined: Vec<&Incident> = found.iter().filter(|i| i.episodes.len() > 1).collect();
        assert_eq!(joined.len(), 1);
        assert_eq!((joined[0].episodes.len(), joined[0].first_mover), (2, 1));
        assert_eq!(found.len(), 201);
    }

    #[test]
    fn order_of_signals_and_oddities_of_input_change_nothing() {
        let n = 3_000;
        let scores = [odd(n, &[(700, 720)], 3.0), odd(n, &[(702, 720)], f64::INFINITY), vec![f64::NAN; n]];
        let (forward, backward) = (group(&scores), group(&[scores[1].clone(), scores[0].clone()]));
        assert_eq!((forward.len(), backward.len()), (1, 1));
        assert_eq!((forward[0].first_mover, backward[0].first_mover), (0, 1));
        assert!((forward[0].confidence - backward[0].confidence).abs() < 1e-12);
        assert!(IncidentGrouper::default().group(&[]).is_empty());
    }
}
