//! What each base model missed from rolling origins at the end of a history, each fitted without what it foretold.

use super::{Again, Ensemble, Members, Periods, Views};
use crate::forecast::prepare::Support;

/// Forecasts from one origin beside what came.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Steps of history before the first forecast.
    pub at: usize,
    /// One course a member.
    pub courses: Vec<Vec<f64>>,
}

/// How origins are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub horizon: usize,
    pub refits: usize,
    pub origins: usize,
    /// Steps that origins and what they foretell should span, if there are so many.
    pub span: usize,
}

/// Where origins lie in a history of `n` values: the last part of it, two of the longest season, four horizons or what
/// the layout asks for, whichever is most, and never more than 45 % of the history. Empty when it is too short.
pub(crate) fn origins(n: usize, longest: usize, layout: Layout) -> Vec<usize> {
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

/// Forecasts from each origin, models refitted `layout.refits` times on what lay before; the last of these fits.
pub(crate) fn roll(
    views: &Views,
    at: &[usize],
    periods: Periods,
    layout: Layout,
    support: Support,
) -> (Vec<Origin>, Option<Ensemble>) {
    let per_fit = at.len().div_ceil(layout.refits.max(1)).max(1);
    let mut out = Vec::with_capacity(at.len());
    let mut before: Option<Ensemble> = None;
    for block in at.chunks(per_fit) {
        let known = before.as_ref().map(|ensemble| (ensemble, Again::Keep));
        let ensemble = Ensemble::fit(views, block[0], periods, layout.horizon, support, Members::Full, known);
        for &origin in block {
            out.push(Origin { at: origin, courses: ensemble.forecasts(views, origin, layout.horizon) });
        }
        before = Some(ensemble);
    }
    (out, before)
}
