//! A deterministic simulator of the application in the examples, with ground truth.
//!
//! It generates weeks at one-minute steps: requests with daily and weekly seasons and growth; latencies, containers,
//! database, pool, queue, Redis and browser signals at the means and 99th percentiles of the catalogue; deploys;
//! labelled incidents; harmless bumps that are not incidents; cache events with known rates of reads and writes per
//! key. The same options give the same data, bit for bit.

mod caches;
mod catalogue;
mod incidents;
mod load;
mod options;
mod rules;
mod run;
mod signals;
mod supplies;
mod truth;
mod write;

pub use caches::{CacheModel, cache_models};
pub use catalogue::{Driver, Shape, SignalRow, catalogue};
pub use incidents::{IncidentKind, InjectedIncident};
pub use options::{OptionsError, SimulatorOptions};
pub use rules::{Alert, Bound, Objective, alerts, objectives, replay_rules_yaml, rules_yaml, signals_toml};
pub use run::{SimulatedSeries, SimulatedSignal, Simulation, simulate};
pub use truth::{CacheTruth, DeployTruth, IncidentTruth, SignalTruth, Truth, TtlTruth};
pub use write::{WriteError, write_simulation};
