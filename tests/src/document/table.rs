//! Markdown tables and the format of their numbers.

use std::fmt;

/// Markdown table: the first column is left-aligned, the others are right-aligned.
#[derive(Debug, Clone, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns a table with these columns and no rows.
    #[must_use]
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.header.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(self.header.len().saturating_sub(1)))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// Formats a number with `digits` decimals; a dash when it is missing or not finite.
#[must_use]
pub fn number(value: impl Into<Option<f64>>, digits: usize) -> String {
    match value.into() {
        Some(value) if value.is_finite() => format!("{value:.digits$}"),
        _ => "–".to_owned(),
    }
}

/// Formats a share in percent with one decimal; a dash when it is missing or not finite.
#[must_use]
pub fn percent(share: impl Into<Option<f64>>) -> String {
    number(share.into().map(|share| 100.0 * share), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_filled_up() {
        let mut table = Table::new(&["a", "b", "c"]);
        table.row([number(1.255, 1), percent(0.5)]);
        assert_eq!(table.to_string(), "| a | b | c |\n|---|---:|---:|\n| 1.3 | 50.0 |  |\n");
        assert_eq!(number(None, 2), "–");
    }
}
