//! The spans of one trace to the requests in it: each call belongs to the nearest request above it.

use std::collections::{BTreeMap, HashMap};

use super::{
    Orm, Request, Role, TraceSpan,
    request::{Placed, group},
};
use crate::store::rows::RequestOrigin;

/// Largest number of parents that are followed from a span: wrong parents may form a circle, and the time to follow long
/// chains from each of their spans would grow with the square of their number.
const DEPTH_MAX: usize = 512;

/// Returns the requests of one trace that have ended, with their calls.
///
/// The spans come in any order, in parts, repeated, with missing parents. A call without a known parent belongs to the
/// innermost request of its service that ran at its time; a call of which no request is known is left out. A span without
/// a parent that is no request, such as that of a job, counts as one if it has calls below it.
#[must_use]
pub fn requests_of(spans: &[TraceSpan]) -> Vec<Request> {
    let mut unique: Vec<&TraceSpan> = spans.iter().collect();
    // A repeated span is the same span; if it is not, the longer one is kept.
    unique.sort_by_key(|span| (span.id, span.start_ns, std::cmp::Reverse(span.end_ns)));
    unique.dedup_by_key(|span| span.id);
    let trace = Trace::new(unique);
    let mut of_owner: BTreeMap<usize, (Vec<Placed<'_>>, Vec<u64>)> = BTreeMap::new();
    for (idx, span) in trace.spans.iter().enumerate() {
        if matches!(span.role, Role::Entry { .. }) {
            of_owner.entry(idx).or_default();
        }
        let Some(owner) = trace.owner(idx) else { continue };
        match &span.role {
            Role::Call(call) => {
                let (start_ns, end_ns, scope) = (span.start_ns, span.end_ns, &*span.scope);
                let placed = Placed { start_ns, end_ns, failed: span.failed, scope, call };
                of_owner.entry(owner).or_default().0.push(placed);
            }
            Role::Lookup => of_owner.entry(owner).or_default().1.push(span.start_ns),
            Role::Entry { .. } | Role::Inner { .. } => {}
        }
    }
    let mut requests: Vec<(u64, Request)> = of_owner
        .into_iter()
        .filter_map(|(owner, (calls, lookups))| {
            let span = trace.spans[owner];
            let (origin, route) = match &span.role {
                Role::Entry { origin, route } => (*origin, route.clone()),
                Role::Inner { name } => (RequestOrigin::Job, name.clone()),
                Role::Call(_) | Role::Lookup => return None,
            };
            let duration_ns = span.duration_ns();
            let found = lookups.len() as u64;
            let groups = group(calls, lookups, duration_ns, Orm::of_scope(&span.scope));
            let service = span.service.clone();
            Some((span.start_ns, Request { service, origin, route, duration_ns, lookups: found, groups }))
        })
        .collect();
    requests.sort_by(|a, b| {
        let key = |(start, one): &(u64, Request)| (*start, one.duration_ns, one.service.clone(), one.route.clone());
        key(a).cmp(&key(b))
    });
    requests.into_iter().map(|(_, request)| request).collect()
}

/// The spans of a trace by their identifiers.
struct Trace<'a> {
    spans: Vec<&'a TraceSpan>,
    by_id: HashMap<u64, usize>,
    /// Positions of the requests, by start.
    entries: Vec<usize>,
}

impl<'a> Trace<'a> {
    fn new(spans: Vec<&'a TraceSpan>) -> Self {
        let by_id = spans.iter().enumerate().map(|(idx, span)| (span.id, idx)).collect();
        let mut entries: Vec<usize> =
            (0..spans.len()).filter(|idx| matches!(spans[*idx].role, Role::Entry { .. })).collect();
        entries.sort_by_key(|idx| (spans[*idx].start_ns, std::cmp::Reverse(spans[*idx].end_ns)));
        Self { spans, by_id, entries }
    }

    /// Returns the request or job to which a span belongs.
    fn owner(&self, idx: usize) -> Option<usize> {
        let service = &self.spans[idx].service;
        let mut top = idx;
        for _ in 0..self.spans.len().min(DEPTH_MAX) {
            let parent = self.spans[top].parent;
            if parent == 0 {
                let is_job = top != idx && matches!(self.spans[top].role, Role::Inner { .. });
                return if is_job { Some(top) } else { None };
            }
            let Some(&above) = self.by_id.get(&parent) else { return self.around(idx) };
            // Above is another service, whose call led to a request that is not known.
            if self.spans[above].service != *service {
                return self.around(idx);
            }
            if matches!(self.spans[above].role, Role::Entry { .. }) {
                return Some(above);
            }
            top = above;
        }
        self.around(idx)
    }

    /// Returns the innermost request of the same service that ran while a span did.
    fn around(&self, idx: usize) -> Option<usize> {
        let span = self.spans[idx];
        let contains = |entry: &&usize| {
            let entry = self.spans[**entry];
            entry.start_ns <= span.start_ns && entry.end_ns >= span.end_ns && entry.service == span.service
        };
        self.entries.iter().rev().find(contains).copied()
    }
}
