//! Tests of the search for loops on traces as instrumentations make them.

mod forms;
mod healthy;
mod properties;
mod recorder;

use std::sync::Arc;

use super::{Call, Role, Statement, StatementReader, TraceSpan, Window, requests_of};
use crate::store::rows::RequestOrigin;

/// A millisecond in nanoseconds.
pub(super) const MS: u64 = 1_000_000;

/// Scope of SQLAlchemy's instrumentation.
pub(super) const SQLALCHEMY: &str = "opentelemetry.instrumentation.sqlalchemy";

/// A trace under construction: one server's span, and what happens in it, one after the other.
pub(super) struct Trace {
    pub(super) spans: Vec<TraceSpan>,
    reader: StatementReader,
    trace: u128,
    /// Time of the next span.
    pub(super) at: u64,
    next: u64,
}

impl Trace {
    /// Begins a request; the server's span is the first one.
    pub(super) fn server(trace: u128, route: &str) -> Self {
        let role = Role::Entry { origin: RequestOrigin::Server, route: route.into() };
        Self::new(trace, role)
    }

    pub(super) fn new(trace: u128, role: Role) -> Self {
        let mut new = Self {
            spans: Vec::new(),
            reader: StatementReader::default(),
            trace,
            at: 1_000_000 * MS + u64::try_from(trace).unwrap() * 5_000 * MS,
            next: 1,
        };
        new.push(0, new.at, new.at, "", role);
        new.at += MS / 2;
        new
    }

    pub(super) fn push(&mut self, parent: u64, start_ns: u64, end_ns: u64, scope: &str, role: Role) -> u64 {
        let id = self.next;
        self.next += 1;
        let (trace, service) = (self.trace, Arc::from("shop"));
        let scope = Arc::from(scope);
        self.spans.push(TraceSpan { trace, id, parent, service, scope, start_ns, end_ns, failed: false, role });
        id
    }

    pub(super) fn role_of(&mut self, sql: &str, rows: Option<u64>) -> Role {
        match self.reader.read(sql, "app") {
            Some(read) => {
                let (statement, raw, has_placeholders) = (read.statement, read.raw, read.has_placeholders);
                let (is_aggregate, takes_many) = (read.is_aggregate, read.takes_many);
                Role::Call(Call { statement, raw, has_placeholders, is_aggregate, takes_many, rows })
            }
            None => Role::Inner { name: sql.into() },
        }
    }

    /// Adds a statement of `nanos` behind the last span.
    pub(super) fn sql(&mut self, sql: &str, nanos: u64) -> &mut Self {
        self.sql_with(sql, nanos, None)
    }

    pub(super) fn sql_with(&mut self, sql: &str, nanos: u64, rows: Option<u64>) -> &mut Self {
        let role = self.role_of(sql, rows);
        self.push(1, self.at, self.at + nanos, SQLALCHEMY, role);
        self.at += nanos + MS / 5;
        self
    }

    /// Adds a read of a cache behind the last span.
    pub(super) fn lookup(&mut self) -> &mut Self {
        self.push(1, self.at, self.at + MS / 2, "opentelemetry.instrumentation.redis", Role::Lookup);
        self.at += MS;
        self
    }

    /// Ends the request.
    pub(super) fn end(mut self) -> Vec<TraceSpan> {
        let end = self.spans.iter().map(|span| span.end_ns).max().unwrap().max(self.at);
        self.spans[0].end_ns = end + MS;
        self.spans
    }
}

/// Returns the window of an hour with these traces.
pub(super) fn window(traces: &[Vec<TraceSpan>]) -> Window {
    let mut window = Window { length_ms: 3_600_000, ..Window::default() };
    for trace in traces {
        requests_of(trace).iter().for_each(|request| window.add(request));
    }
    window
}

pub(super) const LIST: &str =
    "SELECT tasks.id, tasks.owner_id FROM tasks WHERE tasks.done = false ORDER BY id LIMIT 50";
pub(super) const OWNER: &str = "SELECT users.id, users.name FROM users WHERE users.id = $1::INTEGER";
pub(super) const LABELS: &str = "SELECT labels.id FROM labels WHERE labels.task_id = %(task_id_1)s";

/// Returns a request with a list of `n` tasks and a read of the owner of each.
pub(super) fn serial(trace: u128, n: u64) -> Vec<TraceSpan> {
    let mut request = Trace::server(trace, "GET /api/tasks");
    request.sql("BEGIN", MS / 10).sql_with(LIST, 4 * MS, Some(n));
    for _ in 0..n {
        request.sql(OWNER, 2 * MS);
    }
    request.sql("COMMIT", MS / 10);
    request.end()
}

/// Returns the same with the reads at once, as by `asyncio.gather`.
pub(super) fn parallel(trace: u128, n: u64) -> Vec<TraceSpan> {
    let mut request = Trace::server(trace, "GET /api/tasks");
    request.sql_with(LIST, 4 * MS, Some(n));
    let at = request.at;
    for idx in 0..n {
        let role = request.role_of(OWNER, None);
        request.push(1, at + idx * MS / 10, at + idx * MS / 10 + 6 * MS, SQLALCHEMY, role);
    }
    request.end()
}

/// Returns the same with two reads for each task.
pub(super) fn interleaved(trace: u128, n: u64) -> Vec<TraceSpan> {
    let mut request = Trace::server(trace, "GET /api/tasks");
    request.sql_with(LIST, 4 * MS, Some(n));
    for _ in 0..n {
        request.sql(OWNER, 2 * MS).sql(LABELS, 3 * MS);
    }
    request.end()
}

/// Returns a request in which a cache answers all but `misses` of the reads.
pub(super) fn warm(trace: u128, n: u64, misses: u64) -> Vec<TraceSpan> {
    let mut request = Trace::server(trace, "GET /api/tasks");
    request.sql_with(LIST, 4 * MS, Some(n));
    for idx in 0..n {
        request.lookup();
        if idx < misses {
            request.sql(OWNER, 2 * MS);
        }
    }
    request.end()
}

/// Returns a statement by its text.
pub(super) fn statement(sql: &str) -> Arc<Statement> {
    StatementReader::default().read(sql, "app").unwrap().statement
}
