//! Dropping the copy at each write.

use almanac_models::ttl::OnWrite;
use serde_json::{Value, json};

use crate::advise::ttl::{
    TtlFigures,
    choose::{Choice, choose},
    figures::ttl_seconds,
    predict::Prediction,
    replay::TrainTestSplit,
};

/// What the cache would do if each write dropped the copy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Invalidation {
    /// Figures at the longest time-to-live of the grid that is of use then: a longer one keeps keys without hitting more.
    pub figures: TtlFigures,
    /// Hit ratio more than at the time-to-live that it is held against.
    pub hit_ratio_gained: f64,
    /// Stale share less.
    pub stale_share_avoided: f64,
}

impl Invalidation {
    /// Chosen on the first part; beside `at`, the figures without it. None where writes drop the copy already or none are known.
    pub(super) fn of(parts: &TrainTestSplit<'_>, at: &TtlFigures) -> Option<Self> {
        if parts.options.on_write == OnWrite::Drop || parts.traces.writes() == 0 || parts.traces.gets() == 0 {
            return None;
        }
        let predictor = parts.predictor(OnWrite::Drop);
        let mut grid = parts.options.grid_ms.clone();
        grid.sort_unstable();
        let predicted: Vec<(i64, Prediction)> = grid.into_iter().map(|ttl| (ttl, predictor.predict(ttl))).collect();
        // Nothing is stale, so the hits alone decide.
        let Choice::Ttl(ttl_ms) = choose(&predicted, 1.0, None) else { return None };
        let (_, prediction) = predicted.iter().find(|(ttl, _)| *ttl == ttl_ms)?;
        let [hit_ratio, stale_share, resident_keys_mean] =
            parts.replayed.figures(ttl_ms, prediction, OnWrite::Drop, parts.second);
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
