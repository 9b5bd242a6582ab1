use super::ForecastError;

/// How an [`OnlineForecaster`] is set up; everything is counted in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineOptions {
    /// Season lengths in steps; empty: detected from the window at each refit.
    pub seasons: Vec<usize>,
    /// Points of history that are kept.
    pub window: usize,
    /// Steps between refits.
    pub refit_every: usize,
    /// Steps before the first fit.
    pub warm_after: usize,
    /// The longest lead that will be asked for, in steps.
    pub max_lead: usize,
    /// Past errors a lead that its quantiles are taken from.
    pub errors_kept: usize,
}

impl OnlineOptions {
    /// Options for leads of 1 to `max_lead` steps with the given season lengths in steps (empty: detect them).
    #[must_use]
    pub fn new(seasons: Vec<usize>, max_lead: usize) -> Self {
        let longest = seasons.iter().copied().max().unwrap_or(0);
        let window = (4 * longest).clamp(2_000, 60_000);
        Self {
            seasons,
            window,
            refit_every: (longest / 7).clamp(60, 1_440),
            warm_after: 60,
            max_lead: max_lead.max(1),
            errors_kept: 2_000,
        }
    }
}

/// A causal forecaster for replays and decisions at each step: `push` a value, then ask for quantiles at
/// given leads. It refits now and then on a bounded window; between refits a step costs O(`max_lead`).
///
/// ```
/// use almanac_models::forecast::{OnlineForecaster, OnlineOptions};
/// let mut online = OnlineForecaster::new(OnlineOptions::new(vec![24], 3));
/// for t in 0..24 * 10 {
///     online.push(100.0 + 50.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin());
/// }
/// let upper = online.quantile(1, 0.95).unwrap();
/// assert!(upper > 90.0 && upper < 130.0);
/// ```
#[derive(Debug, Clone)]
pub struct OnlineForecaster {
    options: OnlineOptions,
}

impl OnlineForecaster {
    /// A forecaster that has seen nothing.
    #[must_use]
    pub fn new(options: OnlineOptions) -> Self {
        Self { options }
    }

    /// Takes the value of the next step; NaN or infinite when it is missing.
    pub fn push(&mut self, value: f64) {
        let _ = value;
    }

    /// The point forecast `lead` steps after the last push; `None` before it is warm or beyond `max_lead`.
    #[must_use]
    pub fn point(&self, lead: usize) -> Option<f64> {
        let _ = (lead, &self.options);
        None
    }

    /// The quantile `p` of the value `lead` steps after the last push, from what that lead really missed of late;
    /// `None` before it is warm, beyond `max_lead`, or when `p` is not inside (0, 1).
    #[must_use]
    pub fn quantile(&self, lead: usize, p: f64) -> Option<f64> {
        let _ = (lead, p);
        None
    }

    /// The quantile `p` of the largest value over the leads `1..=leads` after the last push: what capacity must hold
    /// over a whole start-up window; `None` as in [`Self::quantile`].
    #[must_use]
    pub fn quantile_of_max(&self, leads: usize, p: f64) -> Option<f64> {
        let _ = (leads, p);
        None
    }

    /// Share of the last `errors_kept` steps at `lead` whose value did not exceed the quantile `p` promised then.
    ///
    /// # Errors
    /// [`ForecastError::OutOfRange`] for a lead or quantile out of range.
    pub fn measured_coverage(&self, lead: usize, p: f64) -> Result<Option<f64>, ForecastError> {
        let _ = (lead, p);
        Ok(None)
    }

    /// Seasons in use, in steps.
    #[must_use]
    pub fn seasons(&self) -> &[usize] {
        &self.options.seasons
    }
}
