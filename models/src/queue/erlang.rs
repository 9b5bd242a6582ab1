//! Erlang's formula: the queue M/M/c in closed form.

use super::QueueError;

/// Steady state of a queue with Poisson arrivals, exponential hold times and `c` servers in order of arrival.
///
/// ```
/// use almanac_models::queue::ErlangC;
/// // 200 requests a second hold a connection for 25 ms each: five of eight connections are in use on average.
/// let queue = ErlangC::try_new(8, 200.0, 0.025).unwrap();
/// assert!((queue.exceeds(0.010) - 0.0504).abs() < 1e-4);
/// ```
///
/// # Reference
/// Gross, Shortle, Thompson & Harris (2008), Fundamentals of Queueing Theory, §2.3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErlangC {
    /// Probability that an arrival waits.
    waits: f64,
    /// Rate of the exponential wait of those that wait, 1/s.
    rate: f64,
}

impl ErlangC {
    /// Creates the steady state for `servers`, arrivals per second and the mean hold time in seconds.
    ///
    /// # Errors
    /// [`QueueError::Parameter`] for no servers, a negative rate or hold time, and for a load of at least `servers`,
    /// which has no steady state.
    pub fn try_new(servers: u32, arrivals: f64, hold: f64) -> Result<Self, QueueError> {
        let wrong = |name, value| Err(QueueError::Parameter { name, value });
        let load = arrivals * hold;
        if !(arrivals >= 0.0 && arrivals.is_finite()) {
            return wrong("arrivals", arrivals);
        }
        if !(hold > 0.0 && hold.is_finite()) {
            return wrong("hold", hold);
        }
        let count = f64::from(servers);
        if servers == 0 || load >= count {
            return wrong("load", load);
        }
        // Erlang B by its recursion, which neither overflows nor cancels.
        let blocked = (1..=servers).fold(1.0, |blocked, n| load * blocked / (f64::from(n) + load * blocked));
        let waits = count * blocked / (count - load * (1.0 - blocked));
        Ok(Self { waits, rate: (count - load) / hold })
    }

    /// Returns the probability that an arrival waits longer than `seconds`.
    #[must_use]
    pub fn exceeds(&self, seconds: f64) -> f64 {
        self.waits * (-self.rate * seconds.max(0.0)).exp()
    }

    /// Returns the mean wait in seconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.waits / self.rate
    }

    /// Returns the quantile `p` in [0, 1) of the wait in seconds; 0 if fewer arrivals wait.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let beyond = 1.0 - p;
        if self.waits <= beyond { 0.0 } else { (self.waits / beyond).ln() / self.rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_probabilities_are_those_of_the_tables() {
        // Erlang C: Gross et al. (2008), and scipy 1.11 by the defining sum: c, load, probability of a wait.
        for (servers, load, waits) in
            [(1, 0.7, 0.7), (2, 1.6, 0.711_111_111), (10, 8.0, 0.409_180_15), (20, 18.0, 0.550_769_0)]
        {
            let queue = ErlangC::try_new(servers, load, 1.0).unwrap();
            assert!((queue.exceeds(0.0) - waits).abs() < 1e-6, "{servers} {load}: {queue:?}");
        }
    }

    #[test]
    fn the_quantile_inverts_the_tail() {
        let queue = ErlangC::try_new(10, 380.0, 0.025).unwrap();
        let wait = queue.quantile(0.95);
        assert!(wait > 0.0 && (queue.exceeds(wait) - 0.05).abs() < 1e-12);
        let idle = ErlangC::try_new(10, 40.0, 0.025).unwrap();
        assert!(idle.quantile(0.95).abs() < 1e-12 && idle.mean() < 1e-6);
        for (servers, arrivals, hold) in [(0, 1.0, 1.0), (2, 2.0, 1.0), (2, f64::NAN, 1.0), (2, 1.0, 0.0)] {
            assert!(ErlangC::try_new(servers, arrivals, hold).is_err());
        }
    }
}
