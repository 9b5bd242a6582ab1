//! Exponential smoothing with a damped trend and any number of additive seasons, in double precision.

/// Weights that the search tries for the level, each season and the error's persistence. On the M4 hourly half a grid
/// twice as fine changes the errors by less than the halves of its series differ.
const ALPHAS: [f64; 6] = [0.002, 0.02, 0.1, 0.3, 0.6, 0.9];
const GAMMAS: [f64; 5] = [0.0, 0.03, 0.1, 0.25, 0.5];
const RHOS: [f64; 5] = [0.0, 0.4, 0.7, 0.9, 0.97];
/// Weight of the trend, and its damping over a step.
const TRENDS: [(f64, f64); 3] = [(0.0, 0.0), (0.01, 0.98), (0.05, 0.9)];
/// Steps that the search looks at, from the end; seasons longer than a third of them are given twice of themselves.
const SEARCHED: usize = 3_000;

/// The weights of one exponential smoothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    /// Share of a surprise that goes into the level.
    pub alpha: f64,
    /// Share of a surprise that goes into the trend.
    pub beta: f64,
    /// Share of the trend that is left a step later.
    pub damping: f64,
    /// Share of a surprise that goes into each season, one entry a season.
    pub gammas: Vec<f64>,
    /// Share of an error that persists a step later.
    pub rho: f64,
}

/// Level, trend, seasons and last error at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SmoothingState {
    level: f64,
    trend: f64,
    /// One ring a season, indexed by the step modulo its length.
    seasons: Vec<Vec<f64>>,
    error: f64,
    /// Steps taken since the start.
    step: usize,
}

impl SmoothingState {
    /// A state at step 0 whose seasons are those that `z` shows over its first cycles; `z` is finite and not empty,
    /// longer than each of `periods`.
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
            // Half a cycle of nothing draws seasons seen once or twice towards 0.
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

    /// Steps taken since the start.
    pub(crate) fn step(&self) -> usize {
        self.step
    }

    /// Takes the next value; how far it was from what was expected of it.
    pub(crate) fn push(&mut self, weights: &Weights, value: f64) -> f64 {
        let base = self.level + weights.damping * self.trend + self.seasonal(self.step);
        let departure = value - base;
        let surprise = departure - weights.rho * self.error;
        self.level += weights.damping * self.trend + weights.alpha * surprise;
        self.trend = weights.damping * self.trend + weights.beta * surprise;
        for (ring, gamma) in self.seasons.iter_mut().zip(&weights.gammas) {
            let phase = self.step % ring.len();
            ring[phase] += gamma * surprise;
        }
        self.error = departure;
        self.step += 1;
        surprise
    }

    /// The next `horizon` values.
    pub(crate) fn forecast(&self, weights: &Weights, horizon: usize) -> Vec<f64> {
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

/// Values at the end of a series that a search looks at.
pub(crate) fn searched(longest: usize) -> usize {
    SEARCHED.max(2 * longest + longest / 2)
}

/// Where a search starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    Fresh,
    /// From these, once around.
    Refine(&'a Weights),
    /// With these, unless they are of other seasons.
    Keep(&'a Weights),
}

impl Weights {
    fn usual(n_seasons: usize) -> Self {
        Self { alpha: 0.02, beta: 0.0, damping: 0.0, gammas: vec![0.1; n_seasons], rho: 0.7 }
    }

    /// The standard deviation of the error 1, 2, … `horizon` steps ahead over that of one step, seasons left out: they
    /// add to it only a season ahead.
    pub(crate) fn spread(&self, horizon: usize) -> Vec<f64> {
        let (mut variance, mut trend, mut persists) = (1.0f64, 0.0, 1.0);
        (0..horizon)
            .map(|_| {
                let out = variance.sqrt();
                // What one surprise adds that many steps later.
                persists *= self.rho;
                trend = self.damping * (trend + self.beta);
                variance += (self.alpha + trend + persists).powi(2);
                out
            })
            .collect()
    }
}

/// The weights that foretold `z` best one step ahead, by the mean of squares with older errors counting less.
///
/// `z`: finite throughout, longer than each of `periods`, which are ascending. One weight at a time is moved to its
/// best value, twice around: 2 × (6 + 5 + 3 + 5 a season) passes over at most `SEARCHED` values or two of the longest
/// season.
///
/// # Reference
/// Taylor (2010), Triple seasonal methods for short-term electricity demand forecasting, section 3.2: additive seasons
/// and an autoregressive error. Deviates: the trend is damped, the weights lie on a grid.
pub(crate) fn search(z: &[f64], periods: &[usize], from: Start) -> Weights {
    let (rounds, mut best) = match from {
        Start::Keep(weights) if weights.gammas.len() == periods.len() => return weights.clone(),
        Start::Refine(weights) if weights.gammas.len() == periods.len() => (1, weights.clone()),
        _ => (2, Weights::usual(periods.len())),
    };
    let longest = periods.last().copied().unwrap_or(0);
    let z = &z[z.len().saturating_sub(searched(longest))..];
    let start = SmoothingState::initial(z, periods);
    let mut least = loss(z, &start, &best, f64::INFINITY);
    for _ in 0..rounds {
        for moved in moves(periods.len()) {
            let tried = moved(&best);
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

type Move = Box<dyn Fn(&Weights) -> Weights>;

/// One weight after the other set to each of its values.
fn moves(n_seasons: usize) -> Vec<Move> {
    let mut all: Vec<Move> = Vec::new();
    for rho in RHOS {
        all.push(Box::new(move |w| Weights { rho, ..w.clone() }));
    }
    for alpha in ALPHAS {
        all.push(Box::new(move |w| Weights { alpha, ..w.clone() }));
    }
    for season in 0..n_seasons {
        for gamma in GAMMAS {
            all.push(Box::new(move |w| {
                let mut moved = w.clone();
                moved.gammas[season] = gamma;
                moved
            }));
        }
    }
    for (beta, damping) in TRENDS {
        all.push(Box::new(move |w| Weights { beta, damping, ..w.clone() }));
    }
    all
}

/// Sum of the squares of the surprises, the first fifth left out, later ones counting more: a third of `z` ago counts
/// 1/e. Infinite as soon as it is more than `most`.
fn loss(z: &[f64], start: &SmoothingState, weights: &Weights, most: f64) -> f64 {
    let mut state = start.clone();
    let burn = z.len() / 5;
    let grow = (3.0 / z.len() as f64).exp();
    let (mut sum, mut w) = (0.0, 1.0);
    for (t, &v) in z.iter().enumerate() {
        let surprise = state.push(weights, v);
        if t >= burn {
            sum += w * surprise * surprise;
            if sum > most {
                return f64::INFINITY;
            }
        }
        w *= grow;
    }
    sum
}
