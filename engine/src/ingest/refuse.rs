//! Refuses the samples of a request whose timestamps are not accepted.

use super::{
    Refusal, WriteSummary,
    labels::shown,
    remote_write::Request,
    timestamp::{AcceptedTimestamps, TimestampFault},
};

/// Returns the refusal of a timestamp; `None` if it is accepted.
pub(crate) fn timestamp_refusal(
    accepted: AcceptedTimestamps,
    timestamp_ms: i64,
    series: impl FnOnce() -> String,
) -> Option<Refusal> {
    let latest_ms = accepted.latest_ms;
    accepted.fault(timestamp_ms).map(|fault| match fault {
        TimestampFault::OutOfRange => Refusal::TimestampRange { timestamp_ms, series: series() },
        TimestampFault::Ahead => Refusal::TimestampAhead { timestamp_ms, latest_ms, series: series() },
        TimestampFault::Seconds => Refusal::TimestampSeconds { timestamp_ms, series: series() },
    })
}

/// Adds the indices of samples with refused timestamps to `left_out`, unless they are in it already.
///
/// `left_out` must be sorted. Cold: the caller first checks whether there is such a sample.
#[cold]
pub(super) fn refuse_timestamps(
    request: &Request,
    accepted: AcceptedTimestamps,
    summary: &mut WriteSummary,
    left_out: &mut Vec<usize>,
) {
    let mut idx = 0;
    let mut more = Vec::new();
    for entry in request.entries() {
        for _ in 0..entry.samples {
            let timestamp_ms = request.timestamps()[idx];
            let series = || {
                let mut pairs = Vec::new();
                request.labels(entry, &mut pairs).map_or_else(|_| String::new(), |()| shown(&pairs))
            };
            if !accepted.contains(timestamp_ms)
                && left_out.binary_search(&idx).is_err()
                && let Some(refusal) = timestamp_refusal(accepted, timestamp_ms, series)
            {
                summary.refuse(refusal, 1);
                more.push(idx);
            }
            idx += 1;
        }
    }
    left_out.extend(more);
}

/// Keeps the elements at the indices for which `keep` returns true.
pub(super) fn retain_at<T>(column: &mut Vec<T>, keep: impl Fn(usize) -> bool) {
    let mut idx = 0;
    column.retain(|_| {
        idx += 1;
        keep(idx - 1)
    });
}
