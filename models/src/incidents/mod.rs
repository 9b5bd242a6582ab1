//! Incidents: anomalies that belong together, across signals, and the signal that moved first.

mod episode;
mod first_mover;
mod group;

pub use episode::{Episode, SignalScores};
pub use group::{Incident, IncidentGrouper};
