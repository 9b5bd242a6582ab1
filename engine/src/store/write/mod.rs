//! The writing side: batches wait in a bounded queue; one thread commits them in groups.

mod receipt;

pub(super) use receipt::{Answer, receipt};
pub use receipt::{Appended, Receipt, SampleBatch};
