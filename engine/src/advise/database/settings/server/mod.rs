//! Settings of the server beside its memory: connections, and the planner's cost of a page.

mod connections;
mod page_cost;

pub(super) use connections::decide as connections;
pub(super) use page_cost::decide as page_cost;

#[cfg(test)]
mod tests;
