//! Spans to what the search for loops of statements reads: requests, calls of databases, reads of caches.
//!
//! Attributes have the names of OpenTelemetry's stable conventions for databases, or of those before version 1.24:
//! <https://opentelemetry.io/docs/specs/semconv/database/>.

use std::{borrow::Cow, sync::Arc};

use hashbrown::HashSet;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};

use super::each::{SpanConsumer, SpanSource, shortened};
use crate::{
    database::traces::{Call, Role, StatementReader, Strings, TraceSpan},
    ingest::otlp::translate::text_of,
    store::rows::RequestOrigin,
};

/// Systems whose statements are SQL, by the start of their name.
const SQL_SYSTEMS: [&str; 19] = [
    "postgresql",
    "postgres",
    "mysql",
    "mariadb",
    "sqlite",
    "mssql",
    "microsoft.sql_server",
    "oracle",
    "cockroachdb",
    "db2",
    "ibm.db2",
    "other_sql",
    "redshift",
    "aws.redshift",
    "clickhouse",
    "trino",
    "snowflake",
    "h2database",
    "hsqldb",
];
/// Systems that are caches.
const CACHES: [&str; 5] = ["redis", "valkey", "memcached", "keydb", "dragonfly"];
/// Commands that read a cache.
const READS: [&str; 8] = ["GET", "MGET", "HGET", "HMGET", "HGETALL", "GETEX", "EXISTS", "GETS"];

/// Collects the spans of an export.
pub(crate) struct SpanObserver<'a> {
    reader: &'a mut StatementReader,
    /// The spans.
    pub(crate) spans: Vec<TraceSpan>,
    /// Names that spans share.
    names: HashSet<Arc<str>>,
}

impl<'a> SpanObserver<'a> {
    /// Returns an observer without spans.
    pub(crate) fn new(reader: &'a mut StatementReader) -> Self {
        Self { reader, spans: Vec::new(), names: HashSet::new() }
    }

    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = shortened(name).into();
        self.names.insert(Arc::clone(&name));
        name
    }

    fn role(&mut self, span: &Span) -> Role {
        let kind = SpanKind::try_from(span.kind).unwrap_or(SpanKind::Unspecified);
        match kind {
            SpanKind::Server => Role::Entry { origin: RequestOrigin::Server, route: self.route(span) },
            SpanKind::Consumer => Role::Entry { origin: RequestOrigin::Consumer, route: self.shared(&span.name) },
            _ => self.called(span).unwrap_or_else(|| Role::Inner { name: self.shared(&name_of(span)) }),
        }
    }

    /// Returns method and route of a server's span; its name if it has no route, as of gRPC.
    fn route(&mut self, span: &Span) -> Arc<str> {
        let Some(route) = text(span, &["http.route"]) else { return self.shared(&span.name) };
        match text(span, &["http.request.method", "http.method"]) {
            Some(method) => self.shared(&format!("{method} {route}")),
            None => self.shared(route),
        }
    }

    /// Returns a call of a database or a read of a cache.
    fn called(&mut self, span: &Span) -> Option<Role> {
        let system = text(span, &["db.system.name", "db.system"])?.to_ascii_lowercase();
        if CACHES.contains(&system.as_str()) {
            return reads_cache(span).then_some(Role::Lookup);
        }
        if !SQL_SYSTEMS.contains(&system.as_str()) {
            return None;
        }
        let sent = text(span, &["db.query.text", "db.statement"])?;
        let database = shortened(text(span, &["db.namespace", "db.name"]).unwrap_or_default());
        let read = self.reader.read_as(sent, &database, strings_of(&system))?;
        let rows = number(span, &["db.response.returned_rows"]);
        let (statement, raw, has_placeholders) = (read.statement, read.raw, read.has_placeholders);
        let (is_aggregate, takes_many) = (read.is_aggregate, read.takes_many);
        Some(Role::Call(Call { statement, raw, has_placeholders, is_aggregate, takes_many, rows }))
    }
}

impl SpanConsumer for SpanObserver<'_> {
    fn span(&mut self, source: &SpanSource<'_>, span: &Span) {
        let id = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
        let trace = span.trace_id.as_slice().try_into().map(u128::from_be_bytes).unwrap_or_default();
        let Some(own) = id(&span.span_id).filter(|own| *own != 0 && trace != 0) else { return };
        let role = self.role(span);
        let span = TraceSpan {
            trace,
            id: own,
            parent: id(&span.parent_span_id).unwrap_or_default(),
            service: self.shared(source.service),
            scope: self.shared(source.scope),
            start_ns: span.start_time_unix_nano,
            end_ns: span.end_time_unix_nano,
            failed: span.status.as_ref().is_some_and(|status| status.code == i32::from(StatusCode::Error)),
            role,
        };
        self.spans.push(span);
    }
}

/// Returns the name of a span. Some instrumentations put the statement with its values into it; the first word of the
/// statement takes its place.
pub(super) fn name_of(span: &Span) -> Cow<'_, str> {
    let sent = text(span, &["db.query.text", "db.statement"]).unwrap_or_default().trim();
    match (span.name.split_once(sent), sent.split_whitespace().next()) {
        (Some((before, _)), Some(word)) => Cow::Owned(format!("{before}{word}")),
        _ => Cow::Borrowed(span.name.as_str()),
    }
}

/// Returns how a system writes text constants.
fn strings_of(system: &str) -> Strings {
    match system {
        "mysql" | "mariadb" => Strings::MySql,
        "clickhouse" | "snowflake" => Strings::Escaped,
        _ => Strings::Standard,
    }
}

/// Returns whether the command of a span reads a cache.
fn reads_cache(span: &Span) -> bool {
    let named =
        text(span, &["db.operation.name", "db.operation", "db.query.text", "db.statement"]).unwrap_or(&span.name);
    let command = named.split_whitespace().next().unwrap_or_default();
    READS.iter().any(|read| command.eq_ignore_ascii_case(read))
}

/// Returns the first attribute that is there, if it is a text that is not empty.
fn text<'s>(span: &'s Span, keys: &[&str]) -> Option<&'s str> {
    match &attribute(span, keys)?.value {
        Some(Value::StringValue(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Returns the first attribute that is there, if it is a number that is not negative.
fn number(span: &Span, keys: &[&str]) -> Option<u64> {
    text_of(Some(attribute(span, keys)?)).parse().ok()
}

fn attribute<'s>(span: &'s Span, keys: &[&str]) -> Option<&'s AnyValue> {
    let of = |key: &&str| span.attributes.iter().find(|found: &&KeyValue| found.key == **key);
    keys.iter().find_map(of).and_then(|found| found.value.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the role of a span of this kind and name with attributes.
    fn role(kind: SpanKind, name: &str, attributes: &[(&str, &str)]) -> Role {
        let attribute = |(key, value): &(&str, &str)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue((*value).to_owned())) }),
            ..KeyValue::default()
        };
        let attributes = attributes.iter().map(attribute).collect();
        let (trace_id, span_id) = (vec![1; 16], vec![1; 8]);
        let span = Span { trace_id, span_id, name: name.to_owned(), kind: kind.into(), attributes, ..Span::default() };
        let mut reader = StatementReader::default();
        let mut observer = SpanObserver::new(&mut reader);
        observer.span(&SpanSource { service: "shop", scope: "" }, &span);
        observer.spans.remove(0).role
    }

    #[test]
    fn requests_have_method_and_route_or_their_name() {
        for (kind, attributes, origin, expected) in [
            (
                SpanKind::Server,
                &[("http.route", "/a"), ("http.request.method", "GET")][..],
                RequestOrigin::Server,
                "GET /a",
            ),
            (SpanKind::Server, &[("http.route", "/a"), ("http.method", "PUT")], RequestOrigin::Server, "PUT /a"),
            (SpanKind::Server, &[("http.route", "/a")], RequestOrigin::Server, "/a"),
            (SpanKind::Server, &[("rpc.system", "grpc")], RequestOrigin::Server, "shop.Cart/Add"),
            (SpanKind::Consumer, &[("http.route", "/a")], RequestOrigin::Consumer, "shop.Cart/Add"),
        ] {
            let route = expected.into();
            assert_eq!(role(kind, "shop.Cart/Add", attributes), Role::Entry { origin, route });
        }
    }

    #[test]
    fn calls_are_read_by_old_and_new_conventions() {
        let sql = "SELECT name FROM users WHERE id = 7";
        for attributes in [
            [("db.system", "postgresql"), ("db.statement", sql), ("db.name", "app")],
            [("db.system.name", "postgresql"), ("db.query.text", sql), ("db.namespace", "app")],
            [("db.system", "mysql"), ("db.query.text", sql), ("db.name", "app")],
        ] {
            let Role::Call(call) = role(SpanKind::Client, "SELECT app", &attributes) else { panic!("{attributes:?}") };
            assert_eq!(call.statement.text, "SELECT name FROM users WHERE id = $1");
            assert_eq!((call.statement.database.as_str(), call.has_placeholders, call.rows), ("app", false, None));
        }
    }

    #[test]
    fn names_and_texts_have_no_values() {
        let sql = ("db.query.text", "SELECT 'secret'");
        for (name, expected) in [
            ("query SELECT 'secret'", "query SELECT"),
            ("SELECT 'secret'", "SELECT"),
            ("SELECT app", "SELECT app"),
            ("", ""),
        ] {
            let found = role(SpanKind::Client, name, &[("db.system", "postgresql"), sql]);
            assert_eq!(found, Role::Inner { name: expected.into() });
        }
        let blank = role(SpanKind::Client, "a", &[("db.system", "postgresql"), ("db.query.text", " ")]);
        assert_eq!(blank, Role::Inner { name: "a".into() });
        let sql = ("db.query.text", "SELECT a FROM users WHERE email = \"secret\"");
        let Role::Call(call) = role(SpanKind::Client, "SELECT", &[("db.system", "mysql"), sql]) else {
            panic!("{sql:?}")
        };
        assert_eq!(call.statement.text, "SELECT a FROM users WHERE email = $1");
    }

    #[test]
    fn reads_of_caches_are_told_from_other_spans() {
        let of = |attributes: &[(&str, &str)], name: &str| role(SpanKind::Client, name, attributes);
        let redis = ("db.system", "redis");
        assert_eq!(of(&[redis, ("db.statement", "GET ?")], "GET"), Role::Lookup);
        assert_eq!(of(&[("db.system.name", "valkey"), ("db.operation.name", "mget")], "x"), Role::Lookup);
        assert_eq!(of(&[redis], "HGETALL"), Role::Lookup);
        for (attributes, name) in [
            (&[redis, ("db.statement", "SET ? ?")][..], "SET"),
            (&[("db.system", "postgresql"), ("db.name", "app")], "connect"),
            (&[("db.system", "postgresql"), ("db.statement", "BEGIN;")], "BEGIN;"),
            (&[("db.system", "mongodb"), ("db.statement", "SELECT a FROM b")], "find"),
            (&[("http.method", "GET")], "GET"),
        ] {
            assert_eq!(of(attributes, name), Role::Inner { name: name.into() });
        }
    }
}
