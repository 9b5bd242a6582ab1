//! One part of the document each: what is measured, and its tables.

mod anomalies;
mod kpi;
mod loads;
mod m4;
mod nab;
mod settings;
mod simulated;
mod smd;
mod speed;

use std::error::Error;

pub use settings::Settings;

/// A part of the document.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The name by which `--only` chooses it.
    pub name: &'static str,
    /// Measures, and says what was found.
    pub run: fn(&Settings) -> Result<String, Box<dyn Error>>,
}

/// All parts, in their order.
pub const SECTIONS: [Section; 7] = [
    Section { name: "m4", run: m4::run },
    Section { name: "loads", run: loads::run },
    Section { name: "kpi", run: kpi::run },
    Section { name: "nab", run: nab::run },
    Section { name: "smd", run: smd::run },
    Section { name: "simulator", run: simulated::run },
    Section { name: "speed", run: speed::run },
];
