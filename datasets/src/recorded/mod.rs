//! Telemetry recorded from real servers, embedded in the program; `almanac demo` runs on it.
//!
//! The recording has PostgreSQL, Redis, Caddy, the exporters and a small application under a load whose day lasts ten
//! minutes, with labelled incidents and deploys. `recorder/README.md` describes how to make another one.

mod error;
mod manifest;
mod recording;

pub use error::RecordingError;
pub use manifest::{FileFacts, Manifest};
pub use recording::{RULES_YAML, Recording};
