//! Measures anomaly detection on the service KPIs of the AIOps challenge 2018.

use crate::document::{Settings, Table, number};
use std::error::Error;

use almanac_datasets::loaders::PublicSet;

use super::anomalies::{self, Labelled, Outcome};

/// Name of the set in TSB-AD's table.
const THEIRS: &str = "IOPS (KPI)";

/// Measures both detectors on the second half of each KPI.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let series = settings.subset(settings.data()?.series(PublicSet::Kpi)?);
    let names: Vec<String> = series.iter().map(|one| one.name.clone()).collect();
    let labelled: Vec<Labelled> = series
        .into_iter()
        .map(|one| Labelled {
            scored_from: one.values.len() / 2,
            labels: one.incident.unwrap_or_default(),
            timestamps: one.timestamps,
            values: one.values,
        })
        .collect();
    let outcomes = anomalies::detect("kpi", &labelled, settings.threads);
    Ok(format!(
        "## Anomalies: service KPIs (AIOps challenge 2018)\n\n\
         {} of 29 series, scored on their second half; the causal detector learns online from the first row. VUS-PR as TSB-AD\n\
         defines it (window from the autocorrelation of the whole series, 250 thresholds), mean over series.\n\n\
         {}\n{}\n{}\n\
         Source: TSB-AD benchmark results (Liu & Paparrizos 2024), mean over 15 cut-down series of the same challenge.\n",
        names.len(),
        anomalies::table(&outcomes),
        each_series(&names, &outcomes),
        published(settings, THEIRS)?,
    ))
}

fn each_series(names: &[String], outcomes: &[Outcome]) -> Table {
    let header: Vec<&str> = ["VUS-PR by series"].into_iter().chain(outcomes.iter().map(|o| o.name)).collect();
    let mut table = Table::new(&header);
    for (idx, name) in names.iter().enumerate() {
        let short: String = name.chars().take(8).collect();
        table.row([short].into_iter().chain(outcomes.iter().map(|outcome| number(outcome.volumes[idx], 4))));
    }
    table
}

/// Returns the means that TSB-AD publishes for one of its sets.
pub(super) fn published(settings: &Settings, set: &str) -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new(&[&format!("published, {set}"), "VUS-PR"]);
    for (method, volume) in settings.tsb_ad(set)? {
        table.row([method, number(volume, 4)]);
    }
    Ok(table)
}
