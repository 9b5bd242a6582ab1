//! Passes the spans of an export to those who read them.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::KeyValue, trace::v1::Span,
};

use crate::ingest::otlp::{report::Report, translate::attribute};

/// Longest name of a service, a span or a route, in characters.
const MAX_NAME_CHARS: usize = 200;

/// What the spans of one scope have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpanSource<'a> {
    /// Name of the service.
    pub(crate) service: &'a str,
    /// Name of the instrumentation scope.
    pub(crate) scope: &'a str,
}

/// Takes the spans of an export.
pub(crate) trait SpanConsumer {
    /// Takes one span.
    fn span(&mut self, source: &SpanSource<'_>, span: &Span);
}

/// Passes every valid span of an export to the consumers, and counts the others in the report.
pub(crate) fn each_span(
    request: &ExportTraceServiceRequest,
    report: &mut Report,
    consumers: &mut [&mut dyn SpanConsumer],
) {
    for resource in &request.resource_spans {
        let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let service = service_name(attributes);
        for spans in &resource.scope_spans {
            let scope = spans.scope.as_ref().map_or("", |scope| &scope.name);
            let source = SpanSource { service: &service, scope };
            for span in &spans.spans {
                report.items += 1;
                if span.end_time_unix_nano == 0 || span.end_time_unix_nano < span.start_time_unix_nano {
                    report.reject("a span ends before it starts".to_owned(), 1);
                    continue;
                }
                for consumer in consumers.iter_mut() {
                    consumer.span(&source, span);
                }
            }
        }
    }
}

/// Returns the name of the service of a resource.
pub(crate) fn service_name(attributes: &[KeyValue]) -> String {
    let name = attribute(attributes, "service.name").filter(|name| !name.is_empty());
    shortened(&name.unwrap_or_else(|| "unknown_service".to_owned()))
}

/// Returns the start of a name.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}
