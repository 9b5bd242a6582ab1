use almanac_engine::{
    calendar::{Calendar, Zone, parse_date},
    learn::{LearnOptions, SignalSpec},
    store::rows::SignalOrigin,
};
use almanac_models::{Horizon, Step, UnitError};
use chrono::NaiveDate;
use serde::Deserialize;

use super::{Config, Span};

/// When and how signals are learned.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Learn {
    /// How many signals are made of the store's own series besides those in the file.
    pub default_signals: usize,
    /// When those are first chosen and learned after the start.
    pub start_after: Span,
    /// How often they are chosen anew.
    pub choose_every: Span,
    /// How often signals are looked over for one that is due, and new values are scored.
    pub every: Span,
    /// Time from one fit of a signal to the next; left out: 360 of its steps, between ten minutes and six hours.
    pub refit: Option<Span>,
    /// Fits that run at the same time; left out: half of the processors.
    pub threads: Option<usize>,
    /// The time zone whose days and weeks signals follow, such as `Europe/Berlin`; left out: UTC.
    #[serde(deserialize_with = "zone")]
    pub time_zone: Option<Zone>,
    /// Days of that zone that are not like others, such as `["2026-12-25"]`: they teach the ordinary pattern nothing.
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

/// A signal: a name and a PromQL expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// The name; no two signals share one.
    pub name: String,
    /// The expression.
    pub expr: String,
    /// Distance between its points.
    #[serde(default = "default_step")]
    pub step: Span,
    /// Lengths of its seasons; left out: they are searched for.
    pub seasons: Option<Vec<Span>>,
    /// How far it is forecast.
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
    pub(super) fn check(&self) -> Result<(), String> {
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
        // As many steps as the horizon needs.
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
    /// The signals that the file names.
    ///
    /// # Errors
    /// [`UnitError`] for a step or a horizon that is out of range.
    pub fn signal_specs(&self) -> Result<Vec<SignalSpec>, UnitError> {
        self.signals.iter().map(Signal::spec).collect()
    }

    /// How signals are learned.
    #[must_use]
    pub fn learn_options(&self) -> LearnOptions {
        let usual = LearnOptions::default();
        LearnOptions {
            threads: self.learn.threads.map_or(usual.threads, |threads| threads.max(1)),
            refit_ms: self.learn.refit.map(Span::millis).or(usual.refit_ms),
            calendar: Calendar { zone: self.learn.time_zone, holidays: self.learn.holidays.clone() },
            ..usual
        }
    }
}
