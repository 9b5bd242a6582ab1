//! What of an export is stored and what is not, with reasons.

use std::fmt::Write;

use crate::ingest::Refusal;

/// Largest number of different reasons that are told to a sender.
const MAX_REASONS: usize = 8;

/// Longest reason in characters.
const MAX_REASON_CHARS: usize = 400;

/// Result of an export that is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportSummary {
    /// Data points, spans or log records of the export.
    pub items: u64,
    /// Those of them that are not stored.
    pub rejected: u64,
    /// Reasons, and what a sender should know although everything is stored; empty without both.
    pub message: String,
}

/// Collects refused items and warnings.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) items: u64,
    pub(crate) rejected: u64,
    reasons: Vec<String>,
    warnings: Vec<String>,
    /// Refusals of single samples, for the counters.
    pub(crate) refusals: Vec<(Refusal, u64)>,
}

impl Report {
    /// Counts items that are not stored, for one reason.
    pub(crate) fn reject(&mut self, reason: String, items: u64) {
        self.rejected += items;
        let reason = shortened(reason);
        let is_known = self.reasons.contains(&reason);
        if !is_known && self.reasons.len() < MAX_REASONS {
            self.reasons.push(reason);
        }
    }

    /// Counts an item whose sample is refused, with one example of each kind of refusal.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        match self.refusals.iter_mut().find(|(known, _)| known.reason() == refusal.reason()) {
            Some((_, count)) => {
                *count += 1;
                self.rejected += 1;
            }
            None => {
                self.reject(refusal.to_string(), 1);
                self.refusals.push((refusal, 1));
            }
        }
    }

    /// Adds something that a sender should know.
    pub(crate) fn warn(&mut self, warning: String) {
        let warning = shortened(warning);
        if self.warnings.len() < MAX_REASONS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Returns the warnings.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the result, with `what` as the name of the items in the plural.
    pub(crate) fn summary(&self, what: &str) -> ExportSummary {
        let mut message = String::new();
        if self.rejected > 0 {
            let _ = write!(message, "{} of {} {what} are not stored", self.rejected, self.items);
            for (idx, reason) in self.reasons.iter().enumerate() {
                let _ = write!(message, "{} {reason}", if idx == 0 { ":" } else { ";" });
            }
        }
        for warning in &self.warnings {
            let _ = write!(message, "{}{warning}", if message.is_empty() { "" } else { "; " });
        }
        let message = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        ExportSummary { items: self.items, rejected: self.rejected, message }
    }
}

/// Returns the start of a reason.
fn shortened(reason: String) -> String {
    if reason.len() <= MAX_REASON_CHARS { reason } else { reason.chars().take(MAX_REASON_CHARS).collect() }
}
