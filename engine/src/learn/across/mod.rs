//! Several signals compared: incidents made of their anomalies, instances that differ from their peers, and which of two
//! moves first.

mod correlations;
mod incidents;
mod peers;

pub(super) use correlations::correlate;
pub(super) use incidents::group_incidents;
pub(super) use peers::compare_peers;
