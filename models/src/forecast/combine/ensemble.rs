//! The base models of one series side by side, and how their forecasts become one.

use crate::forecast::base::{FittedProfile, FittedRidgeAr, RidgeAr, SeasonalProfile, prefix_sums, seasonal_naive};
use crate::forecast::prepare::Space;

/// A history on every scale that a base model uses.
#[derive(Debug, Clone)]
pub(crate) struct Views {
    pub spaces: Vec<Space>,
    pub z: Vec<Vec<f64>>,
    pub sums: Vec<Vec<f64>>,
}

impl Views {
    /// `y`: finite throughout; `None` when it is constant.
    pub(crate) fn new(y: &[f64]) -> Option<Self> {
        let spaces: Vec<Space> = [Space::linear(y), Space::log(y)].into_iter().flatten().collect();
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
}

/// Base models fitted on one history.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    members: Vec<(usize, Base)>,
    non_negative: bool,
}

impl Ensemble {
    /// Fits every base model on the first `n` values of `views`.
    pub(crate) fn fit(views: &Views, n: usize, seasons: &[usize], horizon: usize, non_negative: bool) -> Self {
        let seasons: Vec<usize> = seasons.iter().copied().filter(|&m| n > m).collect();
        // Chosen on the M4 hourly half: weights fall to 1/e in 2.4 weeks; 1.2 and 6 weeks differ by under 1 %.
        let decay = seasons.last().map_or(1_000.0, |&m| (2.4 * m as f64).max(100.0));
        let mut members = Vec::new();
        for (i, z) in views.z.iter().enumerate() {
            let z = &z[..n];
            let ar = RidgeAr { seasons: seasons.clone(), decay, ridge: 3e-4, max_rows: 5_000 };
            if let Some(fitted) = ar.fit(z) {
                members.push((i, Base::Ar(fitted)));
            }
            let profile = SeasonalProfile { seasons: seasons.clone(), keep: 0.9, shrink: 0.5 };
            members.push((i, Base::Profile(profile.fit(z, horizon))));
        }
        members.push((0, Base::Naive(seasons.first().copied().unwrap_or(1))));
        Self { members, non_negative }
    }

    /// Names of the members, such as `ar(log)`.
    pub(crate) fn names(&self, views: &Views) -> Vec<String> {
        self.members
            .iter()
            .map(|(space, base)| {
                let name = match base {
                    Base::Ar(_) => "ar",
                    Base::Profile(_) => "profile",
                    Base::Naive(_) => return "snaive".to_owned(),
                };
                if views.spaces[*space].is_log() { format!("{name}(log)") } else { name.to_owned() }
            })
            .collect()
    }

    pub(crate) fn non_negative(&self) -> bool {
        self.non_negative
    }

    /// The level of each profile at the end of `views`; NaN for other members.
    pub(crate) fn levels(&self, views: &Views) -> Vec<f64> {
        self.levels_at(views, views.len())
    }

    fn levels_at(&self, views: &Views, origin: usize) -> Vec<f64> {
        self.members
            .iter()
            .map(|(i, base)| match base {
                Base::Profile(profile) => profile.level(&views.z[*i][..origin]),
                Base::Ar(_) | Base::Naive(_) => f64::NAN,
            })
            .collect()
    }

    /// Takes the last value of `views` into the levels.
    pub(crate) fn update_levels(&self, views: &Views, levels: &mut [f64]) {
        for ((i, base), level) in self.members.iter().zip(levels) {
            if let Base::Profile(profile) = base {
                let z = &views.z[*i];
                *level = profile.next_level(*level, z[z.len() - 1], z.len() - 1);
            }
        }
    }

    /// The course of each member for the `horizon` steps after the first `origin` values of `views`, in the unit of
    /// the series.
    pub(crate) fn forecasts(&self, views: &Views, origin: usize, horizon: usize) -> Vec<Vec<f64>> {
        self.courses(views, &self.levels_at(views, origin), origin, horizon)
    }

    /// As [`Self::forecasts`] from the end of `views`, whose levels are known.
    pub(crate) fn forecasts_at(&self, views: &Views, levels: &[f64], horizon: usize) -> Vec<Vec<f64>> {
        self.courses(views, levels, views.len(), horizon)
    }

    fn courses(&self, views: &Views, levels: &[f64], origin: usize, horizon: usize) -> Vec<Vec<f64>> {
        self.members
            .iter()
            .zip(levels)
            .map(|((i, base), &level)| {
                let mut course = match base {
                    Base::Ar(ar) => ar.forecast(&views.sums[*i][..=origin], horizon),
                    Base::Profile(profile) => profile.forecast(origin, level, horizon),
                    Base::Naive(period) => seasonal_naive(&views.z[*i][..origin], *period, horizon),
                };
                let space = views.spaces[*i];
                for v in &mut course {
                    *v = space.inverse(*v);
                    if self.non_negative {
                        *v = v.max(0.0);
                    }
                }
                course
            })
            .collect()
    }
}
