//! What the requests of a route sent, as counts and distributions that can be added up in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Group, LogCounts, Orm, Request, Statement, request::LOOP_CALLS};

/// Largest number of parents and partners of a statement that are told apart.
const RELATED_MAX: usize = 8;
/// Reads of a cache in one request from which they are a loop of their own.
const LOOKUPS: u64 = LOOP_CALLS as u64;

/// The requests of one route.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteEvidence {
    /// Requests.
    pub requests: u64,
    /// Their time in nanoseconds.
    pub nanos: u64,
    /// Time of a request in nanoseconds.
    pub request_ns: LogCounts,
    /// Reads of caches in a request.
    pub lookups: LogCounts,
    /// By family; stored in rows of their own.
    #[serde(skip)]
    pub statements: BTreeMap<String, StatementEvidence>,
}

/// The calls of one family by the requests of one route.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatementEvidence {
    /// The statement; stored in columns of its row.
    #[serde(skip)]
    pub statement: Statement,
    /// What it does.
    pub verb: super::Verb,
    /// Requests with a successful call.
    pub requests: u64,
    /// Successful calls.
    pub calls: u64,
    /// Failed calls.
    pub failed: u64,
    /// Time of the successful calls in nanoseconds.
    pub nanos: u64,
    /// Time of a call in nanoseconds.
    pub call_ns: LogCounts,
    /// Calls of a request that has any.
    pub calls_each: LogCounts,
    /// Requests with a loop.
    pub looping: u64,
    /// Calls of a loop.
    pub loop_calls: LogCounts,
    /// Time in which a call of the loop ran, in nanoseconds.
    pub loop_busy_ns: LogCounts,
    /// Time from the first start to the last end of a loop, in nanoseconds.
    pub loop_elapsed_ns: LogCounts,
    /// Time of a request with a loop, in nanoseconds.
    pub loop_request_ns: LogCounts,
    /// Pauses between the calls of a loop, in nanoseconds.
    pub gap_ns: LogCounts,
    /// Loops whose calls overlap.
    pub parallel: u64,
    /// Loops that alternate with another one.
    pub interleaved: u64,
    /// Loops that wait between their calls.
    pub polling: u64,
    /// Loops of which all texts are equal and have placeholders.
    pub placeholders_only: u64,
    /// Loops of which all texts are equal and have none.
    pub identical: u64,
    /// Requests without a loop in which a cache answers most of it.
    pub hidden: u64,
    /// Calls directly behind a read of a cache.
    pub behind_cache: u64,
    /// Reads of caches in requests with a loop or a hidden one.
    pub loop_lookups: LogCounts,
    /// Reads before the loop, by family.
    pub parents: BTreeMap<String, ParentEvidence>,
    /// Loops that it alternates with, by family.
    pub partners: BTreeMap<String, u64>,
    /// Calls of a loop against the rows of its parent.
    pub growth: Growth,
    /// ORMs that sent it.
    pub orms: BTreeMap<Orm, u64>,
}

/// A read before a loop.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParentEvidence {
    /// Text of the statement.
    pub text: String,
    /// Loops that it precedes.
    pub loops: u64,
}

/// Sums of a regression of calls on rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Growth {
    /// Pairs.
    pub n: u64,
    /// Sum of the rows.
    pub x: u64,
    /// Sum of the calls.
    pub y: u64,
    /// Sum of the squared rows.
    pub xx: u64,
    /// Sum of the squared calls.
    pub yy: u64,
    /// Sum of the products.
    pub xy: u64,
}

impl RouteEvidence {
    /// Counts a request. `space`: number of new families for which there is space; it is reduced. Returns the number
    /// of families without it.
    pub fn add(&mut self, request: &Request, space: &mut usize) -> u64 {
        self.requests += 1;
        self.nanos = self.nanos.saturating_add(request.duration_ns);
        self.request_ns.add(request.duration_ns);
        self.lookups.add(request.lookups);
        let mut left_out = 0;
        for group in &request.groups {
            let family = &group.statement.family;
            if let Some(known) = self.statements.get_mut(family) {
                known.add(group, request);
            } else if *space > 0 {
                *space -= 1;
                self.statements.entry(family.clone()).or_default().add(group, request);
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// Adds the requests of other evidence of the same route.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.request_ns.merge(&other.request_ns);
        self.lookups.merge(&other.lookups);
        for (family, statement) in &other.statements {
            self.statements.entry(family.clone()).or_default().merge(statement);
        }
    }
}

impl StatementEvidence {
    fn add(&mut self, group: &Group, request: &Request) {
        // Of the texts of one family, which may differ in blanks, the first in order, so that the order of the requests is of no matter.
        self.name(&group.statement);
        self.failed += group.failed;
        if group.call_ns.is_empty() {
            return;
        }
        let calls = group.call_ns.len() as u64;
        self.requests += 1;
        self.calls += calls;
        self.calls_each.add(calls);
        for nanos in &group.call_ns {
            self.nanos = self.nanos.saturating_add(*nanos);
            self.call_ns.add(*nanos);
        }
        self.behind_cache += group.behind_cache;
        if let Some(orm) = group.orm {
            *self.orms.entry(orm).or_default() += 1;
        }
        if group.is_loop {
            self.add_loop(group, request);
        } else if group.cached_run >= LOOKUPS {
            self.hidden += 1;
            self.loop_lookups.add(group.cached_run);
        }
    }

    fn add_loop(&mut self, group: &Group, request: &Request) {
        let calls = group.call_ns.len() as u64;
        self.looping += 1;
        self.loop_calls.add(calls);
        self.loop_busy_ns.add(group.busy_ns);
        self.loop_elapsed_ns.add(group.elapsed_ns);
        self.loop_request_ns.add(request.duration_ns);
        self.loop_lookups.add(request.lookups);
        for gap in &group.gap_ns {
            self.gap_ns.add(*gap);
        }
        self.placeholders_only += u64::from(group.placeholders_only);
        self.identical += u64::from(group.identical);
        let pairs = calls.saturating_sub(1);
        if group.is_poll {
            self.polling += 1;
        } else if group.overlapping * 2 >= pairs {
            self.parallel += 1;
        } else if group.interleaved * 2 >= pairs {
            self.interleaved += 1;
        }
        for partner in &group.partners {
            if self.partners.len() < RELATED_MAX || self.partners.contains_key(partner) {
                *self.partners.entry(partner.clone()).or_default() += 1;
            }
        }
        if let Some((parent, rows)) = &group.parent {
            self.add_parent(&parent.family, &parent.text, 1);
            if let Some(rows) = rows {
                self.growth.add(*rows, calls);
            }
        }
    }

    /// Adds the calls of other evidence of the same statement.
    pub fn merge(&mut self, other: &Self) {
        self.name(&other.statement);
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.calls, other.calls),
            (&mut self.failed, other.failed),
            (&mut self.nanos, other.nanos),
            (&mut self.looping, other.looping),
            (&mut self.parallel, other.parallel),
            (&mut self.interleaved, other.interleaved),
            (&mut self.polling, other.polling),
            (&mut self.placeholders_only, other.placeholders_only),
            (&mut self.identical, other.identical),
            (&mut self.hidden, other.hidden),
            (&mut self.behind_cache, other.behind_cache),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (counts, more) in [
            (&mut self.call_ns, &other.call_ns),
            (&mut self.calls_each, &other.calls_each),
            (&mut self.loop_calls, &other.loop_calls),
            (&mut self.loop_busy_ns, &other.loop_busy_ns),
            (&mut self.loop_elapsed_ns, &other.loop_elapsed_ns),
            (&mut self.loop_request_ns, &other.loop_request_ns),
            (&mut self.gap_ns, &other.gap_ns),
            (&mut self.loop_lookups, &other.loop_lookups),
        ] {
            counts.merge(more);
        }
        for (family, parent) in &other.parents {
            self.add_parent(family, &parent.text, parent.loops);
        }
        for (family, loops) in &other.partners {
            if self.partners.len() < RELATED_MAX || self.partners.contains_key(family) {
                *self.partners.entry(family.clone()).or_default() += loops;
            }
        }
        for (orm, calls) in &other.orms {
            *self.orms.entry(*orm).or_default() += calls;
        }
        self.growth.merge(&other.growth);
    }

    fn name(&mut self, statement: &Statement) {
        let is_first = self.statement.family.is_empty();
        if is_first || (&statement.text, &statement.database) < (&self.statement.text, &self.statement.database) {
            self.statement = statement.clone();
            self.verb = statement.verb;
        }
    }

    fn add_parent(&mut self, family: &str, text: &str, loops: u64) {
        if self.parents.len() >= RELATED_MAX && !self.parents.contains_key(family) {
            return;
        }
        let parent = self.parents.entry(family.to_owned()).or_default();
        if parent.text.is_empty() || text < parent.text.as_str() {
            text.clone_into(&mut parent.text);
        }
        parent.loops = parent.loops.saturating_add(loops);
    }
}

impl Growth {
    fn add(&mut self, rows: u64, calls: u64) {
        // A factor of more rows than that has no influence on the verdict.
        let (x, y) = (rows.min(1 << 20), calls.min(1 << 20));
        self.merge(&Self { n: 1, x, y, xx: x * x, yy: y * y, xy: x * y });
    }

    fn merge(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.n, other.n),
            (&mut self.x, other.x),
            (&mut self.y, other.y),
            (&mut self.xx, other.xx),
            (&mut self.yy, other.yy),
            (&mut self.xy, other.xy),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}
