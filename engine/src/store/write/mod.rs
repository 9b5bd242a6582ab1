//! The writing side: batches wait in a bounded queue; one thread commits them in groups.

mod columns;
mod queue;
mod receipt;
mod recent;
mod room;
mod writer;

pub(super) use columns::{LateColumns, SampleColumns};
pub(super) use queue::Queue;
pub(super) use receipt::{Answer, receipt};
pub use receipt::{Appended, Receipt, SampleBatch};
pub(super) use recent::{Place, Recent, RecentPart, canonical};
pub(super) use room::{ROW_BYTES, check_room};
pub(super) use writer::Writer;
