//! Scrape targets: schedule, request, and labels of their series.

use std::{borrow::Cow, fmt, sync::LazyLock, time::Duration};

use almanac_models::{Step, Timestamp};
use siphasher::sip128::SipHasher13;

use super::{ScrapeRequest, protobuf};
use crate::series::METRIC_NAME;

/// Header `Accept`, with the same preferences as Prometheus: OpenMetrics first.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The same with the protobuf format first, which alone has native histograms.
static ACCEPT_NATIVE: LazyLock<String> = LazyLock::new(|| format!("{};q=0.7,{ACCEPT}", protobuf::CONTENT_TYPE));

/// Page that is scraped at an interval.
#[derive(Clone, PartialEq, Eq)]
pub struct ScrapeTarget {
    /// Label `job` of every series.
    pub job: String,
    /// Label `instance` of every series: host and port.
    pub instance: String,
    /// Address of the page.
    pub url: String,
    /// Interval between scrapes.
    pub interval: Step,
    /// Timeout of a fetch; at most the interval.
    pub timeout: Duration,
    /// Further labels of every series.
    pub labels: Vec<(String, String)>,
    /// Whether a label of the page takes precedence over the target's label of the same name; otherwise the page's
    /// label is renamed to `exported_…`.
    pub honor_labels: bool,
    /// Token to send as `Authorization: Bearer …`.
    pub token: Option<String>,
    /// Maximum number of samples of a page; a page with more is a failure.
    pub sample_limit: usize,
    /// Whether the client follows redirects; otherwise a redirect is a failure.
    pub follow_redirects: bool,
    /// Whether the target is asked for the protobuf format, which has native histograms.
    pub native_histograms: bool,
}

/// Omits the token.
impl fmt::Debug for ScrapeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeTarget").field("job", &self.job).field("url", &self.url).finish_non_exhaustive()
    }
}

impl ScrapeTarget {
    /// Returns the request for the client.
    #[must_use]
    pub fn request(&self, body_limit: usize) -> ScrapeRequest {
        let interval = Duration::from_millis(self.interval.millis().unsigned_abs());
        ScrapeRequest {
            url: self.url.clone(),
            timeout: self.timeout.min(interval),
            accept: if self.native_histograms { &ACCEPT_NATIVE } else { ACCEPT },
            body_limit,
            token: self.token.clone(),
            follow_redirects: self.follow_redirects,
        }
    }

    /// Returns the first scrape time after `now`.
    ///
    /// Scrape times are multiples of the interval plus an offset that depends on the target alone. Targets are thus
    /// spread over the interval, and a restart does not change their times.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        let interval = self.interval.millis();
        let into = (now.millis() - scrape_offset_ms(self)).rem_euclid(interval);
        now.plus_millis(interval - into)
    }

    /// Returns the labels of the target itself.
    pub(super) fn own_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        [("job", self.job.as_str()), ("instance", self.instance.as_str())]
            .into_iter()
            .chain(self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Merges the labels of a scraped series with those of the target.
    pub(super) fn merge<'a>(
        &'a self,
        mut scraped: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    ) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        for (name, value) in self.own_labels() {
            match scraped.iter().position(|(n, v)| n == name && !v.is_empty()) {
                Some(_) if self.honor_labels => {}
                Some(idx) => {
                    // As in Prometheus: the prefix is repeated until the name is free.
                    let mut exported = format!("exported_{name}");
                    while scraped.iter().any(|(n, _)| *n == exported) {
                        exported.insert_str(0, "exported_");
                    }
                    scraped[idx].0 = exported.into();
                    scraped.push((name.into(), value.into()));
                }
                None => {
                    scraped.retain(|(n, _)| n != name);
                    scraped.push((name.into(), value.into()));
                }
            }
        }
        scraped
    }

    /// Returns the labels of one of the scraper's own series.
    pub(super) fn report_labels<'a>(&'a self, metric: &'a str) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        self.merge(vec![(METRIC_NAME.into(), metric.into())])
    }
}

/// Returns the offset of a target's scrapes within its interval, in milliseconds; constant across restarts.
#[must_use]
pub fn scrape_offset_ms(target: &ScrapeTarget) -> i64 {
    let text = format!("{}\0{}\0{}", target.job, target.instance, target.url);
    let hash = SipHasher13::new().hash(text.as_bytes()).h1 >> 1;
    #[expect(clippy::cast_possible_wrap, reason = "the highest bit was shifted out")]
    (hash as i64).rem_euclid(target.interval.millis())
}
