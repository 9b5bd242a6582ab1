//! Data points to samples: kinds of metrics, temporality, starts and resets, native histograms, exemplars.

mod exemplars;
mod exponential;
mod histograms;
mod map;
mod numbers;
mod streams;

pub(super) use map::{Context, Declared, map_metrics};
pub(super) use streams::{StreamChanges, StreamTable};
