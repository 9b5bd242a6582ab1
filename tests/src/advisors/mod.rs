//! The bench of advisors: each beside what its users would do otherwise, on recorded load, cache events and incidents.

mod rightsizing;
mod scaling;
mod threshold;
mod ttl;

use crate::document::{Paper, Section};

const SECTIONS: [Section; 4] = [
    Section { name: "scaling", run: scaling::run },
    Section { name: "rightsizing", run: rightsizing::run },
    Section { name: "ttl", run: ttl::run },
    Section { name: "threshold", run: threshold::run },
];

const DATA: [&str; 7] = [
    "cache_cloudphysics.parquet",
    "kpi.parquet",
    "load_alibaba2018.parquet",
    "load_bitbrains.parquet",
    "load_crane.parquet",
    "load_nasa_jul.parquet",
    "nab.parquet",
];

/// The document.
pub const PAPER: Paper = Paper {
    bench: "bench-advisors",
    file: "docs/advisors.md",
    title: "What the advisors would have done",
    preface: "Each advisor on public data that the project does not hold and on the simulator, beside what its users would do\n\
        otherwise. Decisions use nothing later than their own time; what is learned is scored on what it was not learned from.\n\
        `almanac replay scaling|rightsizing|ttl|threshold` gives the same figures on any file.",
    sections: &SECTIONS,
    data: &DATA,
};
