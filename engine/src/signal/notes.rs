//! Notes about an evaluation: what a caller should know about a result that is no error. The evaluator and the functions
//! add them; the caller takes them afterwards.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

/// Most notes that are kept; further ones are dropped.
const MAX_NOTES: usize = 100;

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// A part of the result is most likely not what was meant.
    Warning,
    /// A part of the result may be inexact.
    Info,
}

/// A remark about the result of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub kind: NoteKind,
    /// The remark.
    pub message: String,
    /// First byte in the text of the expression that it is about.
    pub at: usize,
}

impl Note {
    /// Returns the note as Prometheus' API shows it: kind, message, line and column in the text of the query.
    #[must_use]
    pub fn text(&self, query: &str) -> String {
        let before = query.get(..self.at).unwrap_or(query);
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
        format!("{self} ({line}:{column})")
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NoteKind::Warning => "PromQL warning",
            NoteKind::Info => "PromQL info",
        };
        write!(f, "{kind}: {}", self.message)
    }
}

/// The notes of one evaluation. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    /// Returns the notes so far, each once, and empties the list.
    #[must_use]
    pub fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.0.lock())
    }

    pub(super) fn warn(&self, at: usize, message: impl Into<String>) {
        self.add(Note { kind: NoteKind::Warning, message: message.into(), at });
    }

    pub(super) fn inform(&self, at: usize, message: impl Into<String>) {
        self.add(Note { kind: NoteKind::Info, message: message.into(), at });
    }

    fn add(&self, note: Note) {
        let mut notes = self.0.lock();
        if notes.len() < MAX_NOTES && !notes.contains(&note) {
            notes.push(note);
        }
    }
}

/// Counts of one evaluation. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<Mutex<SampleCounts>>);

/// Numbers of samples of an evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Samples that were read.
    pub read: usize,
    /// Largest number of values of one intermediate result.
    pub peak: usize,
}

impl Counts {
    /// Returns the counts so far.
    #[must_use]
    pub fn get(&self) -> SampleCounts {
        *self.0.lock()
    }

    pub(super) fn read(&self, samples: usize) {
        self.0.lock().read += samples;
    }

    pub(super) fn peak(&self, values: usize) {
        let mut counts = self.0.lock();
        counts.peak = counts.peak.max(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_line_and_column() {
        let notes = Notes::default();
        notes.warn(11, "a");
        notes.warn(11, "a");
        notes.inform(0, "b");
        let query = "sum(\n  rate(x[5m]))";
        let all: Vec<String> = notes.take().iter().map(|note| note.text(query)).collect();
        assert_eq!(all, ["PromQL warning: a (2:7)", "PromQL info: b (1:1)"]);
        assert!(notes.take().is_empty());
    }
}
