//! Which of the store's own series become signals: the most informative ones that no configured signal reads already.

mod candidates;
mod covered;

pub use candidates::default_signals;
pub(super) use covered::without_covered;
