//! Text of the cards: tables, wrapped paragraphs, numbers.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use serde_json::Value;

use crate::grouped;

/// Width of the text, in characters.
const WIDTH: u16 = 100;
/// Table preset of comfy-table: a line under the header, no other lines.
const PRESET: &str = "     ──            ";
/// Width of the labels of [`labelled`], in characters.
const LABEL: usize = 12;
/// Smallest time that a prediction of waits distinguishes, in seconds.
pub(super) const LEAST_WAIT: f64 = 1e-5;
/// Text for a wait below [`LEAST_WAIT`].
pub(super) const BELOW_LEAST_WAIT: &str = "less than 0.01 ms";

/// Builds a table with the first column left-aligned and the others right-aligned.
pub(in crate::cli::demo) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(PRESET).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().enumerate().map(|(idx, text)| aligned(idx, text)));
    for row in rows {
        table.add_row(row.iter().enumerate().map(|(idx, text)| aligned(idx, text)));
    }
    table
}

fn aligned(column: usize, text: &str) -> Cell {
    Cell::new(text).set_alignment(if column == 0 { CellAlignment::Left } else { CellAlignment::Right })
}

/// Formats a number with about three digits.
pub(in crate::cli::demo) fn number(value: f64) -> String {
    let magnitude = value.abs();
    let digits = if !(1e-12..100.0).contains(&magnitude) {
        0
    } else if magnitude >= 10.0 {
        1
    } else if magnitude >= 0.1 {
        2
    } else {
        4
    };
    format!("{value:.digits$}")
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

pub(super) fn percent(share: &Value) -> String {
    share.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", share * 100.0))
}

pub(super) fn percent_digits(share: &Value) -> String {
    share.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.2}", share * 100.0))
}

/// Formats seconds as a time of a statement or of a wait: `0.23 ms`, `330 ms`, `1.20 s`.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds <= 0.0 => "0 ms".to_owned(),
        seconds if seconds >= 1.0 => format!("{} s", number(seconds)),
        seconds if seconds >= 1e-5 => format!("{} ms", number(1e3 * seconds)),
        seconds => format!("{} µs", number(1e6 * seconds)),
    }
}

/// Formats a count of a day: `1,411,733`.
pub(in crate::cli::demo) fn count(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, which is not negative")]
    let count = value.max(0.0).round() as u64;
    grouped(count)
}

/// Puts a statement on one line of at most `length` characters.
pub(super) fn statement(text: &str, length: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words,
    }
}

/// Prints text wrapped at [`WIDTH`] and indented by two.
pub(in crate::cli::demo) fn paragraph(out: &mut impl Write, text: &str) -> io::Result<()> {
    wrapped(text, usize::from(WIDTH) - 2).iter().try_for_each(|line| writeln!(out, "  {line}"))
}

/// Returns lines with a label before the first one: `before      SELECT …`. Empty without a text.
pub(super) fn labelled(label: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let lines = wrapped(text, usize::from(WIDTH) - LABEL - 2);
    let lines = lines.iter().enumerate().map(|(idx, line)| {
        let label = if idx == 0 { label } else { "" };
        format!("  {label:<LABEL$}{line}\n")
    });
    lines.collect()
}

/// Breaks text between words into lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    // No line break between a number and its percent sign.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" %", "\u{a0}%");
    let mut lines = vec![String::new()];
    for word in text.split(' ').map(|word| word.replace('\u{a0}', " ")) {
        if let Some(line) =
            lines.last_mut().filter(|line| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width)
        {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        let mut out = Vec::new();
        paragraph(&mut out, &"word ".repeat(30)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert_eq!(text.split_whitespace().count(), 30);
    }

    #[test]
    fn numbers_keep_three_digits() {
        let texts = [1234.51, 12.34, 1.234, 0.0123, 0.0].map(number);
        assert_eq!(texts, ["1235", "12.3", "1.23", "0.0123", "0"]);
        assert_eq!([1.5, 0.33, 0.00023, 2e-6].map(duration), ["1.50 s", "330 ms", "0.23 ms", "2.00 µs"]);
        assert_eq!([0.0, 999.4, 1_411_733.3].map(count), ["0", "999", "1,411,733"]);
    }

    #[test]
    fn labelled_lines_are_indented_alike() {
        let text = labelled("before", &"word ".repeat(30));
        assert!(text.starts_with("  before      word word"), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("              word")), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert_eq!(labelled("after", ""), "");
        assert_eq!(statement("SELECT  1\n FROM t", 8), "SELECT 1…");
    }
}
