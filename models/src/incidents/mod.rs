//! Groups anomalies of several signals into incidents, and estimates which signal departed first.

mod episode;
mod first_mover;
mod group;

pub use episode::{Episode, SignalScores};
pub use group::{Incident, IncidentGrouper};
