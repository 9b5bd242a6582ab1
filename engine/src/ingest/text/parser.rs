//! Parses Prometheus text and OpenMetrics line by line.

use std::borrow::Cow;

use super::{
    TextError, TextProblem, float,
    line::{quoted, series, skip_blanks, token, unescape},
};
use crate::{
    ingest::{
        files::shorten,
        metadata::{DeclaredMetadata, type_of_word},
        timestamp,
    },
    store::rows::MetricType,
};

/// Maximum length of a line in bytes: more than a series with the largest number of labels of the largest length.
const MAX_LINE_BYTES: usize = 2 << 20;

/// Maximum number of metrics whose metadata are kept of a text; a store keeps no more.
const MAX_FAMILIES: usize = 100_000;

/// Maximum bytes of their names, descriptions and units together.
const MAX_FAMILY_BYTES: usize = 32 << 20;

/// Text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus text 0.0.4: timestamps are integer milliseconds.
    Prometheus,
    /// OpenMetrics 1.0: timestamps are seconds, `# EOF` ends the text.
    OpenMetrics,
}

impl Dialect {
    /// Returns the dialect of a content type; anything but OpenMetrics is Prometheus text.
    #[must_use]
    pub fn of_content_type(content_type: Option<&str>) -> Self {
        let is_open = content_type
            .and_then(|text| text.split(';').next())
            .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/openmetrics-text"));
        if is_open { Self::OpenMetrics } else { Self::Prometheus }
    }
}

/// Sample of one line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextSample<'a> {
    /// Text of the series, from the name to the closing brace.
    pub series: &'a str,
    /// Value; every NaN is the ordinary one, not the stale marker.
    pub value: f64,
    /// Epoch milliseconds, if the line has a timestamp.
    pub timestamp_ms: Option<i64>,
    /// Label with a numeric value: `le` of a histogram, `quantile` of a summary.
    bound: Option<&'static str>,
    /// Text of the exemplar of OpenMetrics: its labels, its value, and its time if it has one.
    pub exemplar: Option<&'a str>,
}

impl<'a> TextSample<'a> {
    /// Returns a sample of a series in the text format. `bound`: label with a numeric value.
    pub(in crate::ingest) fn new(
        series: &'a str,
        value: f64,
        timestamp_ms: Option<i64>,
        bound: Option<&'static str>,
    ) -> Self {
        Self { series, value, timestamp_ms, bound, exemplar: None }
    }

    /// Returns name and value of each label in text order, including `__name__`; not validated.
    ///
    /// Bounds of histograms and summaries are normalised as in Prometheus 3: `le="1"` becomes `1.0`.
    #[must_use]
    pub fn labels(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let mut labels = Vec::new();
        // Parsing cannot fail: the parser has read this text before.
        let _ = series(self.series, |name, value| {
            let is_bound = self.bound.is_some_and(|bound| name == bound);
            let value = match float::normalize(&value).filter(|_| is_bound) {
                Some(text) => Cow::Owned(text),
                None => value,
            };
            labels.push((name, value));
        });
        labels
    }

    /// Returns the label that [`TextSample::labels`] normalises; the same text with another type has different labels.
    pub(crate) fn bound(&self) -> Option<&'static str> {
        self.bound
    }
}

/// Parser of text, line by line; keeps the line number and the declared metadata.
///
/// ```
/// use almanac_engine::ingest::text::{Dialect, TextParser};
/// let mut parser = TextParser::new(Dialect::Prometheus);
/// let sample = parser.line(br#"http_requests_total{code="200"} 1027 1395066363000"#).unwrap().unwrap();
/// assert_eq!(sample.timestamp_ms, Some(1_395_066_363_000));
/// assert_eq!(sample.labels()[1], ("code".into(), "200".into()));
/// ```
#[derive(Debug, Clone)]
pub struct TextParser {
    dialect: Dialect,
    line: u64,
    ended: bool,
    /// Type of the last `# TYPE` line.
    metric_type: MetricType,
    families: Vec<FamilyMetadata>,
    /// Bytes of the texts in `families`.
    family_bytes: usize,
}

/// Metadata of one metric from the comments of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FamilyMetadata {
    metric: String,
    metric_type: MetricType,
    help: String,
    unit: String,
}

impl TextParser {
    /// Creates a parser at the start of a text.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, line: 0, ended: false, metric_type: MetricType::Unknown, families: Vec::new(), family_bytes: 0 }
    }

    /// Returns the number of the last parsed line, from 1.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.line
    }

    /// Parses one line without its line feed; `None` for comments and blank lines.
    ///
    /// # Errors
    /// [`TextError`] with the line's number.
    pub fn line<'a>(&mut self, line: &'a [u8]) -> Result<Option<TextSample<'a>>, TextError> {
        self.line += 1;
        self.read(line).map_err(|problem| TextError { line: self.line, problem })
    }

    /// Returns the metadata of the `# TYPE`, `# HELP` and `# UNIT` lines parsed so far.
    pub(crate) fn declared(&self) -> impl Iterator<Item = DeclaredMetadata<'_>> {
        self.families.iter().map(|family| DeclaredMetadata {
            metric_type: family.metric_type,
            metric: family.metric.as_bytes(),
            help: family.help.as_bytes(),
            unit: family.unit.as_bytes(),
        })
    }

    /// Checks the end of the text: OpenMetrics must end with `# EOF`. Call it after the last line.
    ///
    /// # Errors
    /// [`TextProblem::NoEof`].
    pub fn finish(&self) -> Result<(), TextError> {
        if self.dialect == Dialect::OpenMetrics && !self.ended {
            return Err(TextError { line: self.line, problem: TextProblem::NoEof });
        }
        Ok(())
    }

    fn read<'a>(&mut self, line: &'a [u8]) -> Result<Option<TextSample<'a>>, TextProblem> {
        if line.len() > MAX_LINE_BYTES {
            return Err(TextProblem::TooLong { bytes: line.len(), limit: MAX_LINE_BYTES });
        }
        let line = std::str::from_utf8(line).map_err(|_| TextProblem::NotUtf8)?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.ended {
            return Err(TextProblem::AfterEof);
        }
        let text = skip_blanks(line);
        if text.is_empty() {
            return if self.dialect == Dialect::OpenMetrics { Err(TextProblem::Blank) } else { Ok(None) };
        }
        if let Some(comment) = text.strip_prefix('#') {
            self.ended = self.dialect == Dialect::OpenMetrics && line == "# EOF";
            return self.comment(comment).map(|()| None);
        }
        self.sample(text).map(Some)
    }

    fn comment(&mut self, comment: &str) -> Result<(), TextProblem> {
        // As in Prometheus, `#TYPE` without a blank is an ordinary comment.
        if !comment.starts_with([' ', '\t']) {
            return Ok(());
        }
        let (word, rest) = word(comment);
        let rest = skip_blanks(rest);
        match word {
            "TYPE" => self.type_line(rest),
            "HELP" | "UNIT" => {
                // A description with an invalid name is treated as an ordinary comment.
                let Some((metric, text)) = metric_name(rest) else { return Ok(()) };
                let text = skip_blanks(text);
                self.family_bytes += text.len();
                let Some(family) = self.family(&metric) else { return Ok(()) };
                if word == "HELP" {
                    family.help = unescape(text)
                } else {
                    family.unit = text.trim_end().to_owned()
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn type_line(&mut self, rest: &str) -> Result<(), TextProblem> {
        // Quoted names may contain blanks, so the type is the last word.
        let kind = rest.split_ascii_whitespace().next_back().unwrap_or_default();
        let known: &[&str] = match self.dialect {
            Dialect::Prometheus => &["counter", "gauge", "histogram", "summary", "untyped"],
            Dialect::OpenMetrics => {
                &["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"]
            }
        };
        if !known.contains(&kind) {
            return Err(TextProblem::Type { found: shorten(kind) });
        }
        self.metric_type = type_of_word(kind);
        let metric_type = self.metric_type;
        if let Some((metric, _)) = metric_name(rest)
            && let Some(family) = self.family(&metric)
        {
            family.metric_type = metric_type;
        }
        Ok(())
    }

    /// Returns the family of this name; its lines are consecutive, so only the last family is compared. Returns `None`
    /// when no more metadata are kept.
    fn family(&mut self, metric: &str) -> Option<&mut FamilyMetadata> {
        if self.families.len() >= MAX_FAMILIES || self.family_bytes > MAX_FAMILY_BYTES {
            return None;
        }
        if self.families.last().is_none_or(|last| last.metric != metric) {
            self.family_bytes += metric.len();
            let (metric_type, metric) = (MetricType::Unknown, metric.to_owned());
            self.families.push(FamilyMetadata { metric, metric_type, help: String::new(), unit: String::new() });
        }
        self.families.last_mut()
    }

    fn sample<'a>(&self, text: &'a str) -> Result<TextSample<'a>, TextProblem> {
        let after = series(text, |_, _| {})?;
        let series = &text[..text.len() - after.len()];
        let (value, rest) = word(after);
        if value.is_empty() {
            return Err(TextProblem::NoValue);
        }
        // A name without braces must be followed by a blank: `a.b 1` is not a sample of `a`.
        if !after.starts_with([' ', '\t', '{']) && !series.ends_with('}') {
            return Err(TextProblem::MetricName { found: token(text) });
        }
        let value: f64 = value.parse().map_err(|_| TextProblem::Value { found: shorten(value) })?;
        let value = if value.is_nan() { f64::NAN } else { value };
        let bound = match self.metric_type {
            MetricType::Histogram => Some("le"),
            MetricType::Summary => Some("quantile"),
            _ => None,
        };
        let after_value = rest;
        let (stamp, rest) = word(rest);
        if stamp.is_empty() || self.is_exemplar(stamp) {
            let exemplar = exemplar_of(after_value);
            return Ok(TextSample { series, value, timestamp_ms: None, bound, exemplar });
        }
        let timestamp_ms = Some(self.timestamp(stamp)?);
        let (more, _) = word(rest);
        if !more.is_empty() && !self.is_exemplar(more) {
            return Err(TextProblem::Trailing { found: shorten(more) });
        }
        Ok(TextSample { series, value, timestamp_ms, bound, exemplar: exemplar_of(rest) })
    }

    fn is_exemplar(&self, word: &str) -> bool {
        self.dialect == Dialect::OpenMetrics && word.starts_with('#')
    }

    fn timestamp(&self, text: &str) -> Result<i64, TextProblem> {
        let (millis, expected) = match self.dialect {
            Dialect::Prometheus => (text.parse::<i64>().ok(), "integer epoch milliseconds"),
            Dialect::OpenMetrics => (seconds(text), "epoch seconds"),
        };
        millis
            .filter(|&millis| timestamp::in_range(millis))
            .ok_or_else(|| TextProblem::Timestamp { found: shorten(text), expected })
    }
}

/// Returns the text after the sign of an exemplar; `None` if there is none.
fn exemplar_of(rest: &str) -> Option<&str> {
    skip_blanks(rest).strip_prefix('#').map(skip_blanks)
}

/// Converts seconds to milliseconds, rounded.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let millis = (text.parse::<f64>().ok()? * 1000.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within 2^60")]
    (millis.abs() < (1_i64 << 60) as f64).then_some(millis as i64)
}

/// Returns the next word and the rest.
fn word(text: &str) -> (&str, &str) {
    let text = skip_blanks(text);
    text.split_at(text.find([' ', '\t']).unwrap_or(text.len()))
}

/// Returns the metric name at the start of a comment, quoted or not, and the rest.
fn metric_name(text: &str) -> Option<(Cow<'_, str>, &str)> {
    if text.starts_with('"') {
        return quoted(text).ok();
    }
    let (name, rest) = word(text);
    (!name.is_empty()).then_some((name.into(), rest))
}
