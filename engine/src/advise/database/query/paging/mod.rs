//! Lists and their pages: OFFSET, counts for every page, lists without LIMIT, random order.

mod count;
mod cursor;
mod keyset;
mod limit;
mod random;

pub(super) use count::find as count_every_page;
pub(super) use keyset::find as keyset;
pub(super) use limit::find as missing_limit;
pub(super) use random::find as random_order;
