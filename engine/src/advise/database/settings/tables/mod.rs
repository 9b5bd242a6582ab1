//! Storage parameters of tables: how often they are vacuumed, and how full their pages are written.
//!
//! `vacuum` decides on autovacuum after updates and deletions, `visibility` on autovacuum after insertions, `fill_factor` on the
//! space that updates find on their page.

mod fill_factor;
mod vacuum;
mod visibility;

pub(super) use fill_factor::decide as fill_factor;
pub(super) use vacuum::decide as vacuum;
pub(super) use visibility::decide as visibility;

use super::facts::SettingsFacts;
use crate::database::Table;

/// Rows from which a fixed share of a table is many rows.
const LARGE: f64 = 1e6;

/// Returns a setting of autovacuum as it is in force for a table: its storage parameter, else the server's setting.
fn in_force(facts: &SettingsFacts, table: &Table, name: &str) -> Option<f64> {
    let own = table.options.get(name).and_then(|value| value.trim().parse().ok());
    own.or_else(|| facts.number(name))
}

/// Writes a share without needless zeros, such as `0.02`.
fn share_text(share: f64) -> String {
    format!("{share}")
}

#[cfg(test)]
mod tests;
