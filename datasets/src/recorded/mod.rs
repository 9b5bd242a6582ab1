//! Telemetry recorded from real servers, embedded in the program; `almanac demo` runs on it.
//!
//! The recording has PostgreSQL, Redis, Caddy, the exporters and a small application under a load whose day lasts ten
//! minutes, with labelled incidents and deploys. `recorder/README.md` describes how to make another one.
//!
//! A second recording has what a service stored of the example application in `datasets/app` and of its database, with
//! planted faults. `docs/example-application.md` describes how to make another one.

mod application;
mod error;
mod manifest;
mod parquet;
mod recording;

pub use application::{ApplicationManifest, ApplicationRecording, RecordedPool};
pub use error::RecordingError;
pub use manifest::{FileFacts, Manifest};
pub use recording::{RULES_YAML, Recording};
