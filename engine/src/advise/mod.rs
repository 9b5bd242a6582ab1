//! Advisors. Each one fetches facts, decides on them without I/O, and returns a proposal with its evidence, a reason to
//! keep the present setting, or the data that it needs. `advisor` is the contract, `list` the advisors of this build,
//! `kit` their shared code, and `run` one round of advice over a store and its ledger.
//!
//! ```
//! use almanac_engine::advise::{AdviceSpecs, AdvisorSpec, Registry, consider, scaling::{Scaling, WorkloadSpec}};
//! use almanac_engine::store::{Store, StoreOptions};
//! use almanac_models::Timestamp;
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(&folder.path().join("almanac.duckdb"), StoreOptions::default())?;
//! let mut specs = AdviceSpecs::default();
//! specs.push::<Scaling>(WorkloadSpec::new("api", "sum(rate(http_requests_total[1m]))"));
//! let verdicts = consider(&store, &Registry::default(), &specs, Timestamp::from_millis(0));
//! // An empty store gives no advice; the verdict names what is missing.
//! assert_eq!(verdicts[0].target, "api");
//! assert!(verdicts[0].recommendation().is_none());
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advisor;
mod error;
mod list;
mod registry;
mod run;
mod specs;
mod stamps;

pub mod batch;
pub mod database;
pub mod kit;
pub mod picture;
pub mod pool;
pub mod rightsizing;
pub mod scaling;
pub mod threshold;
pub mod ttl;

pub use advisor::{Advisor, Applied, FetchError, Metric, Need, Outcome, Proposal, Report, Rollback, Setting, Sources};
pub use error::AdviseError;
pub use registry::{AnyAdvisor, Registry, Verdict, VerdictOutcome, advise_on, measure_on, read_specs};
pub use run::{PictureSet, Round, advise, consider, measure, pictures, rank, record};
pub use specs::{AdviceSpecs, AdvisorSpec, Reference};
