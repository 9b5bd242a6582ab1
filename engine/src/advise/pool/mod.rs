//! Advice on connection pools: connections of an instance that keep the wait within its limit at the recorded load, under
//! the limit of the database over all instances.

mod advice;
mod advisor;
mod facts;
mod model;
mod spec;
mod terms;

#[cfg(test)]
mod tests;

pub use advisor::Pool;
pub use facts::{ConnectionLimit, Foreseen, HistogramSeries, Holds, Observed, PoolFacts};
pub use spec::{Amount, PoolSpec};
pub use terms::PoolTerms;
