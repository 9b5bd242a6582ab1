//! One request: its calls by statement family, with the form in which each family is repeated.

use std::{collections::BTreeMap, sync::Arc};

use super::{Call, Orm, Statement};
use crate::store::rows::RequestOrigin;

/// Calls of one family in one request from which they are a loop. Sentry's detector has the same bound.
pub(super) const LOOP_CALLS: usize = 5;
/// Time of the calls of a loop from which it matters, in nanoseconds: 50 ms, as in Sentry's detector.
pub(super) const LOOP_NS: u64 = 50_000_000;
/// Share of the request's time from which a shorter loop matters.
pub(super) const LOOP_SHARE: f64 = 0.1;
/// Calls behind reads of a cache from which a request shows the loop that the cache hides.
const MISSES: usize = 2;
/// Largest number of loops that one call of a loop is related to. Without a bound, memory and time grow with the square of
/// the number of loops in a request.
const PARTNERS_MAX: usize = 8;
/// Pause between two calls from which a regular loop waits for something, in nanoseconds.
const POLL_NS: u64 = 100_000_000;
/// The same, in multiples of the time of a call.
const POLL_CALLS: u64 = 10;

/// A request that a service has handled, or the run of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Name of the service.
    pub service: Arc<str>,
    /// Server, consumer or job.
    pub origin: RequestOrigin,
    /// Method and route, or the name of the span.
    pub route: Arc<str>,
    /// Duration in nanoseconds.
    pub duration_ns: u64,
    /// Reads of caches.
    pub lookups: u64,
    /// Calls by family, ordered by family.
    pub groups: Vec<Group>,
}

/// The calls of one family in one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The statement.
    pub statement: Arc<Statement>,
    /// Duration of each successful call in nanoseconds, in the order of their starts.
    pub call_ns: Vec<u64>,
    /// Pauses between the end of a call and the start of the next, in nanoseconds; 0 where they overlap.
    pub gap_ns: Vec<u64>,
    /// Failed calls.
    pub failed: u64,
    /// Time in which at least one call ran, in nanoseconds.
    pub busy_ns: u64,
    /// Time from the first start to the last end, in nanoseconds.
    pub elapsed_ns: u64,
    /// Whether most of the calls handle many rows at once, or a part of chosen size: they are no loop, unless they poll.
    pub takes_many: bool,
    /// Whether the calls are a loop that matters.
    pub is_loop: bool,
    /// Whether the loop waits between its calls: it polls.
    pub is_poll: bool,
    /// Calls that start before the former ones have ended.
    pub overlapping: u64,
    /// Pairs of successive calls with a call of another loop between them.
    pub interleaved: u64,
    /// Families of these other loops.
    pub partners: Vec<String>,
    /// Successful calls with a read of a cache since the former call.
    pub behind_cache: u64,
    /// Reads of a cache in the run of reads and calls behind them that hides the rest of a loop; 0 without one.
    pub cached_run: u64,
    /// Whether all texts are equal and have placeholders.
    pub placeholders_only: bool,
    /// Whether all texts are equal and have no placeholders: the same statement with the same values.
    pub identical: bool,
    /// The read that returns the list of the loop, as far as it can be told: of the reads that ended before the first call
    /// and are no loops, the last one with as many rows as the loop has calls, else the last one without an aggregate,
    /// else the last one. With the number of its rows.
    pub parent: Option<(Arc<Statement>, Option<u64>)>,
    /// ORM that sent the calls.
    pub orm: Option<Orm>,
}

/// A call with its place in the request.
#[derive(Debug, Clone)]
pub(super) struct Placed<'a> {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) failed: bool,
    pub(super) scope: &'a str,
    pub(super) call: &'a Call,
}

/// Groups the calls of a request. `lookups`: starts of reads of caches; `default_orm`: that of the framework of the
/// request.
pub(super) fn group(
    mut calls: Vec<Placed<'_>>,
    mut lookups: Vec<u64>,
    duration_ns: u64,
    default_orm: Option<Orm>,
) -> Vec<Group> {
    calls.sort_by(|a, b| order(a).cmp(&order(b)));
    lookups.sort_unstable();
    let mut families: BTreeMap<&str, Vec<&Placed<'_>>> = BTreeMap::new();
    for call in &calls {
        families.entry(&call.call.statement.family).or_default().push(call);
    }
    for placed in families.values_mut() {
        keep_one_scope(placed);
    }
    let mut groups: Vec<Group> =
        families.values().map(|placed| measure(placed, &lookups, duration_ns, default_orm)).collect();
    relate(&mut groups, &calls);
    find_cached_runs(&mut groups, &calls, &lookups);
    groups
}

/// Order of calls that does not depend on identifiers.
fn order<'a>(placed: &Placed<'a>) -> (u64, u64, &'a str, u64, &'a str, bool) {
    let family = &placed.call.statement.family;
    (placed.start_ns, placed.end_ns, family, placed.call.raw, placed.scope, placed.failed)
}

/// Keeps the spans of one instrumentation: an ORM and its driver may report each call twice.
fn keep_one_scope(placed: &mut Vec<&Placed<'_>>) {
    let mut scopes: BTreeMap<&str, usize> = BTreeMap::new();
    for call in placed.iter() {
        *scopes.entry(call.scope).or_default() += 1;
    }
    if scopes.len() < 2 {
        return;
    }
    let best = scopes.into_iter().max_by_key(|(scope, count)| (Orm::of_scope(scope).is_some(), *count, *scope));
    if let Some((best, _)) = best {
        placed.retain(|call| call.scope == best);
    }
}

fn measure(placed: &[&Placed<'_>], lookups: &[u64], duration_ns: u64, default_orm: Option<Orm>) -> Group {
    let done: Vec<&&Placed<'_>> = placed.iter().filter(|call| !call.failed).collect();
    let (mut busy_ns, mut overlapping, mut behind_cache) = (0_u64, 0, 0);
    let (mut gap_ns, mut reached, mut before) = (Vec::new(), None, 0);
    for call in &done {
        let until = lookups.partition_point(|at| *at < call.start_ns);
        behind_cache += u64::from(until > before);
        before = until;
        let from = match reached {
            Some(reached) => {
                overlapping += u64::from(call.start_ns < reached);
                gap_ns.push(call.start_ns.saturating_sub(reached));
                call.start_ns.max(reached)
            }
            None => call.start_ns,
        };
        busy_ns = busy_ns.saturating_add(call.end_ns.saturating_sub(from));
        reached = Some(reached.unwrap_or(0).max(call.end_ns));
    }
    let call_ns: Vec<u64> = done.iter().map(|call| call.end_ns.saturating_sub(call.start_ns)).collect();
    let elapsed_ns = done.first().zip(reached).map_or(0, |(first, end)| end.saturating_sub(first.start_ns));
    #[expect(clippy::cast_precision_loss, reason = "durations far below 2^53 ns")]
    let share = busy_ns as f64 / duration_ns.max(1) as f64;
    let takes_many = done.iter().filter(|call| call.call.takes_many).count() * 2 > done.len();
    let is_poll = polls(&gap_ns, &call_ns);
    let matters = busy_ns >= LOOP_NS || share >= LOOP_SHARE;
    let is_loop = is_poll || (done.len() >= LOOP_CALLS && matters && !takes_many);
    let is_equal = done.windows(2).all(|pair| pair[0].call.raw == pair[1].call.raw);
    let has_placeholders = done.iter().all(|call| call.call.has_placeholders);
    Group {
        statement: placed.first().map_or_else(Arc::default, |call| Arc::clone(&call.call.statement)),
        is_poll,
        takes_many,
        failed: (placed.len() - done.len()) as u64,
        placeholders_only: is_equal && has_placeholders,
        identical: is_equal && !has_placeholders,
        orm: placed.iter().find_map(|call| Orm::of_scope(call.scope)).or(default_orm),
        call_ns,
        gap_ns,
        busy_ns,
        elapsed_ns,
        is_loop,
        overlapping,
        interleaved: 0,
        partners: Vec::new(),
        behind_cache,
        cached_run: 0,
        parent: None,
    }
}

/// Finds runs of reads of a cache with at least [`MISSES`] calls of a family behind them. Any other call ends a run.
fn find_cached_runs(groups: &mut [Group], calls: &[Placed<'_>], lookups: &[u64]) {
    let mut candidates: BTreeMap<String, (&mut Group, usize)> = groups
        .iter_mut()
        .filter(|group| group.call_ns.len() >= MISSES && group.behind_cache == group.call_ns.len() as u64)
        .filter(|group| !group.takes_many)
        .map(|group| (group.statement.family.clone(), (group, 0)))
        .collect();
    if candidates.is_empty() {
        return;
    }
    let end_run = |candidates: &mut BTreeMap<String, (&mut Group, usize)>, reads: usize| {
        for (group, misses) in candidates.values_mut() {
            if std::mem::take(misses) >= MISSES {
                group.cached_run = group.cached_run.max(reads as u64);
            }
        }
    };
    let (mut from, mut until) = (0, 0);
    for call in calls.iter().filter(|call| !call.failed) {
        until = lookups.partition_point(|at| *at < call.start_ns);
        match candidates.get_mut(&call.call.statement.family) {
            Some((_, misses)) => *misses += 1,
            None => {
                end_run(&mut candidates, until - from);
                from = until;
            }
        }
    }
    until = until.max(lookups.len());
    end_run(&mut candidates, until - from);
}

/// Returns whether the pauses between the calls are long and regular.
fn polls(gap_ns: &[u64], call_ns: &[u64]) -> bool {
    if gap_ns.len() + 1 < LOOP_CALLS {
        return false;
    }
    let median = |values: &[u64]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    };
    let gap = median(gap_ns);
    let regular = gap_ns.iter().filter(|one| (gap / 2..=gap.saturating_add(gap / 2)).contains(*one)).count();
    gap >= POLL_NS.max(median(call_ns).saturating_mul(POLL_CALLS)) && regular * 4 >= gap_ns.len() * 3
}

/// Finds the loops that alternate with others, and the read before each loop.
fn relate(groups: &mut [Group], calls: &[Placed<'_>]) {
    let place: BTreeMap<String, usize> =
        groups.iter().enumerate().map(|(idx, group)| (group.statement.family.clone(), idx)).collect();
    let of_call: Vec<Option<usize>> =
        calls.iter().map(|call| place.get(&call.call.statement.family).copied()).collect();
    let repeated: Vec<bool> = groups.iter().map(|group| group.call_ns.len() >= LOOP_CALLS).collect();
    // Since its last call, the loops of which each loop has seen a call.
    let mut seen: Vec<Option<Vec<usize>>> = vec![None; groups.len()];
    let mut interleaved = vec![0_u64; groups.len()];
    let mut partners: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
    let mut parents: Vec<Option<(Arc<Statement>, Option<u64>)>> = vec![None; groups.len()];
    let mut started = vec![false; groups.len()];
    for (at, call) in calls.iter().enumerate() {
        let Some(own) = of_call[at].filter(|own| repeated[*own] && !call.failed) else { continue };
        if !started[own] {
            started[own] = true;
            let before = calls[..at].iter().zip(&of_call).filter(|(other, idx)| {
                !other.failed
                    && other.end_ns <= call.start_ns
                    && other.call.statement.verb == super::Verb::Select
                    && idx.is_some_and(|idx| !repeated[idx])
            });
            let before = before.map(|(other, _)| other);
            let calls_of_loop = groups[own].call_ns.len() as u64;
            // The list has as many rows as the loop has calls; without the number of rows, it is the last read of rows.
            let rank = |read: &Placed<'_>| (read.call.rows == Some(calls_of_loop), !read.call.is_aggregate);
            let last = before.max_by(|a, b| (rank(a), a.end_ns, order(a)).cmp(&(rank(b), b.end_ns, order(b))));
            parents[own] = last.map(|last| (Arc::clone(&last.call.statement), last.call.rows));
        }
        if let Some(others) = seen[own].replace(Vec::new()) {
            interleaved[own] += u64::from(!others.is_empty());
            partners[own].extend(others);
        }
        for (idx, others) in seen.iter_mut().enumerate() {
            if idx != own
                && let Some(others) = others
                && others.len() < PARTNERS_MAX
                && !others.contains(&own)
            {
                others.push(own);
            }
        }
    }
    let families: Vec<String> = groups.iter().map(|group| group.statement.family.clone()).collect();
    for (idx, group) in groups.iter_mut().enumerate() {
        let mut of_group = std::mem::take(&mut partners[idx]);
        of_group.sort_unstable();
        of_group.dedup();
        group.partners = of_group.into_iter().map(|partner| families[partner].clone()).collect();
        group.interleaved = interleaved[idx];
        group.parent = parents[idx].take();
    }
}
