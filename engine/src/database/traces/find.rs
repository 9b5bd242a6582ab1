//! Finds loops in a window of requests.

use std::collections::BTreeMap;

use super::{
    CacheEvidence, Growth, GrowthEvidence, LogCounts, LoopFinding, LoopForm, LoopKind, Parent, Proposal, RouteEvidence,
    RouteKey, Share, Spread, StatementEvidence, Verb, Window, any_form,
};

/// Requests with the loop from which it is a finding.
const LOOPING_MIN: u64 = 3;
/// Share of the requests of the route below which a loop is an exception.
const SHARE_MIN: f64 = 0.001;
/// Share of the route's requests with the loop below which a cache may hide it.
const WARM_SHARE: f64 = 0.5;
/// Normal quantile of the two-sided 80 % interval.
const Z: f64 = 1.2816;
/// Time of a further key in a statement for many keys, as a share of a single call: low, middle and high assumption.
const FURTHER_KEY: [f64; 3] = [0.0, 0.1, 0.5];
/// Milliseconds of a day.
const DAY_MS: f64 = 86_400_000.0;

/// Returns the loops in the requests of a window that are worth a change: reads for each row of another result, and rows
/// written one by one. Ordered by the estimated saving a day.
///
/// A statement family is a loop in a request when at least five of its calls succeed and they take at least 50 ms or a
/// tenth of the request's time. A request also counts when it reads a cache at least five times in a row, interrupted only by
/// at least two calls that each follow such a read. At least three requests must show the loop.
#[must_use]
pub fn loops(window: &Window) -> Vec<LoopFinding> {
    let mut found = all(window);
    found.retain(|one| one.kind != LoopKind::Polling);
    found
}

/// Returns the statements that poll: they are repeated at a regular pause, and are no fault.
#[must_use]
pub fn polls(window: &Window) -> Vec<LoopFinding> {
    let mut found = all(window);
    found.retain(|one| one.kind == LoopKind::Polling);
    found
}

fn all(window: &Window) -> Vec<LoopFinding> {
    let mut found: Vec<LoopFinding> = window
        .routes
        .iter()
        .flat_map(|(key, route)| route.statements.values().map(move |one| (key, route, one)))
        .filter_map(|(key, route, one)| finding(window, key, route, one))
        .collect();
    found.sort_by(|a, b| {
        let by_saving = b.saved_per_day.value.total_cmp(&a.saved_per_day.value);
        by_saving.then_with(|| (&a.route, &a.statement.family).cmp(&(&b.route, &b.statement.family)))
    });
    found
}

fn finding(window: &Window, key: &RouteKey, route: &RouteEvidence, one: &StatementEvidence) -> Option<LoopFinding> {
    let looping = one.looping.saturating_add(one.hidden);
    // The rows of an hour may be incomplete, so that there are fewer requests than loops.
    let requests = route.requests.max(looping);
    let share = wilson(looping, requests);
    if looping < LOOPING_MIN || share.value < SHARE_MIN {
        return None;
    }
    let is_poll = one.polling * 2 > looping;
    let kind = match one.verb {
        _ if is_poll => LoopKind::Polling,
        Verb::Insert | Verb::Write => LoopKind::Batch,
        Verb::Select => LoopKind::NPlusOne,
    };
    let cache = if kind == LoopKind::NPlusOne { cache(route, one, requests) } else { None };
    let form = if cache.is_some() { LoopForm::WarmCache } else { serial_or_not(one) };
    let of_loops = one.looping.max(1);
    // Hidden loops have as many items as reads of the cache; their calls are those of all requests with a call.
    let calls = if one.looping > 0 { spread(&one.loop_calls) } else { spread(&one.calls_each) };
    let (saved, saved_statement) = saving(one, calls.median, form);
    let per_day = if window.length_ms > 0 { real(looping) * DAY_MS / whole(window.length_ms) } else { 0.0 };
    let times = |saved: Share, factor: f64| Share {
        value: saved.value * factor,
        lower: saved.lower * factor,
        upper: saved.upper * factor,
    };
    let orm = largest(&one.orms);
    let identical = real(one.identical) / real(of_loops);
    let partners = if form == LoopForm::Interleaved { one.partners.keys().cloned().collect() } else { Vec::new() };
    let request_ns = one.loop_request_ns.median();
    Some(LoopFinding {
        route: key.clone(),
        kind,
        form,
        statement: one.statement.clone(),
        parent: parent(one),
        partners,
        orm,
        requests,
        looping,
        share,
        calls,
        varies: !one.loop_calls.is_constant(),
        seconds: if one.looping > 0 {
            in_seconds(spread(&one.loop_busy_ns))
        } else {
            let call = one.call_ns.median();
            in_seconds(Spread { median: call * calls.median, p95: call * calls.p95 })
        },
        request_share: if request_ns > 0.0 { (one.loop_busy_ns.median() / request_ns).min(1.0) } else { 0.0 },
        placeholders_only: real(one.placeholders_only) / real(of_loops),
        identical,
        cache,
        growth: growth(&one.growth),
        saved,
        saved_per_day: times(saved_statement, per_day),
        proposal: proposal(kind, one, orm, identical),
    })
}

/// Returns the evidence of a cache that hides the loop from most requests.
fn cache(route: &RouteEvidence, one: &StatementEvidence, requests: u64) -> Option<CacheEvidence> {
    let is_rare = real(one.looping) < WARM_SHARE * real(requests);
    let behind = real(one.behind_cache) / real(one.calls.max(1));
    // Without reads of a cache in the spans: most requests have no call, and those with calls have many.
    let is_all_or_nothing = one.requests * 2 <= requests && one.looping * 2 >= one.requests;
    let is_warm = is_rare && (behind >= 0.5 || is_all_or_nothing);
    is_warm.then(|| CacheEvidence { lookups: spread(&route.lookups), behind })
}

fn serial_or_not(one: &StatementEvidence) -> LoopForm {
    let serial = one.looping.saturating_sub(one.parallel + one.interleaved);
    if one.parallel >= serial.max(one.interleaved) && one.parallel > 0 {
        LoopForm::Parallel
    } else if one.interleaved >= serial && one.interleaved > 0 {
        LoopForm::Interleaved
    } else {
        LoopForm::Serial
    }
}

fn parent(one: &StatementEvidence) -> Option<Parent> {
    let (family, best) = one.parents.iter().max_by_key(|(family, parent)| (parent.loops, *family))?;
    let share = real(best.loops) / real(one.looping.max(1));
    (share >= 0.5).then(|| Parent { family: family.clone(), text: best.text.clone(), share })
}

/// Estimates what one statement for all keys saves: of the time of the request, and of the time of the statements.
///
/// The loop takes its calls and, when they are serial, the pauses between them, of which at most the time of a call is
/// counted as the round trip and the work of the driver. One statement for all keys takes a single call and a share of
/// it for each further key. The range is that of the assumptions ([`FURTHER_KEY`], and none or all of the pauses).
fn saving(one: &StatementEvidence, calls: f64, form: LoopForm) -> (Share, Share) {
    let call = one.call_ns.median() / 1e9;
    let further = (calls - 1.0).max(0.0);
    let batched = |share: f64| call * (1.0 + share * further);
    let busy = if one.looping > 0 { one.loop_busy_ns.median() / 1e9 } else { call * calls };
    let elapsed = if one.looping > 0 { one.loop_elapsed_ns.median() / 1e9 } else { busy };
    let pauses = if form == LoopForm::Parallel { 0.0 } else { further * (one.gap_ns.median() / 1e9).min(call) };
    let range = |lower: f64, value: f64, upper: f64| {
        let value = value.max(0.0);
        Share { value, lower: lower.clamp(0.0, value), upper: upper.max(value) }
    };
    let [low, middle, high] = FURTHER_KEY;
    let saved = range(busy - batched(high), busy + pauses - batched(middle), elapsed - batched(low));
    let all = call * calls;
    (saved, range(all - batched(high), all - batched(middle), all - batched(low)))
}

fn proposal(kind: LoopKind, one: &StatementEvidence, orm: Option<super::Orm>, identical: f64) -> Proposal {
    let change = match kind {
        LoopKind::Polling => "No change: the statement waits for work at a regular pause.",
        LoopKind::Batch if one.verb == Verb::Insert => "Insert the rows with one statement of many rows, or with COPY.",
        LoopKind::Batch => "Change the rows with one statement, joined with the list of keys and values.",
        LoopKind::NPlusOne if identical >= 0.5 => "Send the statement once and keep its result for the request.",
        LoopKind::NPlusOne => "Read the rows of all keys with one statement, and assign them to their parents.",
    };
    let reads = kind == LoopKind::NPlusOne && identical < 0.5;
    Proposal {
        change: change.to_owned(),
        eager_loading: orm.filter(|_| reads).map(|orm| orm.eager_loading().to_owned()),
        statement: if reads { any_form(&one.statement.text) } else { None },
    }
}

/// Returns slope and correlation; `None` below ten loops or when the rows do not differ.
fn growth(sums: &Growth) -> Option<GrowthEvidence> {
    let [n, x, y, xx, yy, xy] = [sums.n, sums.x, sums.y, sums.xx, sums.yy, sums.xy].map(real);
    let (of_x, of_y, of_both) = (n * xx - x * x, n * yy - y * y, n * xy - x * y);
    if sums.n < 10 || !(of_x > 0.0 && of_y > 0.0) {
        return None;
    }
    Some(GrowthEvidence { loops: sums.n, slope: of_both / of_x, correlation: of_both / (of_x * of_y).sqrt() })
}

/// Returns a share with its 80 % interval.
///
/// # Reference
/// Wilson (1927), "Probable inference, the law of succession, and statistical inference".
fn wilson(successes: u64, trials: u64) -> Share {
    if trials == 0 {
        return Share { value: 0.0, lower: 0.0, upper: 1.0 };
    }
    let (n, p) = (real(trials), real(successes) / real(trials));
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let margin = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Share { value: p, lower: (middle - margin).clamp(0.0, p), upper: (middle + margin).clamp(p, 1.0) }
}

fn spread(counts: &LogCounts) -> Spread {
    Spread { median: counts.median(), p95: counts.quantile(0.95).unwrap_or_default() }
}

fn in_seconds(nanos: Spread) -> Spread {
    Spread { median: nanos.median / 1e9, p95: nanos.p95 / 1e9 }
}

fn largest<K: Copy + Ord>(counts: &BTreeMap<K, u64>) -> Option<K> {
    counts.iter().max_by_key(|(key, count)| (**count, **key)).map(|(key, _)| *key)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "a length of time far below 2^53 ms")]
fn whole(millis: i64) -> f64 {
    millis as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: SciPy 1.17, `binomtest(k, n).proportion_ci(0.8, "wilson")`.
    #[test]
    fn the_interval_is_that_of_wilson() {
        let close = |found: Share, lower: f64, upper: f64| {
            assert!((found.lower - lower).abs() < 1e-4 && (found.upper - upper).abs() < 1e-4, "{found:?}");
        };
        close(wilson(3, 10), 0.153_799, 0.502_628);
        close(wilson(0, 20), 0.0, 0.075_887);
        close(wilson(50, 50), 0.968_197, 1.0);
    }
}
