//! Capacity of one replica: stated, or learned from its CPU or from how its latency rises with demand. `estimate` is
//! the result, `cpu` and `latency` are the two methods, `learn` chooses between them.

mod cpu;
mod estimate;
mod latency;
mod learn;

pub use estimate::{Capacity, CapacitySource};
