//! Rows of what the requests of a route sent to the database, by the hour, as seen in spans.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{table::table, words::words};

/// What the statements of a request belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestOrigin {
    /// A span of a server.
    Server,
    /// A span of a consumer of messages.
    Consumer,
    /// A span without a parent that is neither, such as a scheduled job or a worker.
    Job,
}
words!(RequestOrigin, "origin of a request", {
    Server => "server",
    Consumer => "consumer",
    Job => "job",
});

table! {
    /// What the requests of one route sent of one statement family in one hour.
    pub struct RequestStatementRow in "request_statements" since 6, "Statements by the route of their requests and the hour, from spans; the newest 14 days and 200,000 rows";
    hour in timestamp: Timestamp = "start of the hour in which the requests ended" unit "UTC" flat "time";
    service: String = "name of the service";
    origin: RequestOrigin = "server, consumer or job";
    route: String = "method and route of the server's span, name of a consumer's or job's span";
    database: String = "name of the database; empty if the spans do not have it";
    family: String = "fingerprint of the statement; empty in the row of the route, which counts all its requests";
    statement: String = "the statement without literals, with placeholders $n";
    requests: u64 = "requests with the statement; all requests in the row of the route";
    looping: u64 = "requests that repeat the statement in a loop, also one behind a cache; the largest of its statements in the row of the route";
    calls: u64 = "successful calls";
    seconds: f64 = "time of the calls; of the requests in the row of the route" unit "s";
    evidence: Value = "distributions that the advisor reads" unit "JSON" flat "";
}

/// Selects rows of [`RequestStatementRow`]; the default selects all.
#[derive(Debug, Clone, Default)]
pub struct RequestStatementFilter {
    /// Only of these services; all when it is empty.
    pub services: Vec<String>,
    /// Only of the hour that contains this instant and later ones.
    pub since: Option<Timestamp>,
    /// Only of hours that start before this instant.
    pub until: Option<Timestamp>,
}
