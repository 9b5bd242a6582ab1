//! Compares several signals: groups their anomalies into incidents, finds instances that differ from their peers, and
//! computes lagged correlations. The scheduler calls it after each cycle of fits.

mod correlations;
mod incidents;
mod peers;

pub(super) use correlations::correlate;
pub(super) use incidents::group_incidents;
pub(super) use peers::compare_peers;
