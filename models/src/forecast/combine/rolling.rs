//! Forecasts of each base model from rolling origins at the end of a history. Each fit uses only values before its
//! origins.

use super::{Ensemble, MemberSelection, Periods, RefitMode, TransformedHistories};
use crate::forecast::prepare::Support;

/// Forecasts of all members from one origin.
#[derive(Debug, Clone)]
pub(crate) struct OriginForecasts {
    /// Number of values before the first forecast.
    pub at: usize,
    /// One course per member.
    pub courses: Vec<Vec<f64>>,
}

/// Number and span of the origins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginLayout {
    /// Steps forecast from each origin.
    pub horizon: usize,
    /// Number of fits; each serves several origins.
    pub refits: usize,
    /// Maximum number of origins.
    pub origins: usize,
    /// Steps that origins and their forecasts should span, if the history allows.
    pub span: usize,
}

/// Returns the origins in a history of `n` values. They and their forecasts span the maximum of two of the longest
/// season, four horizons and the layout's span, at most 45 % of the history. Empty when the history is too short.
pub(crate) fn origins(n: usize, longest: usize, layout: OriginLayout) -> Vec<usize> {
    let least = (longest + longest / 4).max(8);
    let span = (2 * longest).max(4 * layout.horizon).max(layout.span).min(n * 45 / 100);
    let span = span.max(layout.horizon + 1);
    if n < least + span || span <= layout.horizon {
        return Vec::new();
    }
    let room = span - layout.horizon;
    let count = layout.origins.min(room + 1).max(1);
    let mut at: Vec<usize> =
        (0..count).map(|i| n - layout.horizon - room + i * room / count.saturating_sub(1).max(1)).collect();
    at.dedup();
    at
}

/// Forecasts from each origin with models refitted `layout.refits` times on the values before. Returns the forecasts
/// and the last fit.
pub(crate) fn roll(
    histories: &TransformedHistories,
    at: &[usize],
    periods: Periods,
    layout: OriginLayout,
    support: Support,
) -> (Vec<OriginForecasts>, Option<Ensemble>) {
    let per_fit = at.len().div_ceil(layout.refits.max(1)).max(1);
    let mut out = Vec::with_capacity(at.len());
    let mut before: Option<Ensemble> = None;
    for block in at.chunks(per_fit) {
        // Only the first fit searches smoothing weights; later ones keep them.
        let known = before.as_ref().map(|ensemble| (ensemble, RefitMode::Keep));
        let ensemble =
            Ensemble::fit(histories, block[0], periods, layout.horizon, support, MemberSelection::Full, known);
        for &origin in block {
            out.push(OriginForecasts { at: origin, courses: ensemble.forecasts(histories, origin, layout.horizon) });
        }
        before = Some(ensemble);
    }
    (out, before)
}
