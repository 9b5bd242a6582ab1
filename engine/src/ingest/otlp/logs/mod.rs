//! Log records to counts by service, severity and template. Records are not stored.

mod count;
mod mask;
mod miner;

pub(super) use count::{COUNTER, count_records};
pub(super) use miner::Miner;
