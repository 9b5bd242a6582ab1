//! Experimental parts of PromQL, by the names of Prometheus' feature flags.

/// A part of PromQL that Prometheus has behind a feature flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Functions and aggregations whose meaning may still change, such as `mad_over_time` and `limitk`.
    ExperimentalFunctions,
    /// The modifiers `anchored` and `smoothed`.
    ExtendedRangeSelectors,
    /// The modifiers `fill`, `fill_left` and `fill_right`.
    FillModifiers,
    /// Metric names are dropped from the result, not from intermediate results.
    DelayedNameRemoval,
}

impl Feature {
    /// All features.
    pub const ALL: [Self; 4] =
        [Self::ExperimentalFunctions, Self::ExtendedRangeSelectors, Self::FillModifiers, Self::DelayedNameRemoval];

    /// Returns the name of the flag.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ExperimentalFunctions => "promql-experimental-functions",
            Self::ExtendedRangeSelectors => "promql-extended-range-selectors",
            Self::FillModifiers => "promql-binop-fill-modifiers",
            Self::DelayedNameRemoval => "promql-delayed-name-removal",
        }
    }

    /// Returns the feature with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }
}
