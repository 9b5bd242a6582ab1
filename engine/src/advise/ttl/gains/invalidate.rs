//! Gain of dropping the copy at each write.

use almanac_models::ttl::OnWrite;
use serde_json::{Value, json};

use crate::advise::ttl::{
    TtlFigures,
    choose::{Choice, choose},
    figures::ttl_seconds,
    predict::Prediction,
    split::TrainTestSplit,
};

/// Figures of the cache if each write dropped the copy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Invalidation {
    /// Figures at the longest useful time-to-live of the grid. A longer one keeps more keys without more hits.
    pub figures: TtlFigures,
    /// Gain of hit ratio over the time-to-live of the comparison.
    pub hit_ratio_gained: f64,
    /// Decrease of the stale share.
    pub stale_share_avoided: f64,
}

impl Invalidation {
    /// Chooses on the first part and compares with `at`. None if writes already drop the copy or no writes are known.
    pub(super) fn of(split: &TrainTestSplit<'_>, at: &TtlFigures) -> Option<Self> {
        if split.options.on_write == OnWrite::Drop || split.traces.writes() == 0 || split.traces.gets() == 0 {
            return None;
        }
        let predictor = split.predictor(OnWrite::Drop);
        let mut grid = split.options.grid_ms.clone();
        grid.sort_unstable();
        let predicted: Vec<(i64, Prediction)> = grid.into_iter().map(|ttl| (ttl, predictor.predict(ttl))).collect();
        // No copy is stale, so hits alone decide.
        let Choice::Ttl(ttl_ms) = choose(&predicted, 1.0, None) else { return None };
        let (_, prediction) = predicted.iter().find(|(ttl, _)| *ttl == ttl_ms)?;
        let [hit_ratio, stale_share, resident_keys_mean] =
            split.test_accesses.figures(ttl_ms, prediction, OnWrite::Drop, split.test_window);
        Some(Self {
            figures: TtlFigures { ttl_ms, hit_ratio, stale_share, resident_keys_mean },
            hit_ratio_gained: hit_ratio.best_known()? - at.hit_ratio.best_known()?,
            stale_share_avoided: at.stale_share.best_known()? - stale_share.best_known().unwrap_or(0.0),
        })
    }

    pub(super) fn to_json(self) -> Value {
        json!({
            "ttl_seconds": ttl_seconds(self.figures.ttl_ms),
            "hit_ratio": self.figures.hit_ratio.to_json(),
            "stale_share": self.figures.stale_share.to_json(),
            "resident_keys_mean": self.figures.resident_keys_mean.to_json(),
            "hit_ratio_gained": self.hit_ratio_gained,
            "stale_share_avoided": self.stale_share_avoided,
        })
    }
}
