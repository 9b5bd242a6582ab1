//! Chooses default signals: the most informative series of the store that no configured signal reads already.

mod candidates;
mod covered;

pub use candidates::default_signals;
pub(super) use covered::without_covered;
