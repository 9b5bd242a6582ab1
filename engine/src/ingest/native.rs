//! Native histograms and exemplars of a remote-write request: checks them, and keeps the exemplars.

use std::sync::Arc;

use super::{
    Exemplar, ExemplarError, Ingest, Refusal, WriteSummary,
    labels::{shown, validate},
    refuse::timestamp_refusal,
    remote_write::{Entry, Request, histogram::Decoded},
    text::PageExemplar,
    timestamp::AcceptedTimestamps,
};
use crate::{histogram::Histogram, series::Labels};

impl Ingest {
    /// Returns the histograms of an entry that can be stored; the others are refused.
    pub(super) fn valid_histograms(
        &self,
        request: &Request,
        entry: &Entry,
        decoded: Vec<(i64, Decoded)>,
        accepted: AcceptedTimestamps,
        summary: &mut WriteSummary,
    ) -> Vec<(i64, Arc<Histogram>)> {
        let series = || {
            let mut pairs = Vec::new();
            request.labels(entry, &mut pairs).map_or_else(|_| String::new(), |()| shown(&pairs))
        };
        let mut valid = Vec::with_capacity(decoded.len());
        for (timestamp_ms, decoded) in decoded {
            match decoded {
                Decoded::Stale => {}
                Decoded::Invalid(problem) => {
                    summary.refuse(Refusal::NativeHistogram { series: series(), problem: problem.to_string() }, 1);
                }
                Decoded::Histogram(histogram) => match timestamp_refusal(accepted, timestamp_ms, series) {
                    Some(refusal) => summary.refuse(refusal, 1),
                    None => valid.push((timestamp_ms, Arc::new(histogram))),
                },
            }
        }
        valid
    }

    /// Adds the exemplars of a request to those that are kept.
    pub(super) fn keep_exemplars(&self, request: &Request, accepted: AcceptedTimestamps, summary: &mut WriteSummary) {
        if !self.exemplars().are_kept() {
            return summary.refuse(Refusal::NoExemplars, request.exemplars());
        }
        let mut next = 0;
        for entry in request.entries().iter().filter(|entry| entry.exemplars > 0) {
            let range = next..next + entry.exemplars as usize;
            next = range.end;
            let mut pairs = Vec::new();
            let checked = request.labels(entry, &mut pairs).map_err(|_| Refusal::MalformedLabels);
            let labels = match checked.and_then(|()| validate(&pairs, self.limits())) {
                Ok(labels) => labels,
                Err(_) => {
                    let error = ExemplarError::Invalid { series: shown(&pairs), problem: "a series that is refused" };
                    summary.refuse(Refusal::Exemplar(error), entry.exemplars.into());
                    continue;
                }
            };
            for exemplar in range.map(|idx| request.exemplar(idx)) {
                let exemplar = exemplar.and_then(|(pairs, value, timestamp_ms)| {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let labels =
                        Labels::from_pairs(pairs.iter().map(|(name, value)| (text(name), text(value)))).ok()?;
                    Some(Exemplar { labels, value, timestamp_ms })
                });
                match exemplar {
                    Some(exemplar) => self.keep_exemplar(&labels, exemplar, accepted, summary),
                    None => refuse_exemplar(&labels, MALFORMED, summary),
                }
            }
        }
    }

    /// Adds an exemplar of a page or an export. Without a time of its own it has that of its sample in epoch milliseconds,
    /// and is not added again if the newest one has the same labels and value.
    pub(crate) fn keep_page_exemplar(
        &self,
        series: &Labels,
        exemplar: &PageExemplar,
        sample_ms: i64,
        accepted: AcceptedTimestamps,
        summary: &mut WriteSummary,
    ) {
        let Ok(labels) = Labels::from_pairs(exemplar.labels.iter().map(|(name, value)| (&**name, &**value))) else {
            return refuse_exemplar(series, MALFORMED, summary);
        };
        if exemplar.timestamp_ms.is_none() && self.exemplars().has_newest(series, &labels, exemplar.value) {
            summary.exemplars_written += 1;
            return;
        }
        let timestamp_ms = exemplar.timestamp_ms.unwrap_or(sample_ms);
        self.keep_exemplar(series, Exemplar { labels, value: exemplar.value, timestamp_ms }, accepted, summary);
    }

    /// Adds one exemplar.
    fn keep_exemplar(
        &self,
        series: &Labels,
        exemplar: Exemplar,
        accepted: AcceptedTimestamps,
        summary: &mut WriteSummary,
    ) {
        if exemplar.value.is_nan() {
            return refuse_exemplar(series, "the value NaN", summary);
        }
        if !accepted.contains(exemplar.timestamp_ms) {
            return refuse_exemplar(series, "a timestamp that is not accepted", summary);
        }
        match self.exemplars().add(series, exemplar) {
            Ok(_) => summary.exemplars_written += 1,
            Err(error) => summary.refuse(Refusal::Exemplar(error), 1),
        }
    }
}

/// What is wrong with an exemplar whose labels cannot be read.
const MALFORMED: &str = "malformed labels";

/// Counts an exemplar that is not kept.
fn refuse_exemplar(series: &Labels, problem: &'static str, summary: &mut WriteSummary) {
    let error = ExemplarError::Invalid { series: series.to_string(), problem };
    summary.refuse(Refusal::Exemplar(error), 1);
}
