//! Loaders of the public data sets that measurements use.
//!
//! The sets have their owners' licences and are not part of the project: a loader reads them from a directory given by
//! a flag or by the environment variable `ALMANAC_DATA`.

mod directory;
mod error;
mod labelled;
mod m4;
mod traces;

pub use directory::{DATA_VARIABLE, DataDirectory, PublicSeries, PublicSet};
pub use error::LoadError;
pub use labelled::{NabProfile, NabWindow, SmdSeries, Split};
pub use m4::{M4Rank, M4Series};
