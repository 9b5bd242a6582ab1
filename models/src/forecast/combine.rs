//! One forecast from several: the median, or means weighted by what each member missed.

/// How member forecasts become one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Combination {
    /// The median at each step.
    Median,
    /// The mean weighted by member.
    Weighted(Vec<f64>),
}

impl Combination {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::Weighted(_) => "mean",
        }
    }

    /// Combines courses of one length, at least one of them.
    pub(crate) fn apply(&self, courses: &[Vec<f64>]) -> Vec<f64> {
        let horizon = courses.first().map_or(0, Vec::len);
        match self {
            Self::Median => {
                let mut column = Vec::with_capacity(courses.len());
                (0..horizon)
                    .map(|k| {
                        column.clear();
                        column.extend(courses.iter().map(|c| c[k]));
                        median_of(&mut column)
                    })
                    .collect()
            }
            Self::Weighted(weights) => {
                let total: f64 = weights.iter().sum();
                (0..horizon).map(|k| courses.iter().zip(weights).map(|(c, w)| w * c[k]).sum::<f64>() / total).collect()
            }
        }
    }
}

/// The median of finite values, which are reordered; the mean of the middle two when their number is even.
pub(crate) fn median_of(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { 0.5 * (values[n / 2 - 1] + values[n / 2]) }
}
