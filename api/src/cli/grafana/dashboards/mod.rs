//! The dashboards of an application as classic JSON (schema version 1), generic by variables.

mod api;
mod board;
mod experience;
mod learned;
mod panel;
mod query;
mod system;
mod variable;

use super::files::File;

/// Returns a file for each dashboard.
pub(super) fn files() -> Vec<File> {
    [("api", api::board()), ("experience", experience::board()), ("system", system::board())]
        .into_iter()
        .map(|(name, board)| File { path: format!("dashboards/almanac/{name}.json"), text: board.text() })
        .collect()
}
