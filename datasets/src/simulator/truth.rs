//! Ground truth of a simulation, and the analytic results of a time-to-live.

use serde::{Deserialize, Serialize};

use super::{CacheModel, IncidentKind};

/// Ground truth of a simulation, written beside its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Seed of the run.
    pub seed: u64,
    /// First instant, epoch milliseconds.
    pub start_ms: i64,
    /// Distance of the samples, milliseconds.
    pub step_ms: i64,
    /// Number of steps of each series.
    pub steps: usize,
    /// Growth of the load per week.
    pub growth_per_week: f64,
    /// All signals.
    pub signals: Vec<SignalTruth>,
    /// All incidents, sorted by time.
    pub incidents: Vec<IncidentTruth>,
    /// All deploys, sorted by time.
    pub deploys: Vec<DeployTruth>,
    /// All caches.
    pub caches: Vec<CacheTruth>,
}

/// Ground truth of a signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalTruth {
    /// Name of the signal.
    pub signal: String,
    /// Unit of the values.
    pub unit: String,
    /// Lengths of the seasons, milliseconds, ascending; empty when there are none.
    pub seasons_ms: Vec<i64>,
}

/// Ground truth of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentTruth {
    /// Kind of the incident.
    pub kind: IncidentKind,
    /// First affected sample, epoch milliseconds.
    pub started_at_ms: i64,
    /// Last affected sample, epoch milliseconds.
    pub ended_at_ms: i64,
    /// Affected part of the application.
    pub target: String,
    /// Affected signals.
    pub signals: Vec<String>,
}

/// Deploy of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployTruth {
    /// Time of the deploy, epoch milliseconds.
    pub at_ms: i64,
    /// Deployed service.
    pub service: String,
    /// Deployed version.
    pub version: String,
}

/// Ground truth of a cache whose reads and writes are Poisson processes of constant rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheTruth {
    /// Rates of the cache.
    #[serde(flatten)]
    pub model: CacheModel,
    /// Analytic results by time-to-live.
    pub ttls: Vec<TtlTruth>,
}

/// Long-run results of a time-to-live that counts from the fill, without eviction or invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TtlTruth {
    /// Time-to-live, seconds.
    pub ttl_seconds: f64,
    /// Share of reads that are answered from the cache.
    pub hit_ratio: f64,
    /// Share of hits whose copy is older than the last write.
    pub stale_share: f64,
}

/// Times-to-live in each cache's ground truth, seconds.
pub(super) const TTL_GRID: [f64; 12] =
    [10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0];

impl CacheModel {
    /// Computes the long-run results of a time-to-live over all keys.
    ///
    /// With reads at rate λ, writes at rate μ and time-to-live T, a key's hit ratio is λT/(1+λT) and the stale share of
    /// its hits 1 − (1 − e^(−μT))/(μT).
    ///
    /// # Reference
    /// Jung, Berger & Balakrishnan (2003), "Modeling TTL-based Internet caches", INFOCOM.
    #[must_use]
    pub fn at_ttl(&self, ttl_seconds: f64) -> TtlTruth {
        let (mut reads, mut hits, mut stale) = (0.0, 0.0, 0.0);
        for (read, write) in self.rates() {
            let (filled, aged) = (read * ttl_seconds, write * ttl_seconds);
            let key_hits = read * filled / (1.0 + filled);
            // The series expansion avoids 0/0 for keys that are hardly ever written.
            let key_stale = if aged < 1e-9 { aged / 2.0 } else { 1.0 + (-aged).exp_m1() / aged };
            reads += read;
            hits += key_hits;
            stale += key_hits * key_stale;
        }
        TtlTruth {
            ttl_seconds,
            hit_ratio: if reads > 0.0 { hits / reads } else { 0.0 },
            stale_share: if hits > 0.0 { stale / hits } else { 0.0 },
        }
    }
}
