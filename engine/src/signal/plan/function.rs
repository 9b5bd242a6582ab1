use crate::signal::ValueKind;

/// Functions of a range that look at its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum RateKind {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
}

/// Functions of a range that look at every sample in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum OverTime {
    Avg,
    Min,
    Max,
    Sum,
    Count,
    First,
    Last,
    Present,
    Stddev,
    Stdvar,
    Mad,
    Changes,
    Resets,
    Deriv,
    TsOfFirst,
    TsOfLast,
    TsOfMin,
    TsOfMax,
}

/// Functions of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum Math {
    Abs,
    Ceil,
    Floor,
    Exp,
    Sqrt,
    Ln,
    Log2,
    Log10,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Deg,
    Rad,
    Sgn,
}

/// Fields of a UTC calendar time given as epoch seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum Calendar {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

/// A function by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signal) enum Function {
    Rate(RateKind),
    OverTime(OverTime),
    QuantileOverTime,
    PredictLinear,
    DoubleExponentialSmoothing,
    AbsentOverTime,
    Math(Math),
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    Calendar(Calendar),
    Time,
    Pi,
    Timestamp,
    Scalar,
    Vector,
    Absent,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    LabelReplace,
    LabelJoin,
    HistogramQuantile,
    HistogramFraction,
}

impl Function {
    /// The function that PromQL calls by this name; none when it is not evaluated here.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = match name {
            "rate" => Self::Rate(RateKind::Rate),
            "increase" => Self::Rate(RateKind::Increase),
            "delta" => Self::Rate(RateKind::Delta),
            "irate" => Self::Rate(RateKind::Irate),
            "idelta" => Self::Rate(RateKind::Idelta),
            "quantile_over_time" => Self::QuantileOverTime,
            "predict_linear" => Self::PredictLinear,
            "double_exponential_smoothing" => Self::DoubleExponentialSmoothing,
            "absent_over_time" => Self::AbsentOverTime,
            "round" => Self::Round,
            "clamp" => Self::Clamp,
            "clamp_min" => Self::ClampMin,
            "clamp_max" => Self::ClampMax,
            "time" => Self::Time,
            "pi" => Self::Pi,
            "timestamp" => Self::Timestamp,
            "scalar" => Self::Scalar,
            "vector" => Self::Vector,
            "absent" => Self::Absent,
            "sort" => Self::Sort,
            "sort_desc" => Self::SortDesc,
            "sort_by_label" => Self::SortByLabel,
            "sort_by_label_desc" => Self::SortByLabelDesc,
            "label_replace" => Self::LabelReplace,
            "label_join" => Self::LabelJoin,
            "histogram_quantile" => Self::HistogramQuantile,
            "histogram_fraction" => Self::HistogramFraction,
            other => return over_time(other).or_else(|| math(other)).or_else(|| calendar(other)),
        };
        Some(found)
    }

    /// What kind of value the function gives.
    pub(super) fn kind(self) -> ValueKind {
        match self {
            Self::Time | Self::Pi | Self::Scalar => ValueKind::Scalar,
            _ => ValueKind::Vector,
        }
    }
}

fn over_time(name: &str) -> Option<Function> {
    Some(Function::OverTime(match name {
        "avg_over_time" => OverTime::Avg,
        "min_over_time" => OverTime::Min,
        "max_over_time" => OverTime::Max,
        "sum_over_time" => OverTime::Sum,
        "count_over_time" => OverTime::Count,
        "first_over_time" => OverTime::First,
        "last_over_time" => OverTime::Last,
        "present_over_time" => OverTime::Present,
        "stddev_over_time" => OverTime::Stddev,
        "stdvar_over_time" => OverTime::Stdvar,
        "mad_over_time" => OverTime::Mad,
        "changes" => OverTime::Changes,
        "resets" => OverTime::Resets,
        "deriv" => OverTime::Deriv,
        "ts_of_first_over_time" => OverTime::TsOfFirst,
        "ts_of_last_over_time" => OverTime::TsOfLast,
        "ts_of_min_over_time" => OverTime::TsOfMin,
        "ts_of_max_over_time" => OverTime::TsOfMax,
        _ => return None,
    }))
}

fn math(name: &str) -> Option<Function> {
    Some(Function::Math(match name {
        "abs" => Math::Abs,
        "ceil" => Math::Ceil,
        "floor" => Math::Floor,
        "exp" => Math::Exp,
        "sqrt" => Math::Sqrt,
        "ln" => Math::Ln,
        "log2" => Math::Log2,
        "log10" => Math::Log10,
        "sin" => Math::Sin,
        "cos" => Math::Cos,
        "tan" => Math::Tan,
        "asin" => Math::Asin,
        "acos" => Math::Acos,
        "atan" => Math::Atan,
        "sinh" => Math::Sinh,
        "cosh" => Math::Cosh,
        "tanh" => Math::Tanh,
        "asinh" => Math::Asinh,
        "acosh" => Math::Acosh,
        "atanh" => Math::Atanh,
        "deg" => Math::Deg,
        "rad" => Math::Rad,
        "sgn" => Math::Sgn,
        _ => return None,
    }))
}

fn calendar(name: &str) -> Option<Function> {
    Some(Function::Calendar(match name {
        "minute" => Calendar::Minute,
        "hour" => Calendar::Hour,
        "day_of_week" => Calendar::DayOfWeek,
        "day_of_month" => Calendar::DayOfMonth,
        "day_of_year" => Calendar::DayOfYear,
        "days_in_month" => Calendar::DaysInMonth,
        "month" => Calendar::Month,
        "year" => Calendar::Year,
        _ => return None,
    }))
}
