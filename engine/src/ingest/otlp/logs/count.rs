//! Counts log records by service, severity and template.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    logs::v1::LogRecord,
};

use super::{Miner, miner::OTHER};
use crate::ingest::otlp::{
    counts::CounterChanges,
    report::Report,
    traces::service_name,
    translate::{attribute, text_of},
};

/// Counter of log records.
pub(crate) const COUNTER: &str = "log_messages_total";

/// Counts the records of an export. Returns whether some were counted under a common template for lack of space.
pub(crate) fn count_records(
    request: &ExportLogsServiceRequest,
    miner: &mut Miner,
    counters: &mut CounterChanges<'_>,
    report: &mut Report,
) -> bool {
    let mut is_full = false;
    for resource in &request.resource_logs {
        let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let service = service_name(attributes);
        for record in resource.scope_logs.iter().flat_map(|scope| &scope.log_records) {
            report.items += 1;
            let template = miner.template(&service, &message(record));
            is_full |= template == OTHER;
            let mut labels = BTreeMap::from([
                ("service_name".to_owned(), service.clone()),
                ("severity".to_owned(), severity(record).to_owned()),
                ("template".to_owned(), template),
            ]);
            if !counters.change(&labels, |counter| counter.count += 1.0) {
                is_full = true;
                labels.insert("template".to_owned(), OTHER.to_owned());
                if !counters.change(&labels, |counter| counter.count += 1.0) {
                    labels.insert("service_name".to_owned(), OTHER.to_owned());
                    counters.change_always(&labels, |counter| counter.count += 1.0);
                }
            }
        }
    }
    is_full
}

/// Returns the message of a record: its text, the field `message` or `msg` of a map, or the name of its event.
fn message(record: &LogRecord) -> String {
    let of_map = |body: &AnyValue| match &body.value {
        Some(Value::KvlistValue(map)) => ["message", "msg"].iter().find_map(|key| attribute(&map.values, key)),
        _ => None,
    };
    let text = record.body.as_ref().map(|body| of_map(body).unwrap_or_else(|| text_of(Some(body))));
    match text {
        Some(text) if !text.trim().is_empty() => text,
        _ => record.event_name.clone(),
    }
}

/// Returns the severity: the range of the number, or the text when there is no number.
fn severity(record: &LogRecord) -> &'static str {
    const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let number = usize::try_from(record.severity_number).unwrap_or(0);
    if let Some(name) = number.checked_sub(1).and_then(|number| NAMES.get(number / 4)) {
        return name;
    }
    match record.severity_text.trim().to_ascii_uppercase().as_str() {
        "TRACE" => "TRACE",
        "DEBUG" | "VERBOSE" => "DEBUG",
        "INFO" | "INFORMATION" | "NOTICE" => "INFO",
        "WARN" | "WARNING" => "WARN",
        "ERROR" | "ERR" => "ERROR",
        "FATAL" | "CRITICAL" | "CRIT" | "ALERT" | "EMERGENCY" | "PANIC" => "FATAL",
        _ => "UNSPECIFIED",
    }
}
