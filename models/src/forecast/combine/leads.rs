//! Leads in groups, each twice as wide as the one before: what neighbouring leads missed is learned together.

/// The group of `lead`, counted from 0.
pub(crate) fn group(lead: usize) -> usize {
    (lead + 1).ilog2() as usize
}

/// Groups that `horizon` leads fall into.
pub(crate) fn groups(horizon: usize) -> usize {
    horizon.checked_sub(1).map_or(0, |last| group(last) + 1)
}

/// Leads, counted from 0 and ascending, at which much is measured: each at first, then a sixth apart, the last one
/// included. At most about 40 however long the horizon.
pub(crate) fn anchors(horizon: usize) -> Vec<usize> {
    let mut out = Vec::new();
    let mut lead = 0;
    while lead + 1 < horizon {
        out.push(lead);
        lead += (lead / 5).max(1);
    }
    if horizon > 0 {
        out.push(horizon - 1);
    }
    out
}
