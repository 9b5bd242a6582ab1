//! Finds recurring jobs: steps of a cycle at which values leave the running median in most cycles.

use super::job::{Job, Jobs, Occurrence};
use crate::forecast::prepare::running_median;
use crate::stats::{mad, median};

/// Standard deviations of the ordinary noise that a value must lie away from the running median.
const DEVIATIONS: f64 = 4.5;
/// Steps by which a job may start early or late.
const JITTER: usize = 1;
/// Share of the cycles, since the first one with it, in which a job must have come, and the least number of them.
const LEAST_SHARE: f64 = 0.6;
const LEAST_CYCLES: usize = 3;
/// Steps on both sides of a job that its course is taken from.
const BESIDE: usize = 7;
/// Cycles looked back at.
const MOST_CYCLES: usize = 60;
/// How unlikely the returns must be if departures fell anywhere: the logarithm of 1 in 100, after the number of places.
const EVIDENCE: f64 = 4.6;
/// Steps that a cycle needs: of a shorter one the ordinary models see each phase.
const LEAST_PERIOD: usize = 48;
/// Points of history in which jobs are looked for: four weeks of minutes, since a weekly one must come three times.
const MOST_POINTS: usize = 40_320;
/// Share of a series above which what returns is its pattern, and no job.
const MOST_OF_IT: f64 = 0.25;

/// A length with which jobs may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::forecast) struct Cycle {
    /// Its length in steps.
    pub period: usize,
    /// Steps of the running median, more than twice the longest job.
    pub window: usize,
    /// After how many cycles the kind of a cycle repeats: 7 for days, else 1.
    pub kinds: usize,
}

/// The jobs of `y` (NaN where missing) at these cycles, shortest first; `counts`: whether all values are counts, whose
/// noise is that of a Poisson variable at least.
pub(in crate::forecast) fn find(y: &[f64], cycles: &[Cycle], counts: bool) -> Jobs {
    let y = &y[skipped(y.len(), cycles)..];
    let mut work = y.to_vec();
    let mut jobs: Vec<Job> = Vec::new();
    for cycle in cycles {
        let (period, n) = (cycle.period, y.len());
        if period < LEAST_PERIOD || n < LEAST_CYCLES * period || cycle.window < 5 || cycle.window > n {
            continue;
        }
        let course = running_median(&work, cycle.window | 1);
        let rest: Vec<f64> = work.iter().zip(&course).map(|(v, c)| v - c).collect();
        let Some(scale) = noise(&rest, &work, counts) else { continue };
        for sign in [1.0, -1.0] {
            let found = Search { y: &work, rest: &rest, cycle: *cycle, sign, scale }.jobs();
            for job in &found {
                // Of a job of two cycles only the shorter one is known.
                job.steps(n).for_each(|t| work[t] = f64::NAN);
            }
            jobs.extend(found);
        }
    }
    let jobs = Jobs::new(jobs);
    let taken = (0..y.len()).filter(|t| jobs.holds(*t)).count();
    if taken as f64 > MOST_OF_IT * y.len() as f64 { Jobs::default() } else { jobs }
}

/// Steps at the start of a long history that are not looked at: a multiple of all cycles, so that phases stay the same.
fn skipped(n: usize, cycles: &[Cycle]) -> usize {
    let unit = cycles.iter().map(|cycle| cycle.period * cycle.kinds).max().unwrap_or(1).max(1);
    if cycles.iter().any(|cycle| !unit.is_multiple_of((cycle.period * cycle.kinds).max(1))) {
        return 0;
    }
    n.saturating_sub(MOST_POINTS) / unit * unit
}

/// Standard deviation of the ordinary noise; `None` where nothing varies.
fn noise(rest: &[f64], y: &[f64], counts: bool) -> Option<f64> {
    let robust = mad(rest)?;
    let scale = if robust > 0.0 {
        robust
    } else {
        let (sum, n) = rest.iter().filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v.abs(), n + 1.0));
        1.25 * sum / n
    };
    let least = if counts { (1.0 + crate::stats::mean(y)?.max(0.0)).sqrt() } else { 0.0 };
    let scale = scale.max(least);
    (scale > 0.0).then_some(scale)
}

struct Search<'a> {
    y: &'a [f64],
    /// `y` less its running median.
    rest: &'a [f64],
    cycle: Cycle,
    /// 1 for what lies above the running median, −1 for what lies below.
    sign: f64,
    scale: f64,
}

impl Search<'_> {
    /// Runs of phases at which values depart in most cycles.
    fn jobs(&self) -> Vec<Job> {
        let period = self.cycle.period;
        let out: Vec<Option<bool>> =
            self.rest.iter().map(|v| v.is_finite().then_some(self.sign * v > DEVIATIONS * self.scale)).collect();
        if out.iter().filter(|o| **o == Some(true)).count() < LEAST_CYCLES {
            return Vec::new();
        }
        let near = widened(&out);
        let by_phase: Vec<Vec<bool>> = (0..period)
            .map(|phase| {
                let seen: Vec<bool> = near.iter().skip(phase).step_by(period).filter_map(|o| *o).collect();
                seen[seen.len().saturating_sub(MOST_CYCLES)..].to_vec()
            })
            .collect();
        let chance = chance(&by_phase);
        let places = (period * MOST_CYCLES.min(self.rest.len() / period)) as f64;
        let returns: Vec<bool> = by_phase.iter().map(|seen| returns(seen, chance, places, self.latest())).collect();
        runs(&returns)
            .into_iter()
            .filter(|run| run.1 <= self.cycle.window / 2 + 2 * JITTER)
            .filter_map(|(phase, width)| self.job(phase, width))
            .collect()
    }

    /// Newest cycles of which one must have the job.
    fn latest(&self) -> usize {
        if self.cycle.kinds > 1 { 4 } else { 3 }
    }

    fn job(&self, phase: usize, width: usize) -> Option<Job> {
        let n = self.rest.len();
        let mut occurrences = Vec::new();
        let mut start = phase;
        let mut cycle = 0;
        while start + width <= n {
            let values = &self.rest[start..start + width];
            if values.iter().any(|v| v.is_finite()) {
                let came = values.iter().any(|v| self.sign * v > DEVIATIONS * self.scale);
                occurrences.push(Occurrence { cycle, came, values: self.heights(start, width) });
            }
            start += self.cycle.period;
            cycle += 1;
        }
        Job::new(self.cycle, phase, width, self.scale, self.sign * DEVIATIONS * self.scale, occurrences)
    }
}

impl Search<'_> {
    /// The values of a window less a line over it: the running median lies off where the series slopes.
    fn heights(&self, start: usize, width: usize) -> Vec<f64> {
        let end = start + width;
        let before = median(&self.y[start.saturating_sub(BESIDE)..start]);
        let after = median(&self.y[end..(end + BESIDE).min(self.y.len())]);
        let (Some(before), Some(after)) = (before.or(after), after.or(before)) else {
            return self.rest[start..end].to_vec();
        };
        // Medians stand for the middles of the steps beside the window.
        let length = (width + BESIDE) as f64;
        let line = |k: usize| before + (after - before) * (k as f64 + 0.5 * (BESIDE as f64 + 1.0)) / length;
        self.y[start..end].iter().enumerate().map(|(k, v)| v - line(k)).collect()
    }
}

/// Whether a value or one beside it departs; `None` where it is missing.
fn widened(out: &[Option<bool>]) -> Vec<Option<bool>> {
    (0..out.len())
        .map(|t| {
            out[t]?;
            let beside = &out[t.saturating_sub(JITTER)..(t + JITTER + 1).min(out.len())];
            Some(beside.contains(&Some(true)))
        })
        .collect()
}

/// How often phases that hold no job depart.
fn chance(by_phase: &[Vec<bool>]) -> f64 {
    let (mut hits, mut seen) = (1.0, 2.0);
    for phase in by_phase {
        let k = phase.iter().filter(|hit| **hit).count();
        if 2 * k < phase.len() || phase.is_empty() {
            hits += k as f64;
            seen += phase.len() as f64;
        }
    }
    hits / seen
}

/// Whether departures at one phase, oldest first, are those of a job that still runs: from some cycle on they come in
/// most, which chance would hardly give (Chernoff's bound of the binomial tail), and in one of the `latest`.
fn returns(seen: &[bool], chance: f64, places: f64, latest: usize) -> bool {
    if !seen[seen.len().saturating_sub(latest)..].contains(&true) {
        return false;
    }
    let (mut hits, mut evidence) = (0usize, 0.0f64);
    for (age, hit) in seen.iter().rev().enumerate() {
        hits += usize::from(*hit);
        let cycles = (age + 1) as f64;
        let share = hits as f64 / cycles;
        if *hit && hits >= LEAST_CYCLES && share >= LEAST_SHARE {
            evidence = evidence.max(cycles * divergence(share, chance));
        }
    }
    evidence > EVIDENCE + places.max(1.0).ln()
}

/// Kullback–Leibler divergence of a share from a lower probability.
fn divergence(share: f64, p: f64) -> f64 {
    if share <= p {
        return 0.0;
    }
    let part = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    part(share, p) + part(1.0 - share, 1.0 - p)
}

/// Runs of true phases on a ring, as first phase and length.
fn runs(ring: &[bool]) -> Vec<(usize, usize)> {
    let n = ring.len();
    let Some(gap) = ring.iter().position(|v| !v) else { return Vec::new() };
    let mut out = Vec::new();
    let mut k = 0;
    while k < n {
        let at = (gap + k) % n;
        if ring[at] {
            let width = (0..n - k).take_while(|j| ring[(at + j) % n]).count();
            out.push((at, width));
            k += width;
        } else {
            k += 1;
        }
    }
    out
}
