//! Samples of a catalogue: sizes of tables and indexes.

use super::series::Samples;
use crate::{database::Catalogue, series::Labels};

/// Tables and indexes with samples of their sizes.
const OBJECTS_MAX: usize = 10_000;

/// Returns the sizes of tables and indexes, the largest first.
#[must_use]
pub fn catalogue_samples(database: &str, catalogue: &Catalogue) -> Vec<(Labels, f64)> {
    let mut samples = Samples::new(database);
    let mut sizes: Vec<(f64, String, Option<String>)> = Vec::new();
    for table in &catalogue.tables {
        sizes.extend(table.bytes.map(|bytes| (bytes, table.key(), None)));
        let of_index = |index: &crate::database::Index| {
            Some((index.bytes?, table.key(), Some(format!("{}.{}", table.schema, index.name))))
        };
        sizes.extend(table.indexes.iter().filter_map(of_index));
    }
    sizes.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (&a.1, &a.2).cmp(&(&b.1, &b.2))));
    for (bytes, table, index) in sizes.into_iter().take(OBJECTS_MAX) {
        match index {
            Some(index) => samples.add("pg_index_bytes", &[("table", &table), ("index", &index)], bytes),
            None => samples.add("pg_table_bytes", &[("table", &table)], bytes),
        }
    }
    samples.finish()
}
