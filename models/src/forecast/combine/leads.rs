//! Groups of leads, each twice as wide as the previous one. Weights are learned per group.

/// Returns the group of `lead`; both count from 0.
pub(crate) fn group(lead: usize) -> usize {
    (lead + 1).ilog2() as usize
}

/// Returns the number of groups of `horizon` leads.
pub(crate) fn groups(horizon: usize) -> usize {
    horizon.checked_sub(1).map_or(0, |last| group(last) + 1)
}

/// Returns the leads at which quantiles are evaluated, from 0 and ascending: every lead at first, then a sixth apart,
/// the last one included. Their number grows with the logarithm of the horizon.
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
