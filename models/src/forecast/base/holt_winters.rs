//! Exponential smoothing with a damped trend and any number of additive seasons: state, forecast and search of weights.
//! Shared by the ensemble, [`HoltWinters`](super::HoltWinters) and [`Mstl`](super::Mstl).

/// Grid of weights for the level, each season and the persistence of the error. Tried values:
/// `docs/tuning/forecast.md`.
const ALPHAS: [f64; 6] = [0.002, 0.02, 0.1, 0.3, 0.6, 0.9];
const GAMMAS: [f64; 5] = [0.0, 0.03, 0.1, 0.25, 0.5];
const RHOS: [f64; 5] = [0.0, 0.4, 0.7, 0.9, 0.97];
/// Grid of weights of the trend, with its damping per step.
const TRENDS: [(f64, f64); 3] = [(0.0, 0.0), (0.01, 0.98), (0.05, 0.9)];
/// Number of values at the end of a series that the search uses, or 2.5 of the longest season if that is more.
const SEARCHED: usize = 3_000;

/// Weights of one exponential smoothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SmoothingWeights {
    /// Share of an innovation that goes into the level.
    pub alpha: f64,
    /// Share of an innovation that goes into the trend.
    pub beta: f64,
    /// Share of the trend that remains one step later.
    pub damping: f64,
    /// Share of an innovation that goes into each season, one entry per season.
    pub gammas: Vec<f64>,
    /// Share of an error that persists one step later.
    pub rho: f64,
}

/// Level, trend, seasons and last error at one step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SmoothingState {
    level: f64,
    trend: f64,
    /// One ring per season, indexed by the step modulo its length.
    seasons: Vec<Vec<f64>>,
    error: f64,
    /// Number of values taken.
    step: usize,
}

impl SmoothingState {
    /// Returns a state at step 0 with level and seasons estimated on the first three cycles of `z`, which is finite,
    /// not empty and longer than each of `periods`.
    pub(crate) fn initial(z: &[f64], periods: &[usize]) -> Self {
        let longest = periods.last().copied().unwrap_or(1).max(1);
        let used = &z[..z.len().min((3 * longest).max(10))];
        let level = used.iter().sum::<f64>() / used.len() as f64;
        let mut rest: Vec<f64> = used.iter().map(|v| v - level).collect();
        let mut seasons = Vec::with_capacity(periods.len());
        for &m in periods {
            let mut sum = vec![0.0; m];
            let mut count = vec![0.0f64; m];
            for (t, v) in rest.iter().enumerate() {
                sum[t % m] += v;
                count[t % m] += 1.0;
            }
            // A prior of half a cycle shrinks seasons with few cycles towards 0.
            let ring: Vec<f64> = sum.iter().zip(&count).map(|(s, c)| s / (c + 0.5)).collect();
            for (t, v) in rest.iter_mut().enumerate() {
                *v -= ring[t % m];
            }
            seasons.push(ring);
        }
        Self { level, trend: 0.0, seasons, error: 0.0, step: 0 }
    }

    fn seasonal(&self, step: usize) -> f64 {
        self.seasons.iter().map(|ring| ring[step % ring.len()]).sum()
    }

    /// Returns the number of values taken.
    pub(crate) fn step(&self) -> usize {
        self.step
    }

    /// Updates the state with the next value. Returns the innovation: the value minus its forecast.
    pub(crate) fn push(&mut self, weights: &SmoothingWeights, value: f64) -> f64 {
        let base = self.level + weights.damping * self.trend + self.seasonal(self.step);
        let departure = value - base;
        let innovation = departure - weights.rho * self.error;
        self.level += weights.damping * self.trend + weights.alpha * innovation;
        self.trend = weights.damping * self.trend + weights.beta * innovation;
        for (ring, gamma) in self.seasons.iter_mut().zip(&weights.gammas) {
            let phase = self.step % ring.len();
            ring[phase] += gamma * innovation;
        }
        self.error = departure;
        self.step += 1;
        innovation
    }

    /// Forecasts the next `horizon` values.
    pub(crate) fn forecast(&self, weights: &SmoothingWeights, horizon: usize) -> Vec<f64> {
        let (mut level, mut trend, mut error) = (self.level, self.trend, self.error);
        (0..horizon)
            .map(|k| {
                trend *= weights.damping;
                error *= weights.rho;
                level += trend;
                level + self.seasonal(self.step + k) + error
            })
            .collect()
    }
}

/// Returns the number of values at the end of a series that a search uses.
pub(crate) fn search_length(longest: usize) -> usize {
    SEARCHED.max(2 * longest + longest / 2)
}

/// Starting point of a search.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SearchStart<'a> {
    /// Default weights, two rounds.
    Fresh,
    /// These weights, one round.
    Refine(&'a SmoothingWeights),
    /// No search: these weights are used, unless their number of seasons differs.
    Keep(&'a SmoothingWeights),
}

impl SmoothingWeights {
    /// Returns the weights that a fresh search starts at.
    fn initial(n_seasons: usize) -> Self {
        Self { alpha: 0.02, beta: 0.0, damping: 0.0, gammas: vec![0.1; n_seasons], rho: 0.7 }
    }

    /// Returns the standard deviation of the error at leads 1 to `horizon`, relative to one step. Seasons are left out:
    /// they contribute only at leads beyond a season.
    pub(crate) fn spread(&self, horizon: usize) -> Vec<f64> {
        let (mut variance, mut trend, mut persists) = (1.0f64, 0.0, 1.0);
        (0..horizon)
            .map(|_| {
                let out = variance.sqrt();
                // Effect of one innovation at this lead.
                persists *= self.rho;
                trend = self.damping * (trend + self.beta);
                variance += (self.alpha + trend + persists).powi(2);
                out
            })
            .collect()
    }
}

/// Returns the weights with the least sum of squared one-step errors on `z`, in which older errors weigh less.
///
/// `z`: finite throughout, longer than each of `periods`, which are ascending. Coordinate descent: one weight at a time
/// is set to its best value, in two rounds of 6 + 5 + 3 + 5 per season passes over the last [`search_length`] values.
///
/// # Reference
/// Taylor (2010), Triple seasonal methods for short-term electricity demand forecasting, section 3.2: additive seasons
/// and an autoregressive error. Deviates: the trend is damped, the weights lie on a grid.
pub(crate) fn search(z: &[f64], periods: &[usize], from: SearchStart) -> SmoothingWeights {
    let (rounds, mut best) = match from {
        SearchStart::Keep(weights) if weights.gammas.len() == periods.len() => return weights.clone(),
        SearchStart::Refine(weights) if weights.gammas.len() == periods.len() => (1, weights.clone()),
        _ => (2, SmoothingWeights::initial(periods.len())),
    };
    let longest = periods.last().copied().unwrap_or(0);
    let z = &z[z.len().saturating_sub(search_length(longest))..];
    let start = SmoothingState::initial(z, periods);
    let mut least = loss(z, &start, &best, f64::INFINITY);
    for _ in 0..rounds {
        for change in moves(periods.len()) {
            let tried = change(&best);
            if tried != best {
                let found = loss(z, &start, &tried, least);
                if found < least {
                    (least, best) = (found, tried);
                }
            }
        }
    }
    best
}

/// Replaces one weight.
type Move = Box<dyn Fn(&SmoothingWeights) -> SmoothingWeights>;

/// Returns the moves of one round: each weight set to each value of its grid.
fn moves(n_seasons: usize) -> Vec<Move> {
    let mut all: Vec<Move> = Vec::new();
    for rho in RHOS {
        all.push(Box::new(move |w| SmoothingWeights { rho, ..w.clone() }));
    }
    for alpha in ALPHAS {
        all.push(Box::new(move |w| SmoothingWeights { alpha, ..w.clone() }));
    }
    for season in 0..n_seasons {
        for gamma in GAMMAS {
            all.push(Box::new(move |w| {
                let mut changed = w.clone();
                changed.gammas[season] = gamma;
                changed
            }));
        }
    }
    for (beta, damping) in TRENDS {
        all.push(Box::new(move |w| SmoothingWeights { beta, damping, ..w.clone() }));
    }
    all
}

/// Returns the weighted sum of squared innovations, without the first fifth. Weights fall to 1/e over a third of `z`.
/// The result is infinite as soon as the sum exceeds `most`.
fn loss(z: &[f64], start: &SmoothingState, weights: &SmoothingWeights, most: f64) -> f64 {
    let mut state = start.clone();
    let burn = z.len() / 5;
    let grow = (3.0 / z.len() as f64).exp();
    let (mut sum, mut w) = (0.0, 1.0);
    for (t, &v) in z.iter().enumerate() {
        let innovation = state.push(weights, v);
        if t >= burn {
            sum += w * innovation * innovation;
            if sum > most {
                return f64::INFINITY;
            }
        }
        w *= grow;
    }
    sum
}
