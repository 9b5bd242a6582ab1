//! The write path: a bounded queue of batches, and one thread that commits them in groups.

mod columns;
mod disk_space;
mod histograms;
mod insert;
mod load;
mod queue;
mod receipt;
mod recent;
mod writer;

pub(super) use columns::{LateColumns, SampleColumns};
pub(super) use disk_space::{ROW_BYTES, check_disk_space, free_space};
pub use histograms::HistogramSample;
pub(super) use histograms::RecentHistograms;
pub(super) use queue::Queue;
pub use receipt::{Appended, Receipt, SampleBatch};
pub(super) use receipt::{ReceiptSender, receipt};
pub(super) use recent::{Destination, RecentPart, RecentSamples, canonical};
pub(super) use writer::Writer;
