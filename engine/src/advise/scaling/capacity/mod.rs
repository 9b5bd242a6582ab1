//! What one replica serves: stated, or learned from its processor use or from how its latency rises with demand.

mod cpu;
mod latency;
mod learn;

pub use learn::{Capacity, CapacitySource};
