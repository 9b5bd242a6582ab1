//! The measured streams with the figures that are wanted of Almanac.

use super::stream::Shape;

/// Longest restart that is wanted, seconds.
pub(super) const RESTART: f64 = 1.0;
/// Largest latency of a query that is wanted, relative to VictoriaMetrics.
pub(super) const QUERY_RATIO: f64 = 1.5;

/// A measured stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    /// Name for `--only`.
    pub(super) name: &'static str,
    /// Title of its section.
    pub(super) title: &'static str,
    /// Size of the stream.
    pub(super) shape: Shape,
    /// Size of the stream in a quick run.
    pub(super) quick: Shape,
    /// Numbers of connections. Merges and queries are measured with the first one.
    pub(super) connections: &'static [usize],
    /// Most runs of each system.
    pub(super) runs_max: usize,
    /// Whether query latencies are measured.
    pub(super) asks: bool,
    /// Wanted figures, for the first number of connections.
    pub(super) wanted: Wanted,
}

/// Wanted figures; those left out are not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Wanted {
    /// Least number of samples per second.
    pub(super) samples_per_second: Option<f64>,
    /// Most bytes per sample on disk.
    pub(super) bytes_per_sample: Option<f64>,
    /// Highest peak memory, MiB.
    pub(super) peak_mib: Option<f64>,
    /// Longest time of one raw series, seconds.
    pub(super) raw: Option<f64>,
    /// Longest time of the last values of all series, seconds.
    pub(super) last: Option<f64>,
}

const NOTHING: Wanted =
    Wanted { samples_per_second: None, bytes_per_sample: None, peak_mib: None, raw: None, last: None };

/// All streams, in the order of the sections.
pub(super) const PROFILES: [Profile; 4] = [
    Profile {
        name: "a",
        title: "A: a small fleet, four hours",
        shape: Shape::new(4_000, 1_440, 2_000),
        quick: Shape::new(500, 360, 500),
        connections: &[2, 16],
        runs_max: usize::MAX,
        asks: true,
        wanted: Wanted { samples_per_second: Some(1.2e6), bytes_per_sample: Some(2.2), ..NOTHING },
    },
    Profile {
        name: "b",
        title: "B: many series, four minutes",
        shape: Shape::new(100_000, 24, 5_000),
        quick: Shape::new(5_000, 24, 500),
        connections: &[2, 16],
        runs_max: usize::MAX,
        asks: true,
        wanted: Wanted { last: Some(0.060), ..NOTHING },
    },
    Profile {
        name: "day",
        title: "A whole day",
        shape: Shape::new(2_000, 8_640, 2_000),
        quick: Shape::new(20, 8_640, 500),
        connections: &[2],
        runs_max: usize::MAX,
        asks: true,
        wanted: Wanted { bytes_per_sample: Some(1.76), raw: Some(0.001), ..NOTHING },
    },
    Profile {
        name: "million",
        title: "C: a million series",
        shape: Shape::new(1_000_000, 3, 5_000),
        quick: Shape::new(20_000, 3, 500),
        connections: &[2],
        runs_max: 1,
        asks: false,
        wanted: Wanted { samples_per_second: Some(500_000.0), peak_mib: Some(600.0), ..NOTHING },
    },
];
