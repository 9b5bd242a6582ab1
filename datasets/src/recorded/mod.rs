//! Telemetry recorded from real servers, embedded in the program: what `almanac demo` runs on.
//!
//! PostgreSQL, Redis, Caddy, the exporters and a small application under a load whose day lasts ten
//! minutes, with labelled incidents and deploys; `recorder/README.md` says how it was made and how to make
//! another.

mod error;
mod manifest;
mod recording;

pub use error::RecordingError;
pub use manifest::{FileFacts, Manifest};
pub use recording::{RULES_YAML, Recording};
