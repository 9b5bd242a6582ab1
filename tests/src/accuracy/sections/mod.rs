//! The sections of `docs/measured/accuracy.md`, one file each.

mod absences;
mod anomalies;
mod counts_forecast;
mod kpi;
mod level_shift;
mod loads;
mod m4;
mod nab;
mod recurring_forecast;
mod simulated;
mod smd;
mod speed;
mod synthetic;

use crate::document::{Paper, Section};

const SECTIONS: [Section; 11] = [
    Section { name: "m4", run: m4::run },
    Section { name: "loads", run: loads::run },
    Section { name: "counts_forecast", run: counts_forecast::run },
    Section { name: "recurring_forecast", run: recurring_forecast::run },
    Section { name: "level_shift", run: level_shift::run },
    Section { name: "kpi", run: kpi::run },
    Section { name: "nab", run: nab::run },
    Section { name: "smd", run: smd::run },
    Section { name: "absences", run: absences::run },
    Section { name: "simulator", run: simulated::run },
    Section { name: "speed", run: speed::run },
];

const DATA: [&str; 13] = [
    "kpi.parquet",
    "load_alibaba2018.parquet",
    "load_bitbrains.parquet",
    "load_crane.parquet",
    "load_nasa_jul.parquet",
    "m4_hourly_ranks.csv",
    "m4_hourly_test.parquet",
    "m4_hourly_train.parquet",
    "nab.parquet",
    "nab_profiles.json",
    "nab_windows.json",
    "smd.parquet",
    "tsbad_u_kpi_vuspr.csv",
];

/// Definition of `docs/measured/accuracy.md`.
pub const PAPER: Paper = Paper {
    bench: "bench-accuracy",
    file: "docs/measured/accuracy.md",
    title: "Accuracy and its cost",
    preface: "Every model on public data that the project does not hold, scored as others score, beside what they have published.\n\
        Costs are processor time. Published figures are over the whole sets where ours are over the part at hand, as each table\n\
        says; none was measured here unless it says so.\n\n\
        An incident is a maximal run of labelled rows, an alarm a run of rows scored above 1, joined where less than 10 minutes or\n\
        two steps apart, whichever is more. Recall counts incidents with an alarmed row, precision alarms with a row in an\n\
        incident; false alarms are the other alarms, a week of one series; delay is from an incident's first row to its first\n\
        alarmed row, median over those found. Nothing is point-adjusted.",
    sections: &SECTIONS,
    data: &DATA,
};
