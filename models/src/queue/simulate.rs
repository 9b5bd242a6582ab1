//! Simulates waits at equal servers, in order of arrival, over arrivals and hold times that change with time.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand::Rng;

use super::{HoldTimes, LoadStep, QueueError, WaitTally};

/// What is fixed in a simulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueOptions {
    /// Number of servers, at least 1.
    pub servers: usize,
    /// Longest wait in seconds, after which an arrival gives up; infinite for none.
    pub patience: f64,
    /// Mean size of the batches in which arrivals come, at least 1; their sizes are geometric. 1: a Poisson process.
    pub batch: f64,
    /// Time in seconds for which the first step's load is simulated before waits count, so that the servers are as busy
    /// as they usually are.
    pub warmup: f64,
}

/// Simulates the queue over `steps` and counts the waits.
///
/// Batches arrive as a Poisson process whose rate is that of the step. An arrival takes the server that is free first,
/// and waits in order of arrival (the recursion of Kiefer and Wolfowitz); its hold time is drawn from `holds`. With the
/// same generator, more servers never lengthen a wait, since the same draws are made for every number of servers.
///
/// ```
/// use almanac_models::queue::{HoldTimes, LoadStep, QueueOptions, simulate};
/// use rand::SeedableRng;
///
/// let holds = [HoldTimes::exponential(0.025)?];
/// let steps = [LoadStep { seconds: 3_600.0, rate: 200.0, holds: 0, stretch: 1.0 }];
/// let options = QueueOptions { servers: 8, patience: f64::INFINITY, batch: 1.0, warmup: 1.0 };
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let waits = simulate(&options, &steps, &holds, &mut rng)?;
/// // Erlang's formula: 5.04 % wait longer than 10 ms.
/// assert!((waits.exceeds(0.010) - 0.0504).abs() < 0.003);
/// # Ok::<(), almanac_models::queue::QueueError>(())
/// ```
///
/// # Errors
/// [`QueueError::Parameter`] for an option or a step out of range.
///
/// # Reference
/// Kiefer & Wolfowitz (1955), "On the theory of queues with many servers"; Asmussen (2003), Applied Probability and
/// Queues, §XII.
pub fn simulate(
    options: &QueueOptions,
    steps: &[LoadStep],
    holds: &[HoldTimes],
    rng: &mut impl Rng,
) -> Result<WaitTally, QueueError> {
    check(options, steps, holds)?;
    let mut servers = Servers::new(options.servers);
    let mut tally = WaitTally::new(options.servers);
    let warmup = steps.first().map(|first| LoadStep { seconds: options.warmup, ..*first });
    let mut start = 0.0;
    for (step, counts) in warmup.iter().map(|step| (step, false)).chain(steps.iter().map(|step| (step, true))) {
        let end = start + step.seconds;
        let batches = step.rate / options.batch;
        // A Poisson process has no memory: it begins again at each step.
        let mut at = start;
        if batches > 0.0 {
            loop {
                at += exponential(rng) / batches;
                if at >= end {
                    break;
                }
                loop {
                    let hold = holds[step.holds].sample(rng) * step.stretch;
                    let in_use = servers.in_use(at);
                    let wait = servers.serve(at, hold, options.patience);
                    if counts {
                        tally.count(wait.unwrap_or(options.patience), in_use, wait.is_none());
                    }
                    if !(rng.random::<f64>() < 1.0 - 1.0 / options.batch) {
                        break;
                    }
                }
            }
        }
        start = end;
    }
    Ok(tally)
}

/// Rejects what has no meaning.
fn check(options: &QueueOptions, steps: &[LoadStep], holds: &[HoldTimes]) -> Result<(), QueueError> {
    let wrong = |name, value| Err(QueueError::Parameter { name, value });
    if options.servers == 0 {
        return wrong("servers", 0.0);
    }
    if !(options.patience >= 0.0) {
        return wrong("patience", options.patience);
    }
    if !(options.batch >= 1.0 && options.batch.is_finite()) {
        return wrong("batch", options.batch);
    }
    if !(options.warmup >= 0.0 && options.warmup.is_finite()) {
        return wrong("warmup", options.warmup);
    }
    for step in steps {
        let fields =
            [("rate", step.rate, 0.0), ("seconds", step.seconds, 0.0), ("stretch", step.stretch, f64::MIN_POSITIVE)];
        for (name, value, least) in fields {
            if !(value >= least && value.is_finite()) {
                return wrong(name, value);
            }
        }
        if step.holds >= holds.len() {
            return Err(QueueError::NoHolds);
        }
    }
    Ok(())
}

/// Draws from the exponential distribution with mean 1.
fn exponential(rng: &mut impl Rng) -> f64 {
    // In (0, 1], so that the logarithm is finite.
    -(1.0 - rng.random::<f64>()).ln()
}

/// Times at which the servers are free, by the bits of the number: times are at least 0, which sort as their bits do.
struct Servers(BinaryHeap<Reverse<u64>>);

impl Servers {
    fn new(count: usize) -> Self {
        Self(std::iter::repeat_n(Reverse(0.0_f64.to_bits()), count).collect())
    }

    /// Returns the number of servers in use.
    fn in_use(&self, at: f64) -> usize {
        self.0.iter().filter(|free| f64::from_bits(free.0) > at).count()
    }

    /// Takes the server that is free first and returns the wait; none if it is longer than `patience`.
    fn serve(&mut self, at: f64, hold: f64, patience: f64) -> Option<f64> {
        let mut first = self.0.peek_mut()?;
        let free = f64::from_bits(first.0);
        let wait = (free - at).max(0.0);
        if wait > patience {
            return None;
        }
        *first = Reverse((at + wait + hold).to_bits());
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::queue::{ErlangC, HoldBucket};

    fn options(servers: usize) -> QueueOptions {
        QueueOptions { servers, patience: f64::INFINITY, batch: 1.0, warmup: 60.0 }
    }

    /// Simulates a constant load for as many arrivals.
    fn steady(options: &QueueOptions, rate: f64, holds: HoldTimes, arrivals: f64, seed: u64) -> WaitTally {
        let step = LoadStep { seconds: arrivals / rate, rate, holds: 0, stretch: 1.0 };
        simulate(options, &[step], &[holds], &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    #[test]
    fn exponential_holds_wait_as_erlang_says() {
        for (servers, load) in [(1, 0.7), (4, 3.2), (10, 8.5), (20, 15.0)] {
            let waits = steady(&options(servers), load, HoldTimes::exponential(1.0).unwrap(), 400_000.0, 1);
            let queue = ErlangC::try_new(u32::try_from(servers).unwrap(), load, 1.0).unwrap();
            let near = |ours: f64, theirs: f64, share: f64| (ours - theirs).abs() < share * theirs.max(0.1);
            assert!(near(waits.exceeds(0.0), queue.exceeds(0.0), 0.03), "{servers}: {}", waits.exceeds(0.0));
            assert!(near(waits.mean(), queue.mean(), 0.08), "{servers}: {} {}", waits.mean(), queue.mean());
            assert!(near(waits.quantile(0.95), queue.quantile(0.95), 0.08), "{servers}: {}", waits.quantile(0.95));
        }
    }

    #[test]
    fn one_server_waits_as_pollaczek_and_khinchine_say() {
        // Mean wait of M/G/1: λ·E[S²] / (2·(1 − ρ)) = ρ·E[S]·(1 + CV²) / (2·(1 − ρ)).
        let bimodal = HoldTimes::from_buckets(
            &[HoldBucket { lower: 0.4, upper: 0.5, count: 9.0 }, HoldBucket { lower: 5.0, upper: 6.0, count: 1.0 }],
            Some(1.0),
        )
        .unwrap();
        for holds in [bimodal, HoldTimes::constant(1.0).unwrap(), HoldTimes::log_normal(1.0, 1.5).unwrap()] {
            let rate = 0.7;
            let expected = rate * (1.0 + holds.variation().powi(2)) / (2.0 * (1.0 - rate));
            let waits = steady(&options(1), rate, holds.clone(), 600_000.0, 2);
            assert!((waits.mean() / expected - 1.0).abs() < 0.08, "{}: {} {expected}", holds.variation(), waits.mean());
        }
    }

    /// Mean wait of M/D/c in hold times: the number in the system at whole hold times is a Markov chain, since everything in
    /// service then leaves within one hold time.
    ///
    /// # Reference
    /// Crommelin (1932); Franx (2001), "A simple solution for the M/D/c waiting time distribution".
    fn constant_holds(servers: usize, load: f64) -> f64 {
        const STATES: usize = 400;
        let poisson: Vec<f64> = (1..STATES)
            .scan((-load).exp(), |share, n| {
                let now = *share;
                *share *= load / f64::from(u32::try_from(n).unwrap());
                Some(now)
            })
            .collect();
        let mut states = vec![0.0; STATES];
        states[0] = 1.0;
        for _ in 0..600 {
            let mut next = vec![0.0; STATES];
            for (state, share) in states.iter().enumerate().filter(|(_, share)| **share > 1e-18) {
                let left = state.saturating_sub(servers);
                for (arrived, p) in poisson.iter().enumerate().take(STATES - left) {
                    next[left + arrived] += share * p;
                }
            }
            states = next;
        }
        let queued: f64 = states
            .iter()
            .skip(servers)
            .enumerate()
            .map(|(n, share)| share * f64::from(u32::try_from(n).unwrap()))
            .sum();
        queued / load
    }

    #[test]
    fn constant_holds_wait_as_crommelin_says() {
        for (servers, load) in [(2, 1.6), (8, 7.0)] {
            let expected = constant_holds(servers, load);
            let waits = steady(&options(servers), load, HoldTimes::constant(1.0).unwrap(), 400_000.0, 3);
            assert!((waits.mean() / expected - 1.0).abs() < 0.06, "{servers}: {} {expected}", waits.mean());
        }
        // M/D/1: ρ / (2·(1 − ρ)).
        assert!((constant_holds(1, 0.8) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn more_servers_never_lengthen_a_wait_and_equal_seeds_agree() {
        let holds = || HoldTimes::log_normal(0.02, 1.2).unwrap();
        let at = |servers: usize| steady(&options(servers), 400.0, holds(), 20_000.0, 4);
        let waits: Vec<WaitTally> = (7..16).map(at).collect();
        assert!(waits.windows(2).all(|pair| pair[1].waited <= pair[0].waited));
        assert!((waits[0].arrivals - waits[8].arrivals).abs() < 1e-9);
        assert_eq!(at(9), at(9));
    }

    #[test]
    fn batches_widen_the_servers_in_use_as_their_formula_says() {
        // Sampled at equal distances through a second stream of rare arrivals would be a detour: with many servers the
        // servers that batches find in use are those of time (PASTA), and the first of a batch sees them.
        let batch = 3.0;
        let holds = HoldTimes::exponential(1.0).unwrap();
        let crowd = QueueOptions { batch, ..options(200) };
        let waits = steady(&crowd, 30.0, holds.clone(), 600_000.0, 5);
        // An arrival finds as many more in use as batch members came before it: E[B(B−1)]/(2·E[B]) = b − 1.
        let found: f64 = (1..200).map(|servers| waits.finds_in_use(servers)).sum();
        assert!((found - (30.0 + batch - 1.0)).abs() < 0.5, "{found}");
        let alone = steady(&options(34), 30.0, holds.clone(), 200_000.0, 6);
        let together = steady(&QueueOptions { batch, ..options(34) }, 30.0, holds, 200_000.0, 6);
        assert!(together.mean() > 1.5 * alone.mean(), "{} {}", together.mean(), alone.mean());
    }

    #[test]
    fn those_without_patience_give_up() {
        let overload = QueueOptions { patience: 2.0, ..options(2) };
        let waits = steady(&overload, 4.0, HoldTimes::constant(1.0).unwrap(), 20_000.0, 7);
        // Two of four a second are served.
        assert!((waits.gave_up / waits.arrivals - 0.5).abs() < 0.02, "{waits:?}");
        assert!(waits.quantile(1.0) <= 2.1);
    }

    #[test]
    fn a_burst_makes_a_queue_that_lasts_into_the_next_step() {
        let holds = [HoldTimes::constant(1.0).unwrap()];
        let step = |seconds, rate| LoadStep { seconds, rate, holds: 0, stretch: 1.0 };
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let after = |first: LoadStep, rng: &mut ChaCha8Rng| {
            let both = simulate(&options(4), &[first, step(60.0, 1.0)], &holds, rng).unwrap();
            both.quantile(1.0)
        };
        assert!(after(step(60.0, 12.0), &mut rng) > 60.0, "some 480 of 720 are left over for four servers");
        assert!(after(step(60.0, 1.0), &mut rng) < 2.0);
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let holds = [HoldTimes::constant(1.0).unwrap()];
        let step = LoadStep { seconds: 1.0, rate: 1.0, holds: 0, stretch: 1.0 };
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut refused =
            |options: QueueOptions, step: LoadStep| simulate(&options, &[step], &holds, &mut rng).is_err();
        assert!(refused(options(0), step));
        assert!(refused(QueueOptions { batch: 0.5, ..options(1) }, step));
        assert!(refused(QueueOptions { patience: f64::NAN, ..options(1) }, step));
        assert!(refused(QueueOptions { warmup: f64::INFINITY, ..options(1) }, step));
        assert!(refused(options(1), LoadStep { rate: f64::NAN, ..step }));
        assert!(refused(options(1), LoadStep { holds: 1, ..step }));
        assert!(refused(options(1), LoadStep { stretch: 0.0, ..step }));
        assert!(!refused(options(1), step));
    }
}
