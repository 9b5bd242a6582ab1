//! Closed formulas for one key with Poisson reads and writes.

/// One key read and written as two independent Poisson processes, in a cache without eviction whose
/// copies age from their fill.
///
/// ```
/// use almanac_models::ttl::PoissonKey;
/// let key = PoissonKey { reads_per_s: 1.0, writes_per_s: 0.001 };
/// assert!((key.hit_ratio(99.0) - 0.99).abs() < 1e-12);
/// assert!((key.stale_share(20.0) - 0.01).abs() < 1e-4);
/// ```
///
/// # Reference
/// Jung, Berger & Balakrishnan (2003), "Modeling TTL-based Internet caches", INFOCOM; Mao et al.
/// (2024), arXiv 2412.20221, for updates against invalidation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoissonKey {
    /// Reads per second, λ ≥ 0.
    pub reads_per_s: f64,
    /// Writes at the origin per second, μ ≥ 0.
    pub writes_per_s: f64,
}

impl PoissonKey {
    /// Long-run share of reads that hit at a time-to-live of `ttl_s` seconds ≥ 0: λT/(1+λT).
    #[must_use]
    pub fn hit_ratio(&self, ttl_s: f64) -> f64 {
        let reads = self.reads_per_s * ttl_s;
        reads / (1.0 + reads)
    }

    /// Long-run share of hits that return an overwritten value: 1 − (1 − e^{−μT})/(μT).
    #[must_use]
    pub fn stale_share(&self, ttl_s: f64) -> f64 {
        let writes = self.writes_per_s * ttl_s;
        // Below 1e-5 the closed form loses digits by cancellation; the next term of the series is relatively below
        // 1e-11.
        if writes < 1e-5 { writes / 2.0 - writes * writes / 6.0 } else { 1.0 + (-writes).exp_m1() / writes }
    }

    /// Hit ratio when each write drops the copy: λE/(1+λE) with E = (1 − e^{−μT})/μ, the mean time
    /// that a copy lives.
    #[must_use]
    pub fn hit_ratio_invalidated(&self, ttl_s: f64) -> f64 {
        let writes = self.writes_per_s * ttl_s;
        let life_s = if writes < 1e-12 { ttl_s } else { -(-writes).exp_m1() / self.writes_per_s };
        let reads = self.reads_per_s * life_s;
        reads / (1.0 + reads)
    }

    /// Supremum of the hit ratio over all times-to-live when each write drops the copy: λ/(λ+μ); 0 for a key never
    /// read.
    #[must_use]
    pub fn hit_ratio_ceiling(&self) -> f64 {
        if self.reads_per_s > 0.0 { self.reads_per_s / (self.reads_per_s + self.writes_per_s) } else { 0.0 }
    }

    /// Share of the time during which a copy lives: a cycle is T seconds with a copy, then a mean wait of 1/λ without.
    #[must_use]
    pub fn resident_share(&self, ttl_s: f64) -> f64 {
        self.hit_ratio(ttl_s)
    }

    /// Cost per second at `ttl_s`: misses at `miss_cost` each, stale hits at `stale_cost` each.
    #[must_use]
    pub fn cost_per_s(&self, ttl_s: f64, miss_cost: f64, stale_cost: f64) -> f64 {
        let hit = self.hit_ratio(ttl_s);
        self.reads_per_s * ((1.0 - hit) * miss_cost + hit * self.stale_share(ttl_s) * stale_cost)
    }

    /// Time-to-live of least cost in seconds where μT ≪ 1 ≪ λT: √(2·c_miss/(c_stale·λ·μ)); infinite
    /// for a key never written.
    #[must_use]
    pub fn cheapest_ttl_s(&self, miss_cost: f64, stale_cost: f64) -> f64 {
        (2.0 * miss_cost / (stale_cost * self.reads_per_s * self.writes_per_s)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Access, KeyEvent, OnWrite, Window, replay};
    use super::*;
    use rand::{Rng, SeedableRng};

    /// Simulates reads and writes of one key with exponential gaps; stamps in milliseconds.
    fn simulate(key: PoissonKey, seconds: f64, seed: u64) -> Vec<KeyEvent> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let (mut events, mut at_s) = (Vec::new(), 0.0);
        let rate = key.reads_per_s + key.writes_per_s;
        loop {
            at_s -= (1.0 - rng.random::<f64>()).ln() / rate;
            if at_s >= seconds {
                return events;
            }
            let access = if rng.random::<f64>() * rate < key.reads_per_s { Access::Get } else { Access::Write };
            #[expect(clippy::cast_possible_truncation, reason = "seconds are small")]
            events.push(KeyEvent { at_ms: (at_s * 1e3) as i64, access });
        }
    }

    /// Tolerances are several standard errors of the simulation.
    #[test]
    fn formulas_agree_with_simulation() {
        let key = PoissonKey { reads_per_s: 2.0, writes_per_s: 0.02 };
        let events = simulate(key, 1_000_000.0, 7);
        let window = Window { start_ms: 0, end_ms: 1_000_000_000 };
        for ttl_s in [1.0, 5.0, 20.0, 60.0] {
            #[expect(clippy::cast_possible_truncation, reason = "small whole seconds")]
            let ttl_ms = (ttl_s * 1e3) as i64;
            let plain = replay(&events, ttl_ms, OnWrite::Keep, window);
            let dropped = replay(&events, ttl_ms, OnWrite::Drop, window);
            assert!((plain.hit_ratio().unwrap() - key.hit_ratio(ttl_s)).abs() < 0.003, "{ttl_s}");
            assert!((plain.stale_share().unwrap() - key.stale_share(ttl_s)).abs() < 0.012, "{ttl_s} {plain:?}");
            assert!((dropped.hit_ratio().unwrap() - key.hit_ratio_invalidated(ttl_s)).abs() < 0.003, "{ttl_s}");
            assert!(dropped.hit_ratio().unwrap() < key.hit_ratio_ceiling() + 0.003);
            assert!((plain.resident_ms / 1e9 - key.resident_share(ttl_s)).abs() < 0.003, "{ttl_s}");
        }
    }

    #[test]
    fn cheapest_ttl_has_the_least_cost_nearby() {
        let key = PoissonKey { reads_per_s: 20.0, writes_per_s: 1e-4 };
        let best = key.cheapest_ttl_s(1.0, 1.0);
        assert!((best - (2.0_f64 / 2e-3).sqrt()).abs() < 1e-9);
        let cost = |ttl_s: f64| key.cost_per_s(ttl_s, 1.0, 1.0);
        assert!(cost(best) < cost(best * 0.8) && cost(best) < cost(best * 1.25));
        assert!(PoissonKey { reads_per_s: 1.0, writes_per_s: 0.0 }.cheapest_ttl_s(1.0, 1.0).is_infinite());
    }

    #[test]
    fn small_rates_keep_their_digits() {
        let key = PoissonKey { reads_per_s: 1.0, writes_per_s: 1e-9 };
        // 50-digit value of 1 − (1 − e^{−x})/x at x = 1e-7, from the series x/2 − x²/6.
        assert!((key.stale_share(100.0) - 4.999_999_833_333_337_5e-8).abs() < 1e-20);
        assert!((key.hit_ratio_invalidated(100.0) - key.hit_ratio(100.0)).abs() < 1e-8);
        assert!(key.stale_share(0.0).abs() < 1e-300);
    }
}
