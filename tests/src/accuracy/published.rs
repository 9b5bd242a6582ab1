//! Published results of other methods, with their sources.

/// Published figures of a method.
#[derive(Debug, Clone, Copy)]
pub struct Published<const N: usize> {
    /// Name of the method.
    pub method: &'static str,
    /// Figures in the order given at the constant.
    pub figures: [f64; N],
}

/// NAB scores of the profiles standard, low false positives, low false negatives: `results/final_results.json` and the
/// table of the README of github.com/numenta/NAB at commit ea702d7, thresholds optimised over the corpus.
pub const NAB: [Published<3>; 7] = [
    Published { method: "ARTime", figures: [74.9, 65.2, 80.4] },
    Published { method: "Numenta HTM", figures: [70.1, 63.1, 74.3] },
    Published { method: "CAD OSE (contextOSE)", figures: [69.9, 67.0, 73.2] },
    Published { method: "Random cut forest", figures: [51.7, 38.4, 59.7] },
    Published { method: "Twitter ADVec", figures: [47.1, 33.6, 53.5] },
    Published { method: "Windowed Gaussian", figures: [39.6, 20.9, 47.4] },
    Published { method: "Skyline", figures: [35.7, 27.1, 44.5] },
];

/// Methods of statsforecast 2.1.1 on all 414 series of M4 Hourly: sMAPE, MASE, OWA, processor milliseconds per series.
pub const STATSFORECAST: [Published<4>; 4] = [
    Published { method: "statsforecast MSTL(24, 168) + AutoETS", figures: [13.763, 1.102, 0.604, 193.0] },
    Published { method: "statsforecast AutoCES(24)", figures: [19.667, 1.178, 0.781, 20.0] },
    Published { method: "statsforecast AutoETS(24)", figures: [17.192, 1.606, 0.803, 540.0] },
    Published { method: "statsforecast DynamicOptimizedTheta(24)", figures: [18.096, 2.385, 0.990, 29.0] },
];

/// Mean VUS-PR on the Server Machine Dataset: TSB-AD-U has 33 univariate series of it, TSB-AD-M 20 multivariate ones.
/// Liu & Paparrizos (2024), `benchmark_exp/benchmark_eval_results` of github.com/TheDatumOrg/TSB-AD.
pub const SMD: [Published<1>; 2] = [
    Published { method: "MOMENT (FT), 33 univariate series of TSB-AD-U", figures: [0.750] },
    Published { method: "PCA, 20 multivariate series of TSB-AD-M", figures: [0.364] },
];
