//! Parses the events of a request: cache events, deploys and incidents as JSON.

use std::fmt;

use almanac_models::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{
    IngestLimits,
    timestamp::{self, AcceptedTimestamps, TimestampFault},
};
use crate::store::rows::{CacheEvent, CacheOp, Deploy, EventBatch, Incident, IncidentVerdict};

/// Maximum length of an event in bytes.
const MAX_EVENT_BYTES: usize = 256 << 10;

/// Error that rejects a whole batch of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The body is neither a JSON array nor JSON lines.
    #[error("the body is not JSON: {problem}; send an array of events, or one event per line")]
    Json {
        /// Message of the parser with the position.
        problem: String,
    },
    /// One event is invalid.
    #[error("event {number}: {problem}")]
    Event {
        /// Number of the event, from 1; blank lines do not count.
        number: usize,
        /// Description of the defect and of the expected form.
        problem: String,
    },
}

/// Parses events from a JSON array, or from one JSON object per line.
///
/// Every event has a `type`:
/// `{"type":"cache","timestamp":T,"cache":"…","key":"…","op":"get|write|delete","bytes":N,"miss_cost_ms":N}`,
/// `{"type":"deploy","timestamp":T,"service":"…","version":"…"}`,
/// `{"type":"incident","started_at":T,"ended_at":T,"title":"…","target":"…","source":"…","verdict":"real|false"}`;
/// `bytes`, `miss_cost_ms`, `version`, `ended_at`, `target`, `source` and `verdict` are optional. `T` is RFC 3339 or integer epoch
/// milliseconds, at most `limits.ahead_ms` after `now`. Unknown fields are errors.
///
/// # Errors
/// [`EventError`]; no event of the batch must be stored.
pub fn parse_events(body: &[u8], limits: &IngestLimits, now: Timestamp) -> Result<EventBatch, EventError> {
    let accepted = AcceptedTimestamps::until(now.millis(), limits.ahead_ms);
    let mut batch = EventBatch::default();
    let json = |error: serde_json::Error| EventError::Json { problem: error.to_string() };
    if body.trim_ascii_start().first() == Some(&b'[') {
        // serde cannot carry our error through a visitor, so it is stored beside.
        let mut wrong = None;
        let mut reader = serde_json::Deserializer::from_slice(body);
        let read = EventArray { batch: &mut batch, accepted, wrong: &mut wrong }
            .deserialize(&mut reader)
            .and_then(|()| reader.end());
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        read.map_err(json)?;
    } else {
        for (idx, event) in serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>().enumerate() {
            add(event.map_err(json)?, idx + 1, accepted, &mut batch)?;
        }
    }
    Ok(batch)
}

/// Visitor that parses the elements of an array one by one, so that the array is never in memory as a JSON tree.
struct EventArray<'a> {
    batch: &'a mut EventBatch,
    accepted: AcceptedTimestamps,
    wrong: &'a mut Option<EventError>,
}

impl<'de> DeserializeSeed<'de> for EventArray<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EventArray<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(event) = events.next_element::<&RawValue>()? {
            number += 1;
            if let Err(error) = add(event, number, self.accepted, self.batch) {
                *self.wrong = Some(error);
                return Err(de::Error::custom("invalid event"));
            }
        }
        Ok(())
    }
}

/// Returns why a timestamp is not accepted; `None` if it is.
fn fault(accepted: AcceptedTimestamps, at: Timestamp) -> Option<String> {
    let millis = at.millis();
    let problem = match accepted.fault(millis)? {
        TimestampFault::OutOfRange => "is out of range".to_owned(),
        TimestampFault::Ahead => format!(
            "is in the future; the latest accepted timestamp is {} (configuration ingest.max_ahead)",
            accepted.latest_ms
        ),
        TimestampFault::Seconds => "looks like epoch seconds".to_owned(),
    };
    Some(format!("timestamp {millis} {problem}; timestamps are epoch milliseconds"))
}

/// Parses one event and adds it to the batch.
///
/// The text of an event is bounded before it becomes a tree: `[0,0,…]` takes 16 times its size in memory.
fn add(
    event: &RawValue,
    number: usize,
    accepted: AcceptedTimestamps,
    batch: &mut EventBatch,
) -> Result<(), EventError> {
    let wrong = |problem: String| EventError::Event { number, problem };
    let bytes = event.get().len();
    if bytes > MAX_EVENT_BYTES {
        return Err(wrong(format!("has {bytes} bytes; the limit is {MAX_EVENT_BYTES}")));
    }
    let event: Value = serde_json::from_str(event.get()).map_err(|error| wrong(error.to_string()))?;
    let check = |at: Timestamp| fault(accepted, at).map_or(Ok(()), |problem| Err(wrong(problem)));
    let Value::Object(mut fields) = event else {
        return Err(wrong("is not a JSON object".to_owned()));
    };
    let kind = match fields.remove("type") {
        Some(Value::String(kind)) => kind,
        _ => return Err(wrong("has no \"type\"; expected \"cache\", \"deploy\" or \"incident\"".to_owned())),
    };
    let fields = Value::Object(fields);
    let problem = |error: serde_json::Error| wrong(error.to_string());
    match kind.as_str() {
        "cache" => {
            let event: CacheEvent = CacheFields::deserialize(fields).map_err(problem)?.into();
            check(event.timestamp)?;
            batch.cache.push(event);
        }
        "deploy" => {
            let deploy: Deploy = DeployFields::deserialize(fields).map_err(problem)?.into();
            check(deploy.at)?;
            batch.deploys.push(deploy);
        }
        "incident" => {
            let incident: Incident = IncidentFields::deserialize(fields).map_err(problem)?.into();
            if incident.ended_at.is_some_and(|ended| ended < incident.started_at) {
                return Err(wrong("ends before it starts".to_owned()));
            }
            if incident.verdict == IncidentVerdict::False && incident.ended_at.is_none() {
                return Err(wrong(
                    "has the verdict false and no ended_at; say until when there was no incident".to_owned(),
                ));
            }
            check(incident.started_at)?;
            incident.ended_at.map_or(Ok(()), check)?;
            batch.incidents.push(incident);
        }
        other => {
            return Err(wrong(format!("unknown type {other:?}; expected \"cache\", \"deploy\" or \"incident\"")));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheFields {
    #[serde(deserialize_with = "instant")]
    timestamp: Timestamp,
    #[serde(deserialize_with = "name")]
    cache: String,
    #[serde(deserialize_with = "name")]
    key: String,
    op: CacheOpField,
    #[serde(default)]
    bytes: Option<u64>,
    #[serde(default, deserialize_with = "cost")]
    miss_cost_ms: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum CacheOpField {
    Get,
    Write,
    Delete,
}

impl From<CacheFields> for CacheEvent {
    fn from(fields: CacheFields) -> Self {
        let op = match fields.op {
            CacheOpField::Get => CacheOp::Get,
            CacheOpField::Write => CacheOp::Write,
            CacheOpField::Delete => CacheOp::Delete,
        };
        let CacheFields { timestamp, cache, key, bytes, miss_cost_ms, .. } = fields;
        Self { timestamp, cache, key, op, bytes, miss_cost_ms }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployFields {
    #[serde(alias = "at", deserialize_with = "instant")]
    timestamp: Timestamp,
    #[serde(deserialize_with = "name")]
    service: String,
    #[serde(default)]
    version: Option<String>,
}

impl From<DeployFields> for Deploy {
    fn from(fields: DeployFields) -> Self {
        Self { at: fields.timestamp, service: fields.service, version: fields.version }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentFields {
    #[serde(alias = "timestamp", deserialize_with = "instant")]
    started_at: Timestamp,
    #[serde(default, deserialize_with = "optional_instant")]
    ended_at: Option<Timestamp>,
    #[serde(deserialize_with = "name")]
    title: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    verdict: IncidentVerdict,
}

impl From<IncidentFields> for Incident {
    fn from(fields: IncidentFields) -> Self {
        let IncidentFields { started_at, ended_at, title, target, source, verdict } = fields;
        Self { started_at, ended_at, title, target, source: source.unwrap_or_else(|| "api".to_owned()), verdict }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TimestampField {
    Millis(i64),
    Text(String),
    Other(Value),
}

fn to_instant<E: de::Error>(stamp: TimestampField) -> Result<Timestamp, E> {
    let wrong = |found: String| E::custom(format!("{found} is not {}", timestamp::EXPECTED));
    match stamp {
        TimestampField::Millis(millis) if timestamp::in_range(millis) => Ok(Timestamp::from_millis(millis)),
        TimestampField::Millis(millis) => Err(wrong(millis.to_string())),
        TimestampField::Text(text) => {
            timestamp::parse(&text).map(Timestamp::from_millis).ok_or_else(|| wrong(format!("{text:?}")))
        }
        TimestampField::Other(value) => Err(wrong(value.to_string())),
    }
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    to_instant(TimestampField::deserialize(deserializer)?)
}

fn optional_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Option::<TimestampField>::deserialize(deserializer)?.map(to_instant).transpose()
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Err(de::Error::custom("a name is empty"));
    }
    Ok(text)
}

fn cost<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let cost = Option::<f64>::deserialize(deserializer)?;
    match cost {
        Some(value) if !(0.0..f64::INFINITY).contains(&value) => {
            Err(de::Error::custom(format!("miss_cost_ms {value} is not a number of at least 0")))
        }
        _ => Ok(cost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_225_600_000;

    fn parse(body: &[u8]) -> Result<EventBatch, EventError> {
        parse_events(body, &IngestLimits::default(), Timestamp::from_millis(NOW))
    }

    #[test]
    fn arrays_and_lines_read_the_same() {
        let cache =
            r#"{"type":"cache","timestamp":1000,"cache":"c","key":"k","op":"get","bytes":5,"miss_cost_ms":1.5}"#;
        let deploy = r#"{"type":"deploy","timestamp":"1970-01-01T00:00:02Z","service":"api","version":"v2"}"#;
        let incident = r#"{"type":"incident","started_at":3000,"ended_at":4000,"title":"slow"}"#;
        let lines = parse(format!("{cache}\n\n{deploy}\n{incident}\n").as_bytes()).unwrap();
        let array = parse(format!(" [{cache},{deploy},{incident}]").as_bytes()).unwrap();
        assert_eq!(lines, array);
        assert_eq!(lines.cache[0].op, CacheOp::Get);
        assert_eq!(lines.cache[0].bytes, Some(5));
        assert_eq!(lines.deploys[0].at.millis(), 2000);
        assert_eq!(lines.incidents[0].source, "api");
        assert_eq!(parse(b"").unwrap(), EventBatch::default());
        assert_eq!(parse(b"[]").unwrap(), EventBatch::default());
    }

    #[test]
    fn every_fault_names_the_event() {
        let check = |body: &str, expected: &str| {
            let error = parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check("nonsense", "the body is not JSON: expected");
        check("[", "the body is not JSON: EOF");
        check("[1]", "event 1: is not a JSON object");
        check(r#"[{"timestamp":1}]"#, "event 1: has no \"type\"");
        check(r#"[{"type":"party"}]"#, "event 1: unknown type \"party\"; expected");
        let good = r#"{"type":"deploy","timestamp":1,"service":"a"}"#;
        check(&format!("{good}\n{{\"type\":\"deploy\",\"timestamp\":1}}"), "event 2: missing field `service`");
        check(
            r#"{"type":"deploy","timestamp":"soon","service":"a"}"#,
            "event 1: \"soon\" is not a timestamp: RFC 3339",
        );
        check(r#"{"type":"deploy","timestamp":1.5,"service":"a"}"#, "event 1: 1.5 is not a timestamp");
        check(r#"{"type":"deploy","timestamp":1,"service":""}"#, "event 1: a name is empty");
        check(r#"{"type":"deploy","timestamp":1,"service":"a","x":1}"#, "event 1: unknown field `x`");
        let cache = |rest: &str| format!(r#"{{"type":"cache","timestamp":1,"cache":"c","key":"k",{rest}}}"#);
        check(&cache(r#""op":"read""#), "event 1: unknown variant `read`, expected one of `get`, `write`, `delete`");
        check(&cache(r#""op":"get","bytes":-1"#), "event 1: invalid value: integer `-1`, expected u64");
        check(&cache(r#""op":"get","miss_cost_ms":-1"#), "event 1: miss_cost_ms -1 is not a number of at least 0");
        check(r#"{"type":"incident","started_at":2,"ended_at":1,"title":"t"}"#, "event 1: ends before it starts");
        let deploy = |stamp: i64| format!(r#"{{"type":"deploy","timestamp":{stamp},"service":"a"}}"#);
        parse(deploy(NOW + 3_600_000).as_bytes()).unwrap();
        check(&deploy(NOW + 3_600_001), "event 1: timestamp 1767229200001 is in the future; the latest accepted");
        check(&deploy(NOW * 1000), "event 1: timestamp 1767225600000000 is in the future");
        check(&deploy(NOW / 1000), "event 1: timestamp 1767225600 looks like epoch seconds");
        let incident = r#"{"type":"incident","started_at":1000,"ended_at":1767225600000000,"title":"t"}"#;
        check(&format!("[{good},{incident}]"), "event 2: timestamp 1767225600000000 is in the future");
    }
}
