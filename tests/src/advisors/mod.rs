//! The bench of advisors: each advisor beside its usual alternatives, on recorded load, cache events and incidents.

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

/// Definition of `docs/measured/advisors.md`.
pub const PAPER: Paper = Paper {
    bench: "bench-advisors",
    file: "docs/measured/advisors.md",
    title: "What the advisors would have done",
    preface: "Each advisor on public data that is not part of the project and on the simulator, beside the usual alternatives.\n\
        A decision uses no data later than its own time; a rule is scored on data from which it was not learned.\n\
        `almanac replay scaling|rightsizing|ttl|threshold` computes the same figures for any file.",
    sections: &SECTIONS,
    data: &DATA,
};
