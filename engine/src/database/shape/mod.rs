//! The shape of a statement: which relations its blocks read, and how they restrict, join, group and order them, resolved
//! against a catalogue.

mod build;
mod expression;
mod predicate;
mod types;

pub use build::shape;
pub use types::{Amount, Block, Filter, Join, Key, Operand, OrderKey, Pattern, Relation, Role, Shape, Test, Verb};

#[cfg(test)]
mod tests;
