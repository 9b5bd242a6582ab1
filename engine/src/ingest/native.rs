//! Native histograms and exemplars of a remote-write request: checks them, and keeps the exemplars.

use std::sync::Arc;

use super::{
    Exemplar, Ingest, Refusal, WriteSummary,
    labels::{shown, validate},
    refuse::timestamp_refusal,
    remote_write::{Entry, Request, histogram::Decoded},
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
                    // The reason is reported with the samples of the series.
                    summary.exemplars_refused += u64::from(entry.exemplars);
                    continue;
                }
            };
            for exemplar in range.map(|idx| request.exemplar(idx)) {
                let Some((pairs, value, timestamp_ms)) = exemplar else {
                    summary.exemplars_refused += 1;
                    continue;
                };
                self.keep_exemplar(&labels, &pairs, (value, timestamp_ms), accepted, summary);
            }
        }
    }

    /// Adds one exemplar with its value and its time in epoch milliseconds.
    pub(crate) fn keep_exemplar(
        &self,
        series: &Labels,
        pairs: &[(&[u8], &[u8])],
        (value, timestamp_ms): (f64, i64),
        accepted: AcceptedTimestamps,
        summary: &mut WriteSummary,
    ) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let labels = Labels::from_pairs(pairs.iter().map(|(name, value)| (text(name), text(value))));
        let Ok(labels) = labels.map_err(drop).and_then(|labels| if value.is_nan() { Err(()) } else { Ok(labels) })
        else {
            summary.exemplars_refused += 1;
            return;
        };
        if !accepted.contains(timestamp_ms) {
            summary.exemplars_refused += 1;
            return;
        }
        match self.exemplars().add(series, Exemplar { labels, value, timestamp_ms }) {
            Ok(_) => summary.exemplars_written += 1,
            Err(error) => summary.refuse(Refusal::Exemplar(error), 1),
        }
    }
}
