//! Decodes OTLP messages from protobuf and JSON, after estimating the memory that the decoded message takes.

mod body;
mod size;

pub(super) use body::decode;
pub use body::{Encoding, Signal};
pub use size::memory_needed;
