//! When a target is due, what is fetched, and which labels its series get.

use std::{borrow::Cow, fmt, time::Duration};

use almanac_models::{Step, Timestamp};
use siphasher::sip128::SipHasher13;

use super::ScrapeRequest;
use crate::series::METRIC_NAME;

/// Asks for OpenMetrics first, as Prometheus does.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// One page that is fetched again and again.
#[derive(Clone, PartialEq, Eq)]
pub struct ScrapeTarget {
    /// Label `job` of every series.
    pub job: String,
    /// Label `instance` of every series: host and port.
    pub instance: String,
    /// The page's address.
    pub url: String,
    /// How often.
    pub interval: Step,
    /// How long a fetch may take; at most the interval.
    pub timeout: Duration,
    /// Further labels of every series.
    pub labels: Vec<(String, String)>,
    /// Whether a label of the page wins over one of the target with the same name; otherwise the
    /// page's is renamed to `exported_…`.
    pub honor_labels: bool,
    /// What the target wants to hear as `Authorization: Bearer …`.
    pub token: Option<String>,
}

/// Without the token.
impl fmt::Debug for ScrapeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeTarget").field("job", &self.job).field("url", &self.url).finish_non_exhaustive()
    }
}

impl ScrapeTarget {
    /// What the client is to fetch.
    #[must_use]
    pub fn request(&self, body_limit: usize) -> ScrapeRequest {
        let interval = Duration::from_millis(self.interval.millis().unsigned_abs());
        ScrapeRequest {
            url: self.url.clone(),
            timeout: self.timeout.min(interval),
            accept: ACCEPT,
            body_limit,
            token: self.token.clone(),
        }
    }

    /// The first moment after `now` at which the target is due.
    ///
    /// The moments are a grid that depends on the target and the interval alone, so that targets are
    /// spread over the interval and a restart does not move them.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        let interval = self.interval.millis();
        let into = (now.millis() - scrape_offset_ms(self)).rem_euclid(interval);
        now.plus_millis(interval - into)
    }

    /// The labels of the target itself.
    pub(super) fn own_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        [("job", self.job.as_str()), ("instance", self.instance.as_str())]
            .into_iter()
            .chain(self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The labels of a series of the page together with the target's.
    pub(super) fn merge<'a>(
        &'a self,
        mut scraped: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    ) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        for (name, value) in self.own_labels() {
            match scraped.iter().position(|(n, v)| n == name && !v.is_empty()) {
                Some(_) if self.honor_labels => {}
                Some(idx) => {
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

    /// The labels of one of the scraper's own series.
    pub(super) fn report_labels<'a>(&'a self, metric: &'a str) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        self.merge(vec![(METRIC_NAME.into(), metric.into())])
    }
}

/// Where in its interval a target is due, in milliseconds: the same at every start.
#[must_use]
pub fn scrape_offset_ms(target: &ScrapeTarget) -> i64 {
    let text = format!("{}\0{}\0{}", target.job, target.instance, target.url);
    let hash = SipHasher13::new().hash(text.as_bytes()).h1 >> 1;
    #[expect(clippy::cast_possible_wrap, reason = "the highest bit was shifted out")]
    (hash as i64).rem_euclid(target.interval.millis())
}
