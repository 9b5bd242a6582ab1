//! The base models of one series side by side, and how their forecasts become one.

use crate::forecast::base::{
    FittedGrowth, FittedProfile, FittedRidgeAr, Growth, RidgeAr, SeasonalProfile, SmoothingState, Start, Weights,
    drift, prefix_sums, search, seasonal_mean, seasonal_naive,
};
use crate::forecast::prepare::{Space, Support};

/// A history on every scale that a base model uses.
#[derive(Debug, Clone)]
pub(crate) struct Views {
    pub spaces: Vec<Space>,
    pub z: Vec<Vec<f64>>,
    pub sums: Vec<Vec<f64>>,
}

impl Views {
    /// `y`: finite throughout; `None` when it is constant.
    pub(crate) fn new(y: &[f64], support: Support) -> Option<Self> {
        let ratio = match support.upper() {
            Some(high) => Space::logit(y, high),
            None => Space::log(y),
        };
        let spaces: Vec<Space> = [Space::linear(y), ratio].into_iter().flatten().collect();
        Space::linear(y)?;
        let z: Vec<Vec<f64>> = spaces.iter().map(|s| y.iter().map(|&v| s.forward(v)).collect()).collect();
        let sums = z.iter().map(|z| prefix_sums(z)).collect();
        Some(Self { spaces, z, sums })
    }

    pub(crate) fn len(&self) -> usize {
        self.z[0].len()
    }

    /// Adds the next value, finite.
    pub(crate) fn push(&mut self, value: f64) {
        for ((space, z), sums) in self.spaces.iter().zip(&mut self.z).zip(&mut self.sums) {
            let v = space.forward(value);
            let last = sums[sums.len() - 1];
            z.push(v);
            sums.push(last + v);
        }
    }
}

#[derive(Debug, Clone)]
enum Base {
    Ar(FittedRidgeAr),
    Profile(FittedProfile),
    Naive(usize),
    Mean(usize),
    Smoothing(Box<(Weights, SmoothingState)>),
    Growth(FittedGrowth),
    /// The last value, moved by this much a step.
    Drift(f64),
}

/// What a member carries from step to step.
#[derive(Debug, Clone)]
pub(crate) enum State {
    None,
    Level(f64),
    Smoothing(Box<SmoothingState>),
}

/// Base models fitted on one history.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    members: Vec<(usize, Base)>,
    support: Support,
}

/// Lengths, in steps, with which a series may repeat itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Periods<'a> {
    /// Seasons, shortest first.
    pub seasons: &'a [usize],
    /// Seasons, and days and weeks that may be some.
    pub cycles: &'a [usize],
    /// The one of them over which values change least.
    pub cycle: Option<usize>,
}

/// What becomes of the smoothing weights of a fit on less history: a search of its own for each would cost more than
/// all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Keep,
    Refine,
}

/// Which base models an [`Ensemble`] has beside autoregressions and profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    /// Those that cost next to nothing a step.
    Light,
    /// All.
    Full,
}

impl Ensemble {
    /// Fits every base model on the first `n` values of `views`; `before`: the fit on fewer of them.
    pub(crate) fn fit(
        views: &Views,
        n: usize,
        periods: Periods,
        horizon: usize,
        support: Support,
        which: Members,
        before: Option<(&Self, Again)>,
    ) -> Self {
        let seasons: Vec<usize> = periods.seasons.iter().copied().filter(|&m| n > m).collect();
        // Chosen on the M4 hourly half: weights fall to 1/e in 2.4 weeks; 1.2 and 6 weeks differ by under 1 %.
        let decay = seasons.last().map_or(1_000.0, |&m| (2.4 * m as f64).max(100.0));
        // A fit that only measures may look at fewer rows.
        let max_rows = match (which, before) {
            (Members::Light, _) => 5_000,
            (_, Some((_, Again::Refine))) => 3_000,
            _ => 1_000,
        };
        let mut members = Vec::new();
        for (i, z) in views.z.iter().enumerate() {
            let z = &z[..n];
            let ar = RidgeAr { seasons: seasons.clone(), decay, ridge: 3e-4, max_rows };
            // Members stand at the same place however long the history is.
            members.push((i, ar.fit(z).map_or(Base::Naive(1), Base::Ar)));
            let profile = SeasonalProfile { seasons: seasons.clone(), keep: 0.9, shrink: 0.5 };
            members.push((i, Base::Profile(profile.fit(z, horizon))));
        }
        let shortest = [seasons.first().copied().unwrap_or(1)];
        let repeated = if which == Members::Full && !periods.cycles.is_empty() { periods.cycles } else { &shortest };
        members.extend(repeated.iter().map(|m| (0, Base::Naive(*m))));
        if which == Members::Full {
            members.extend(periods.cycle.map(|m| (0, Base::Mean(m))));
            let last = views.z.len() - 1;
            let z = &views.z[last][..n];
            let start = match before.and_then(|(other, again)| Some((other.smoothing()?, again))) {
                Some((weights, Again::Keep)) => Start::Keep(weights),
                Some((weights, Again::Refine)) => Start::Refine(weights),
                None => Start::Fresh,
            };
            let weights = search(z, &seasons, start);
            let mut state = SmoothingState::initial(z, &seasons);
            for v in z {
                state.push(&weights, *v);
            }
            members.push((last, Base::Smoothing(Box::new((weights, state)))));
            // Without it a counter, or a disk that fills, was foretold to stand still.
            members.push((0, Base::Drift(drift(&views.z[0][..n], periods.cycle.unwrap_or(horizon)).unwrap_or(0.0))));
            let season = seasons.first().copied().unwrap_or(1);
            members.push((last, Growth { seasons }.fit(z).map_or(Base::Naive(season), Base::Growth)));
        }
        Self { members, support }
    }

    /// The weights of the member that smooths exponentially.
    fn smoothing(&self) -> Option<&Weights> {
        self.members.iter().find_map(|(_, base)| match base {
            Base::Smoothing(fitted) => Some(&fitted.0),
            _ => None,
        })
    }

    /// Names of the members, such as `ar(log)`.
    pub(crate) fn names(&self, views: &Views) -> Vec<String> {
        self.members
            .iter()
            .map(|(space, base)| {
                let name = match base {
                    Base::Ar(_) => "ar",
                    Base::Profile(_) => "profile",
                    Base::Naive(1) => "naive",
                    Base::Naive(_) => "snaive",
                    Base::Mean(_) => "smean",
                    Base::Smoothing(_) => "holtwinters",
                    Base::Growth(_) => "growth",
                    Base::Drift(_) => "drift",
                };
                match views.spaces[*space].name() {
                    Some(scale) => format!("{name}({scale})"),
                    None => name.to_owned(),
                }
            })
            .collect()
    }

    pub(crate) fn support(&self) -> Support {
        self.support
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// What each member carries at the end of `views`.
    pub(crate) fn states(&self, views: &Views) -> Vec<State> {
        self.states_at(views, views.len())
    }

    fn states_at(&self, views: &Views, origin: usize) -> Vec<State> {
        self.members
            .iter()
            .map(|(i, base)| match base {
                Base::Profile(profile) => State::Level(profile.level(&views.z[*i][..origin])),
                Base::Smoothing(fitted) => {
                    let (weights, state) = &**fitted;
                    let mut state = state.clone();
                    for v in &views.z[*i][state.step().min(origin)..origin] {
                        state.push(weights, *v);
                    }
                    State::Smoothing(Box::new(state))
                }
                Base::Ar(_) | Base::Naive(_) | Base::Mean(_) | Base::Growth(_) | Base::Drift(_) => State::None,
            })
            .collect()
    }

    /// Takes the last value of `views` into the states.
    pub(crate) fn update(&self, views: &Views, states: &mut [State]) {
        for ((i, base), state) in self.members.iter().zip(states) {
            let z = &views.z[*i];
            match (base, state) {
                (Base::Profile(profile), State::Level(level)) => {
                    *level = profile.next_level(*level, z[z.len() - 1], z.len() - 1);
                }
                (Base::Smoothing(fitted), State::Smoothing(state)) => {
                    state.push(&fitted.0, z[z.len() - 1]);
                }
                _ => {}
            }
        }
    }

    /// The course of each member for the `horizon` steps after the first `origin` values of `views`, in the unit of
    /// the series; no member was fitted on more than these.
    pub(crate) fn forecasts(&self, views: &Views, origin: usize, horizon: usize) -> Vec<Vec<f64>> {
        self.courses(views, &self.states_at(views, origin), origin, horizon)
    }

    /// As [`Self::forecasts`] from the end of `views`, whose states are known.
    pub(crate) fn forecasts_at(&self, views: &Views, states: &[State], horizon: usize) -> Vec<Vec<f64>> {
        self.courses(views, states, views.len(), horizon)
    }

    fn courses(&self, views: &Views, states: &[State], origin: usize, horizon: usize) -> Vec<Vec<f64>> {
        self.members
            .iter()
            .zip(states)
            .map(|((i, base), state)| {
                let mut course = match (base, state) {
                    (Base::Ar(ar), _) => ar.forecast(&views.sums[*i][..=origin], horizon),
                    (Base::Profile(profile), State::Level(level)) => profile.forecast(origin, *level, horizon),
                    (Base::Smoothing(fitted), State::Smoothing(state)) => state.forecast(&fitted.0, horizon),
                    (Base::Growth(growth), _) => growth.forecast(&views.z[*i][..origin], horizon),
                    (Base::Mean(period), _) => seasonal_mean(&views.z[*i][..origin], *period, horizon),
                    (Base::Drift(slope), _) => {
                        let last = views.z[*i][origin - 1];
                        (1..=horizon).map(|k| last + slope * k as f64).collect()
                    }
                    (Base::Naive(period), _) if *period > origin => vec![f64::NAN; horizon],
                    (Base::Naive(period), _) => seasonal_naive(&views.z[*i][..origin], *period, horizon),
                    (Base::Profile(_) | Base::Smoothing(_), _) => seasonal_naive(&views.z[*i][..origin], 1, horizon),
                };
                let space = views.spaces[*i];
                for v in &mut course {
                    if v.is_finite() {
                        *v = self.support.held(space.inverse(*v));
                    }
                }
                course
            })
            .collect()
    }
}
