//! Settings of learning: `[learn]`, and the configured signals, `[[signal]]`.

use almanac_engine::{
    calendar::{Calendar, Zone, parse_date},
    learn::{LearnOptions, SignalSpec},
    store::rows::SignalOrigin,
};
use almanac_models::{Horizon, Step, UnitError};
use chrono::NaiveDate;
use serde::Deserialize;

use crate::config::{Config, Span};

/// Settings of learning, `[learn]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Learn {
    /// Number of signals selected from the store's series, besides the configured ones.
    pub default_signals: usize,
    /// Time from the start to the first selection of default signals.
    pub start_after: Span,
    /// Interval between selections of default signals.
    pub choose_every: Span,
    /// Interval between checks for due fits; new values are scored at the same time.
    pub every: Span,
    /// Time between two fits of a signal, and at most five minutes until one that failed is tried again; by default 360 of
    /// its steps, between ten minutes and six hours.
    pub refit: Option<Span>,
    /// Number of simultaneous fits; by default half of the processors.
    pub threads: Option<usize>,
    /// Time zone of days and weeks, such as `Europe/Berlin`: seasons follow local time across daylight saving; by
    /// default UTC.
    #[serde(deserialize_with = "zone")]
    pub time_zone: Option<Zone>,
    /// Past and future holidays in that zone, such as `["2026-12-25"]`. They are excluded from training and forecast as
    /// the mean of past holidays, or as the lowest weekday when there are none.
    #[serde(deserialize_with = "dates")]
    pub holidays: Vec<NaiveDate>,
}

fn zone<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Zone>, D::Error> {
    let name = String::deserialize(value)?;
    name.parse().map(Some).map_err(serde::de::Error::custom)
}

fn dates<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Vec<NaiveDate>, D::Error> {
    let texts = Vec::<String>::deserialize(value)?;
    texts.iter().map(|text| parse_date(text).map_err(serde::de::Error::custom)).collect()
}

/// A configured signal, `[[signal]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Unique name of the signal.
    pub name: String,
    /// PromQL expression that gives one series.
    pub expr: String,
    /// Distance between its points.
    #[serde(default = "default_step")]
    pub step: Span,
    /// Lengths of its seasons; by default they are detected.
    pub seasons: Option<Vec<Span>>,
    /// Length of its forecast.
    #[serde(default = "default_horizon")]
    pub horizon: Span,
}

fn default_step() -> Span {
    Span::from_secs(60)
}

fn default_horizon() -> Span {
    Span::from_secs(86_400)
}

impl Default for Learn {
    fn default() -> Self {
        Self {
            default_signals: 200,
            start_after: Span::from_secs(300),
            choose_every: Span::from_secs(3600),
            every: Span::from_secs(60),
            refit: None,
            threads: None,
            time_zone: None,
            holidays: Vec::new(),
        }
    }
}

impl Signal {
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| format!("signal {:?}: {error}", self.name);
        self.spec().map_err(|error| wrong(&error))?;
        almanac_engine::signal::parse(&self.expr).map_err(|error| wrong(&crate::chain(&error)))?;
        Ok(())
    }

    fn spec(&self) -> Result<SignalSpec, UnitError> {
        let step = Step::from_millis(self.step.millis())?;
        let seasons = self.seasons.as_ref().map(|seasons| {
            seasons.iter().map(|season| Step::from_millis(season.millis())).collect::<Result<Vec<_>, _>>()
        });
        // Rounded up: the last step ends at the horizon or later.
        let steps = (self.horizon.millis() - 1) / step.millis() + 1;
        Ok(SignalSpec {
            name: self.name.clone(),
            expr: self.expr.clone(),
            step,
            seasons: seasons.transpose()?,
            horizon: Horizon::try_new(usize::try_from(steps).unwrap_or(usize::MAX))?,
            origin: SignalOrigin::Configured,
        })
    }
}

impl Config {
    /// Returns the configured signals.
    ///
    /// # Errors
    /// [`UnitError`] for a step or a horizon that is out of range.
    pub fn signal_specs(&self) -> Result<Vec<SignalSpec>, UnitError> {
        self.signals.iter().map(Signal::spec).collect()
    }

    /// Returns the options of learning, with the engine's default for every key that is left out.
    #[must_use]
    pub fn learn_options(&self) -> LearnOptions {
        let defaults = LearnOptions::default();
        let refit_ms = self.learn.refit.map(Span::millis).or(defaults.refit_ms);
        LearnOptions {
            threads: self.learn.threads.map_or(defaults.threads, |threads| threads.max(1)),
            refit_ms,
            retry_ms: refit_ms.map_or(defaults.retry_ms, |refit_ms| refit_ms.min(defaults.retry_ms)),
            calendar: Calendar { zone: self.learn.time_zone, holidays: self.learn.holidays.clone() },
            ..defaults
        }
    }
}
