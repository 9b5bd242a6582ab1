//! What several signals say together: incidents made of their anomalies, and instances that differ from their peers.

mod incidents;
mod peers;

pub(super) use incidents::group_incidents;
pub(super) use peers::compare_peers;
