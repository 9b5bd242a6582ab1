//! Measures anomaly detection on the Server Machine Dataset.

use std::error::Error;

use super::anomalies::{self, Labelled};
use crate::accuracy::published::SMD;
use crate::document::{Settings, Table, number};

/// Measures both detectors on the test half of each metric.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let series = settings.subset(settings.data()?.smd()?);
    let labelled: Vec<Labelled> = series
        .into_iter()
        .map(|one| Labelled {
            scored_from: one.n_train,
            labels: one.series.incident.unwrap_or_default(),
            timestamps: one.series.timestamps,
            values: one.series.values,
        })
        .collect();
    let outcomes = anomalies::detect("smd", &labelled, settings.threads);
    let mut theirs = Table::new(&["published", "VUS-PR"]);
    for method in SMD {
        theirs.row([method.method.to_owned(), number(method.figures[0], 3)]);
    }
    Ok(format!(
        "## Anomalies: Server Machine Dataset\n\n\
         {} metrics of two machines, each by itself, scored on the test half; the causal detector learns online from the first\n\
         row of the training half. The labels say that the machine was anomalous, not that the metric was, so no detector of single\n\
         metrics can find them all.\n\n{}\n{theirs}\n\
         Source: TSB-AD benchmark results (Liu & Paparrizos 2024), over other cuts of all machines.\n",
        labelled.len(),
        anomalies::table(&outcomes),
    ))
}
