//! Finds recurring jobs: steps of a cycle at which values depart from the running median in most cycles.

use super::job::{Cycle, Job, Jobs, Occurrence};
use crate::forecast::prepare::Ranked;
use crate::stats::{mad, median};

/// Distance from the running median, in standard deviations of the noise, above which a value departs.
const DEVIATIONS: f64 = 4.5;
/// Steps by which a job may start early or late.
const JITTER: usize = 1;
/// Minimum share and minimum number of cycles, since the first occurrence, in which a job must occur.
const LEAST_SHARE: f64 = 0.6;
const LEAST_CYCLES: usize = 3;
/// Steps on each side of a job from which the baseline under it is interpolated.
const BESIDE: usize = 7;
/// Maximum number of jobs. A series with more has a season of many short phases, which the ordinary models forecast
/// better. Tried values: `docs/tuning/forecast.md`.
const MAX_JOBS: usize = 4;
/// Maximum number of newest cycles that are tested.
const MOST_CYCLES: usize = 60;
/// Minimum log-likelihood ratio against departures at random: ln 100, before the correction for the number of tests.
const EVIDENCE: f64 = 4.6;
/// Minimum cycle length in steps. The ordinary models represent each phase of a shorter cycle.
const LEAST_PERIOD: usize = 48;
/// Maximum number of points that are searched: four weeks of minutes, because a weekly job must occur three times.
const MOST_POINTS: usize = 40_320;
/// Share of all steps above which the departures are the pattern of the series and not jobs.
const MOST_OF_IT: f64 = 0.25;

/// Finds the jobs of `y` (NaN where missing) at `cycles`, which are in ascending order of length. `counts`: whether all
/// values are counts; their noise is then at least that of a Poisson variable.
pub(in crate::forecast) fn find(y: &[f64], cycles: &[Cycle], counts: bool) -> Jobs {
    let y = &y[skipped(y.len(), cycles)..];
    let mut work = y.to_vec();
    let mut ranked: Option<Ranked> = None;
    let mut jobs: Vec<Job> = Vec::new();
    for cycle in cycles {
        let (period, n) = (cycle.period, y.len());
        if period < LEAST_PERIOD || n < LEAST_CYCLES * period || cycle.window < 5 || cycle.window > n {
            continue;
        }
        let course = ranked.get_or_insert_with(|| Ranked::new(&work)).running_median(cycle.window | 1);
        let rest: Vec<f64> = work.iter().zip(&course).map(|(v, c)| v - c).collect();
        let Some(scale) = noise(&rest, &work, counts) else { continue };
        for sign in [1.0, -1.0] {
            let found = Search { y: &work, rest: &rest, cycle: *cycle, sign, scale }.jobs();
            for job in &found {
                // Mask the job, so that longer cycles do not find it again.
                job.steps(n).for_each(|t| work[t] = f64::NAN);
            }
            if !found.is_empty() {
                ranked = None;
            }
            jobs.extend(found);
        }
    }
    if jobs.len() > MAX_JOBS {
        return Jobs::default();
    }
    let jobs = Jobs::new(jobs);
    let taken = (0..y.len()).filter(|t| jobs.holds(*t)).count();
    if taken as f64 > MOST_OF_IT * y.len() as f64 { Jobs::default() } else { jobs }
}

/// Returns the number of steps to skip at the start of a long history: a multiple of all cycles, so that phases stay
/// the same.
fn skipped(n: usize, cycles: &[Cycle]) -> usize {
    let unit = cycles.iter().map(|cycle| cycle.period * cycle.kinds).max().unwrap_or(1).max(1);
    if cycles.iter().any(|cycle| !unit.is_multiple_of((cycle.period * cycle.kinds).max(1))) {
        return 0;
    }
    n.saturating_sub(MOST_POINTS) / unit * unit
}

/// Returns the standard deviation of the noise; `None` when nothing varies.
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

/// The search at one cycle, in one direction.
struct Search<'a> {
    y: &'a [f64],
    /// `y` minus its running median.
    rest: &'a [f64],
    cycle: Cycle,
    /// 1 to search above the running median, −1 to search below.
    sign: f64,
    scale: f64,
}

impl Search<'_> {
    /// Returns one job for each run of phases at which values depart in most cycles.
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

    /// Returns the number of newest cycles of which at least one must contain the job.
    fn latest(&self) -> usize {
        if self.cycle.kinds > 1 { 4 } else { 3 }
    }

    /// Collects the occurrences of the window at `phase` in each cycle and fits a job to them.
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
    /// Returns the values of a window minus a line between the medians on both sides. The running median would be
    /// biased where the series slopes.
    fn heights(&self, start: usize, width: usize) -> Vec<f64> {
        let end = start + width;
        let before = median(&self.y[start.saturating_sub(BESIDE)..start]);
        let after = median(&self.y[end..(end + BESIDE).min(self.y.len())]);
        let (Some(before), Some(after)) = (before.or(after), after.or(before)) else {
            return self.rest[start..end].to_vec();
        };
        // Each median is placed at the middle of its steps beside the window.
        let length = (width + BESIDE) as f64;
        let line = |k: usize| before + (after - before) * (k as f64 + 0.5 * (BESIDE as f64 + 1.0)) / length;
        self.y[start..end].iter().enumerate().map(|(k, v)| v - line(k)).collect()
    }
}

/// Returns for each value whether it or a neighbour within [`JITTER`] departs; `None` where it is missing.
fn widened(out: &[Option<bool>]) -> Vec<Option<bool>> {
    (0..out.len())
        .map(|t| {
            out[t]?;
            let beside = &out[t.saturating_sub(JITTER)..(t + JITTER + 1).min(out.len())];
            Some(beside.contains(&Some(true)))
        })
        .collect()
}

/// Returns the share of departures at phases without a job.
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

/// Returns whether departures at one phase, oldest first, belong to a job that still runs: since some cycle they occur
/// in most cycles, which is unlikely by chance (Chernoff's bound of the binomial tail), and in one of the `latest`
/// cycles. `places`: number of phases and cycles tested, for the correction for multiple tests.
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

/// Returns the Kullback–Leibler divergence of `share` from a lower probability `p`; 0 if `share` is not above `p`.
fn divergence(share: f64, p: f64) -> f64 {
    if share <= p {
        return 0.0;
    }
    let part = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    part(share, p) + part(1.0 - share, 1.0 - p)
}

/// Returns the runs of true phases on a ring, as first phase and length.
fn runs(ring: &[bool]) -> Vec<(usize, usize)> {
    let n = ring.len();
    // Start at a false phase, so that no run is split at the end of the ring.
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
