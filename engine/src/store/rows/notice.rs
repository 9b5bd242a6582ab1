//! Rows of notices for callers, of how far each webhook has them, and of the cursors of streams.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{table::table, words::words};

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeType {
    /// A recommendation is new, or its state, setting or patch has changed.
    Recommendation,
    /// A signal trends towards the bound of an alerting rule, or no longer does.
    Breach,
    /// Anomalies of signals coincide.
    Incident,
    /// A signal has become anomalous.
    Anomaly,
}
words!(NoticeType, "type of a notice", {
    Recommendation => "recommendation",
    Breach => "breach",
    Incident => "incident",
    Anomaly => "anomaly",
});

table! {
    /// Something that is told to callers, once.
    pub struct NoticeRow in "notices" since 4, "What webhooks and streams tell their callers; the newest 20,000";
    seq: i64 = "number of the notice, ascending";
    id: String = "identifier, the same on each delivery";
    at in timestamp: Timestamp = "when it was found" unit "UTC" flat "time";
    notice_type in type: NoticeType = "recommendation, breach, incident or anomaly";
    subject: String = "the target, alert or signal";
    state: String = "state of the recommendation; expected or cleared; suspected; begun";
    key: String = "what distinguishes it from others on the subject";
    data: Value = "the content" unit "JSON" flat "";
}

table! {
    /// The place of a webhook among the notices.
    pub struct WebhookRow in "webhooks" since 4, "The last notice that each webhook has";
    webhook: String = "name of the webhook";
    delivered_seq: i64 = "number of the last notice that it has or does not want";
    delivered: u64 = "notices that it has accepted";
    dead: u64 = "notices that were given up";
    attempts: u64 = "attempts at the next notice so far";
    failing_since: Option<Timestamp> = "first failed attempt at the next notice" unit "UTC";
    error: Option<String> = "why the last attempt failed";
    updated_at: Timestamp = "last attempt" unit "UTC";
}

impl WebhookRow {
    /// Returns the state of a webhook that wants what comes behind the notice `seq`.
    #[must_use]
    pub fn new(webhook: String, seq: i64, now: Timestamp) -> Self {
        Self {
            webhook,
            delivered_seq: seq,
            delivered: 0,
            dead: 0,
            attempts: 0,
            failing_since: None,
            error: None,
            updated_at: now,
        }
    }
}

table! {
    /// A notice that a webhook did not accept.
    pub struct DeadLetterRow in "dead_letters" since 4, "Notices that a webhook did not accept; the newest 1,000 of each";
    webhook: String = "name of the webhook";
    seq: i64 = "number of the notice";
    id: String = "identifier of the notice";
    at in timestamp: Timestamp = "when it was given up" unit "UTC" flat "time";
    attempts: u64 = "number of attempts";
    error: String = "why the last one failed";
}

table! {
    /// How far a stream has been acknowledged.
    pub struct StreamCursorRow in "stream_cursors" since 4, "How far the consumer of each stream has acknowledged it";
    stream: String = "the stream";
    cursor: i64 = "number of the last acknowledged notice";
    acknowledged_at: Timestamp = "when" unit "UTC" flat "time";
    actor: String = "name of the token, or empty";
}
