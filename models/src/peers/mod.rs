//! Outliers among peers: instances that should be alike, and one that is not.

mod detect;

pub use detect::{PeerDetector, PeerError, PeerScores};
