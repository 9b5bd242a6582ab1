use serde::{Deserialize, Serialize};

use super::{CacheModel, IncidentKind};

/// What is true of a simulation, written beside its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Seed of the run.
    pub seed: u64,
    /// First instant, epoch milliseconds.
    pub start_ms: i64,
    /// Distance of the samples, milliseconds.
    pub step_ms: i64,
    /// Steps of each series.
    pub steps: usize,
    /// Growth of the load a week.
    pub growth_per_week: f64,
    /// Every signal.
    pub signals: Vec<SignalTruth>,
    /// Every incident, by time.
    pub incidents: Vec<IncidentTruth>,
    /// Every deploy, by time.
    pub deploys: Vec<DeployTruth>,
    /// Every cache.
    pub caches: Vec<CacheTruth>,
}

/// What is true of a signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalTruth {
    /// Its name.
    pub signal: String,
    /// Unit of its values.
    pub unit: String,
    /// Lengths of its seasons, milliseconds, ascending; empty when it has none.
    pub seasons_ms: Vec<i64>,
}

/// What is true of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentTruth {
    /// What happens.
    pub kind: IncidentKind,
    /// First sample that it touches, epoch milliseconds.
    pub started_at_ms: i64,
    /// Last sample that it touches, epoch milliseconds.
    pub ended_at_ms: i64,
    /// The part of the application concerned.
    pub target: String,
    /// The signals that it moves.
    pub signals: Vec<String>,
}

/// A deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployTruth {
    /// When, epoch milliseconds.
    pub at_ms: i64,
    /// The service.
    pub service: String,
    /// The version.
    pub version: String,
}

/// What is true of a cache whose reads and writes are Poisson processes of constant rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheTruth {
    /// The rates.
    #[serde(flatten)]
    pub model: CacheModel,
    /// Analytic results by time-to-live.
    pub ttls: Vec<TtlTruth>,
}

/// Long-run results of a time-to-live that counts from the fill, without eviction or invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TtlTruth {
    /// The time-to-live, seconds.
    pub ttl_seconds: f64,
    /// Share of reads that find a copy.
    pub hit_ratio: f64,
    /// Share of hits whose copy is older than the last write.
    pub stale_share: f64,
}

/// Times-to-live that every cache's truth lists, seconds.
pub(super) const TTL_GRID: [f64; 12] =
    [10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0];

impl CacheModel {
    /// The long-run results of a time-to-live, summed over the keys.
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
