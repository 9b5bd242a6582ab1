//! Fits all base models of one series and computes the forecast course of each. Their combination is in `weights`.

use crate::forecast::base::{
    FittedGrowth, FittedProfile, FittedRidgeAr, Growth, RidgeAr, SearchStart, SeasonalProfile, SmoothingState,
    SmoothingWeights, drift, prefix_sums, search, seasonal_mean, seasonal_naive,
};
use crate::forecast::prepare::{Support, Transform};

/// A history under each transform that base models use, with its prefix sums.
#[derive(Debug, Clone)]
pub(crate) struct TransformedHistories {
    pub transforms: Vec<Transform>,
    pub z: Vec<Vec<f64>>,
    pub sums: Vec<Vec<f64>>,
}

impl TransformedHistories {
    /// Transforms `y`, finite throughout; `None` when it is constant.
    pub(crate) fn new(y: &[f64], support: Support) -> Option<Self> {
        let ratio = match support.upper() {
            Some(high) => Transform::logit(y, high),
            None => Transform::log(y),
        };
        let transforms: Vec<Transform> = [Transform::linear(y), ratio].into_iter().flatten().collect();
        Transform::linear(y)?;
        let z: Vec<Vec<f64>> = transforms.iter().map(|s| y.iter().map(|&v| s.forward(v)).collect()).collect();
        let sums = z.iter().map(|z| prefix_sums(z)).collect();
        Some(Self { transforms, z, sums })
    }

    pub(crate) fn len(&self) -> usize {
        self.z[0].len()
    }

    /// Appends the next value, which is finite.
    pub(crate) fn push(&mut self, value: f64) {
        for ((transform, z), sums) in self.transforms.iter().zip(&mut self.z).zip(&mut self.sums) {
            let v = transform.forward(value);
            let last = sums[sums.len() - 1];
            z.push(v);
            sums.push(last + v);
        }
    }
}

/// One fitted base model.
#[derive(Debug, Clone)]
enum FittedMember {
    Ar(FittedRidgeAr),
    Profile(FittedProfile),
    /// Seasonal naive with this period in steps; 1 repeats the last value.
    Naive(usize),
    /// Mean of the last cycles of this period in steps.
    Mean(usize),
    Smoothing(Box<(SmoothingWeights, SmoothingState)>),
    Growth(FittedGrowth),
    /// The last value plus this slope per step.
    Drift(f64),
}

/// State that a member updates at each step.
#[derive(Debug, Clone)]
pub(crate) enum MemberState {
    None,
    Level(f64),
    Smoothing(Box<SmoothingState>),
}

/// Base models fitted on one history, each with the index of its transform.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    members: Vec<(usize, FittedMember)>,
    support: Support,
}

/// Lengths in steps after which a series may repeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Periods<'a> {
    /// Seasons, shortest first.
    pub seasons: &'a [usize],
    /// Seasons, plus days and weeks that may be seasons.
    pub cycles: &'a [usize],
    /// The element of `cycles` over which values change least.
    pub cycle: Option<usize>,
}

/// How a fit uses the smoothing weights of an earlier fit on less history. A full search at each fit would dominate the
/// run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefitMode {
    /// Uses the earlier weights unchanged.
    Keep,
    /// Searches once, starting at the earlier weights.
    Refine,
}

/// Which base models an [`Ensemble`] contains in addition to autoregressions and profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberSelection {
    /// Only the naive forecast, which is cheap at each step.
    Light,
    /// All models.
    Full,
}

impl Ensemble {
    /// Fits every base model on the first `n` values of `histories`; `previous`: an earlier fit on fewer values.
    pub(crate) fn fit(
        histories: &TransformedHistories,
        n: usize,
        periods: Periods,
        horizon: usize,
        support: Support,
        which: MemberSelection,
        previous: Option<(&Self, RefitMode)>,
    ) -> Self {
        let seasons: Vec<usize> = periods.seasons.iter().copied().filter(|&m| n > m).collect();
        // Weights of the autoregression fall to 1/e in 2.4 of the longest season. Tried values:
        // `docs/tuning/forecast.md`.
        let decay = seasons.last().map_or(1_000.0, |&m| (2.4 * m as f64).max(100.0));
        // Fits at rolling origins use fewer rows.
        let max_rows = match (which, previous) {
            (MemberSelection::Light, _) => 5_000,
            (_, Some((_, RefitMode::Refine))) => 3_000,
            _ => 1_000,
        };
        let mut members = Vec::new();
        for (i, z) in histories.z.iter().enumerate() {
            let z = &z[..n];
            let ar = RidgeAr { seasons: seasons.clone(), decay, ridge: 3e-4, max_rows };
            // Member order must not depend on the history length: weights are assigned by index.
            members.push((i, ar.fit(z).map_or(FittedMember::Naive(1), FittedMember::Ar)));
            let profile = SeasonalProfile { seasons: seasons.clone(), keep: 0.9, shrink: 0.5 };
            members.push((i, FittedMember::Profile(profile.fit(z, horizon))));
        }
        let shortest = [seasons.first().copied().unwrap_or(1)];
        let repeated =
            if which == MemberSelection::Full && !periods.cycles.is_empty() { periods.cycles } else { &shortest };
        members.extend(repeated.iter().map(|m| (0, FittedMember::Naive(*m))));
        if which == MemberSelection::Full {
            members.extend(periods.cycle.map(|m| (0, FittedMember::Mean(m))));
            let last = histories.z.len() - 1;
            let z = &histories.z[last][..n];
            let start = match previous.and_then(|(other, mode)| Some((other.smoothing()?, mode))) {
                Some((weights, RefitMode::Keep)) => SearchStart::Keep(weights),
                Some((weights, RefitMode::Refine)) => SearchStart::Refine(weights),
                None => SearchStart::Fresh,
            };
            let weights = search(z, &seasons, start);
            let mut state = SmoothingState::initial(z, &seasons);
            for v in z {
                state.push(&weights, *v);
            }
            members.push((last, FittedMember::Smoothing(Box::new((weights, state)))));
            // For counters and filling disks, which the other members forecast as constant.
            members.push((
                0,
                FittedMember::Drift(drift(&histories.z[0][..n], periods.cycle.unwrap_or(horizon)).unwrap_or(0.0)),
            ));
            let season = seasons.first().copied().unwrap_or(1);
            members.push((last, Growth { seasons }.fit(z).map_or(FittedMember::Naive(season), FittedMember::Growth)));
        }
        Self { members, support }
    }

    /// Returns the weights of the exponential smoothing member.
    fn smoothing(&self) -> Option<&SmoothingWeights> {
        self.members.iter().find_map(|(_, base)| match base {
            FittedMember::Smoothing(fitted) => Some(&fitted.0),
            _ => None,
        })
    }

    /// Returns the names of the members, such as `ar(log)`.
    pub(crate) fn names(&self, histories: &TransformedHistories) -> Vec<String> {
        self.members
            .iter()
            .map(|(i, base)| {
                let name = match base {
                    FittedMember::Ar(_) => "ar",
                    FittedMember::Profile(_) => "profile",
                    FittedMember::Naive(1) => "naive",
                    FittedMember::Naive(_) => "snaive",
                    FittedMember::Mean(_) => "smean",
                    FittedMember::Smoothing(_) => "holtwinters",
                    FittedMember::Growth(_) => "growth",
                    FittedMember::Drift(_) => "drift",
                };
                match histories.transforms[*i].name() {
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

    /// Returns the state of each member at the end of `histories`.
    pub(crate) fn states(&self, histories: &TransformedHistories) -> Vec<MemberState> {
        self.states_at(histories, histories.len())
    }

    /// As [`Self::states`], after the first `origin` values. A smoothing state continues from where it was fitted.
    fn states_at(&self, histories: &TransformedHistories, origin: usize) -> Vec<MemberState> {
        self.members
            .iter()
            .map(|(i, base)| match base {
                FittedMember::Profile(profile) => MemberState::Level(profile.level(&histories.z[*i][..origin])),
                FittedMember::Smoothing(fitted) => {
                    let (weights, state) = &**fitted;
                    let mut state = state.clone();
                    for v in &histories.z[*i][state.step().min(origin)..origin] {
                        state.push(weights, *v);
                    }
                    MemberState::Smoothing(Box::new(state))
                }
                FittedMember::Ar(_)
                | FittedMember::Naive(_)
                | FittedMember::Mean(_)
                | FittedMember::Growth(_)
                | FittedMember::Drift(_) => MemberState::None,
            })
            .collect()
    }

    /// Updates the states with the last value of `histories`.
    pub(crate) fn update(&self, histories: &TransformedHistories, states: &mut [MemberState]) {
        for ((i, base), state) in self.members.iter().zip(states) {
            let z = &histories.z[*i];
            match (base, state) {
                (FittedMember::Profile(profile), MemberState::Level(level)) => {
                    *level = profile.next_level(*level, z[z.len() - 1], z.len() - 1);
                }
                (FittedMember::Smoothing(fitted), MemberState::Smoothing(state)) => {
                    state.push(&fitted.0, z[z.len() - 1]);
                }
                _ => {}
            }
        }
    }

    /// Returns the course of each member for the `horizon` steps after the first `origin` values of `histories`, in the
    /// unit of the series. Members must not be fitted on more than these values.
    pub(crate) fn forecasts(&self, histories: &TransformedHistories, origin: usize, horizon: usize) -> Vec<Vec<f64>> {
        self.courses(histories, &self.states_at(histories, origin), origin, horizon)
    }

    /// As [`Self::forecasts`], from the end of `histories` with known states.
    pub(crate) fn forecasts_at(
        &self,
        histories: &TransformedHistories,
        states: &[MemberState],
        horizon: usize,
    ) -> Vec<Vec<f64>> {
        self.courses(histories, states, histories.len(), horizon)
    }

    fn courses(
        &self,
        histories: &TransformedHistories,
        states: &[MemberState],
        origin: usize,
        horizon: usize,
    ) -> Vec<Vec<f64>> {
        self.members
            .iter()
            .zip(states)
            .map(|((i, base), state)| {
                let mut course = match (base, state) {
                    (FittedMember::Ar(ar), _) => ar.forecast(&histories.sums[*i][..=origin], horizon),
                    (FittedMember::Profile(profile), MemberState::Level(level)) => {
                        profile.forecast(origin, *level, horizon)
                    }
                    (FittedMember::Smoothing(fitted), MemberState::Smoothing(state)) => {
                        state.forecast(&fitted.0, horizon)
                    }
                    (FittedMember::Growth(growth), _) => growth.forecast(&histories.z[*i][..origin], horizon),
                    (FittedMember::Mean(period), _) => seasonal_mean(&histories.z[*i][..origin], *period, horizon),
                    (FittedMember::Drift(slope), _) => {
                        let last = histories.z[*i][origin - 1];
                        (1..=horizon).map(|k| last + slope * k as f64).collect()
                    }
                    (FittedMember::Naive(period), _) if *period > origin => vec![f64::NAN; horizon],
                    (FittedMember::Naive(period), _) => seasonal_naive(&histories.z[*i][..origin], *period, horizon),
                    (FittedMember::Profile(_) | FittedMember::Smoothing(_), _) => {
                        seasonal_naive(&histories.z[*i][..origin], 1, horizon)
                    }
                };
                let transform = histories.transforms[*i];
                for v in &mut course {
                    if v.is_finite() {
                        *v = self.support.clamp(transform.inverse(*v));
                    }
                }
                course
            })
            .collect()
    }
}
