//! Detects outliers among peers: instances of one workload whose series should be alike.

mod detect;

pub use detect::{PeerDetector, PeerError, PeerScores};
