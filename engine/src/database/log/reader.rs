//! Splits a growing log into entries.

use serde_json::Value;

use super::entry::Timed;

/// Largest entry that is read, in bytes; a longer one is left out.
const ENTRY_MAX: usize = 1 << 20;

/// Bytes of one record of `csvlog` that are skipped before its quotes are taken as broken, as a crash of the server or the
/// start in the middle of a record leaves them.
const SKIPPED_MAX: usize = 16 << 20;

/// Position of the database's name, the message and the detail in a line of `csvlog` (PostgreSQL 13 to 18).
const CSV_COLUMNS: [usize; 3] = [2, 13, 14];

/// Format of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text with a prefix, as `log_destination = 'stderr'` writes it.
    Text,
    /// `csvlog`.
    Csv,
    /// `jsonlog`: one object a line.
    Json,
}

impl LogFormat {
    /// Returns the format by the ending of the file's name: `.csv`, `.json`, else text.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => Self::Csv,
            Some("json") => Self::Json,
            _ => Self::Text,
        }
    }
}

/// Reader of a log that grows. Memory is bounded by the longest entry.
#[derive(Debug)]
pub struct LogReader {
    format: LogFormat,
    /// Bytes of the line, or of the quoted record, that has not ended.
    pending: Vec<u8>,
    /// Whether the pending record is inside quotes.
    in_quotes: bool,
    /// Whether the rest of the pending record is skipped, since it is too long.
    skips: bool,
    /// Bytes of the pending record that were skipped.
    skipped: usize,
    /// Text entry whose continuation may follow: message and detail.
    open: Option<(String, Option<String>)>,
    left_out: u64,
}

impl LogReader {
    /// Creates a reader at the start of an entry.
    #[must_use]
    pub fn new(format: LogFormat) -> Self {
        Self { format, pending: Vec::new(), in_quotes: false, skips: false, skipped: 0, open: None, left_out: 0 }
    }

    /// Returns the number of entries that were too long or had another form.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Reads a whole log.
    #[must_use]
    pub fn read_all(mut self, text: &str) -> Vec<Timed> {
        let mut found = self.push(text.as_bytes());
        found.append(&mut self.finish());
        found
    }

    /// Takes further bytes and returns the entries that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Timed> {
        let mut found = Vec::new();
        for &byte in bytes {
            if byte == b'"' && self.format == LogFormat::Csv {
                self.in_quotes = !self.in_quotes;
            }
            if byte == b'\n' && !self.in_quotes {
                self.end_line(&mut found);
            } else if self.pending.len() < ENTRY_MAX {
                self.pending.push(byte);
            } else {
                self.skips = true;
                self.skipped += 1;
                if self.skipped > SKIPPED_MAX {
                    // The next line is read as the start of a record.
                    self.in_quotes = false;
                }
            }
        }
        found
    }

    /// Returns the last entry, which is complete when nothing follows.
    pub fn finish(&mut self) -> Vec<Timed> {
        let mut found = Vec::new();
        if !self.pending.is_empty() && !self.in_quotes {
            self.end_line(&mut found);
        }
        self.close(&mut found);
        found
    }

    fn end_line(&mut self, found: &mut Vec<Timed>) {
        let pending = std::mem::take(&mut self.pending);
        self.skipped = 0;
        if std::mem::take(&mut self.skips) {
            self.left_out += 1;
            self.open = None;
            return;
        }
        let line = String::from_utf8_lossy(&pending);
        let line = line.trim_end_matches('\r');
        match self.format {
            LogFormat::Text => self.text_line(line, found),
            LogFormat::Csv => found.extend(csv_record(line)),
            LogFormat::Json => found.extend(json_record(line)),
        }
    }

    fn text_line(&mut self, line: &str, found: &mut Vec<Timed>) {
        // Lines of one entry behind its first start with a tab.
        if let Some(further) = line.strip_prefix('\t') {
            if let Some((message, detail)) = &mut self.open {
                let text = detail.as_mut().unwrap_or(message);
                if text.len() + further.len() < ENTRY_MAX {
                    text.push('\n');
                    text.push_str(further);
                }
            }
        } else if let Some((_, detail)) = line.split_once("DETAIL:  ") {
            if let Some((_, known @ None)) = &mut self.open {
                *known = Some(detail.to_owned());
            }
        } else if let Some((_, message)) = line.split_once("LOG:  ") {
            self.close(found);
            self.open = message.starts_with("duration: ").then(|| (message.to_owned(), None));
        } else if ["CONTEXT:  ", "HINT:  ", "STATEMENT:  ", "QUERY:  "].iter().all(|kind| !line.contains(kind)) {
            self.close(found);
        }
    }

    fn close(&mut self, found: &mut Vec<Timed>) {
        if let Some((message, detail)) = self.open.take() {
            found.extend(Timed::read(&message, detail.as_deref()));
        }
    }
}

fn csv_record(line: &str) -> Option<Timed> {
    // Most records are about something else.
    if !line.contains("duration: ") {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let record = reader.records().next()?.ok()?;
    let [database, message, detail] = CSV_COLUMNS.map(|column| record.get(column).unwrap_or(""));
    named(Timed::read(message, Some(detail))?, database)
}

fn json_record(line: &str) -> Option<Timed> {
    if !line.contains("duration: ") {
        return None;
    }
    let record: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    named(Timed::read(text("message")?, text("detail"))?, text("dbname").unwrap_or(""))
}

#[expect(clippy::unnecessary_wraps, reason = "the last step of a chain of options")]
fn named(mut timed: Timed, database: &str) -> Option<Timed> {
    timed.database = Some(database.to_owned()).filter(|name| !name.is_empty());
    Some(timed)
}
