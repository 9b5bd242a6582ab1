use almanac_engine::{
    advise::threshold::format_duration,
    store::rows::{AnomalyRow, ForecastRow, RowFilter, SignalFilter, SignalRow, SignalStatus},
};
use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    encode::{FlatRow, Format, Keep, finite, limit, respond},
    span::span,
};
use crate::http::{ApiError, AppState, ErrorBody, Params, shared::iso};

/// A signal and the state of its model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignalBody {
    /// Its name.
    signal: String,
    /// Its `PromQL` expression.
    expr: String,
    /// `configured` or `default`
    origin: &'static str,
    /// Distance between its points in milliseconds.
    step_ms: i64,
    /// `learning`, `ready` or `failed`
    status: &'static str,
    /// Why it failed or what it lacks.
    reason: Option<String>,
    /// Lengths of its seasons, such as `1d,1w`; empty when it has none.
    seasons: String,
    /// The model in force.
    model: Option<String>,
    /// When that was fitted, RFC 3339.
    fitted_at: Option<String>,
    /// Points the fit rests on.
    points: u64,
    /// Mean absolute scaled error on held-out points.
    mase: Option<f64>,
    /// Share of held-out points inside the 80 % interval.
    coverage_80: Option<f64>,
    /// Share of held-out points inside the 95 % interval.
    coverage_95: Option<f64>,
}

impl FlatRow for SignalBody {
    const COLUMNS: &'static [&'static str] = &[
        "signal",
        "expr",
        "origin",
        "step_ms",
        "status",
        "reason",
        "seasons",
        "model",
        "fitted_at",
        "points",
        "mase",
        "coverage_80",
        "coverage_95",
    ];
}

impl From<SignalRow> for SignalBody {
    fn from(row: SignalRow) -> Self {
        Self {
            signal: row.signal,
            expr: row.expr,
            origin: row.origin.as_str(),
            step_ms: row.step_ms,
            status: row.status.as_str(),
            reason: row.reason,
            seasons: row.seasons_ms.iter().map(|millis| format_duration(*millis)).collect::<Vec<_>>().join(","),
            model: row.model,
            fitted_at: row.fitted_at.map(|at| iso(at.millis())),
            points: row.points,
            mase: row.mase.and_then(finite),
            coverage_80: row.coverage_80.and_then(finite),
            coverage_95: row.coverage_95.and_then(finite),
        }
    }
}

/// One point of a forecast, in the signal's unit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForecastBody {
    /// The instant it speaks of, RFC 3339.
    time: String,
    /// The signal.
    signal: String,
    /// The expected value.
    yhat: Option<f64>,
    /// Lower end of the 80 % interval.
    yhat_lower_80: Option<f64>,
    /// Upper end of the 80 % interval.
    yhat_upper_80: Option<f64>,
    /// Lower end of the 95 % interval.
    yhat_lower_95: Option<f64>,
    /// Upper end of the 95 % interval.
    yhat_upper_95: Option<f64>,
    /// The model.
    model: String,
    /// When the forecast was made, RFC 3339.
    made_at: String,
}

impl FlatRow for ForecastBody {
    const COLUMNS: &'static [&'static str] = &[
        "time",
        "signal",
        "yhat",
        "yhat_lower_80",
        "yhat_upper_80",
        "yhat_lower_95",
        "yhat_upper_95",
        "model",
        "made_at",
    ];
}

impl From<ForecastRow> for ForecastBody {
    fn from(row: ForecastRow) -> Self {
        Self {
            time: iso(row.timestamp.millis()),
            signal: row.signal,
            yhat: finite(row.yhat),
            yhat_lower_80: finite(row.yhat_lower_80),
            yhat_upper_80: finite(row.yhat_upper_80),
            yhat_lower_95: finite(row.yhat_lower_95),
            yhat_upper_95: finite(row.yhat_upper_95),
            model: row.model,
            made_at: iso(row.made_at.millis()),
        }
    }
}

/// One scored point, in the signal's unit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnomalyBody {
    /// The point's instant, RFC 3339.
    time: String,
    /// The signal.
    signal: String,
    /// What was measured.
    value: Option<f64>,
    /// What was expected.
    yhat: Option<f64>,
    /// Lower end of the band.
    yhat_lower: Option<f64>,
    /// Upper end of the band.
    yhat_upper: Option<f64>,
    /// Distance from the band's centre in half-widths.
    score: Option<f64>,
    /// Whether the score is above 1.
    is_anomaly: bool,
    /// What departs: `value`, `level`, `drift` or `flat_line`.
    kind: &'static str,
}

impl FlatRow for AnomalyBody {
    const COLUMNS: &'static [&'static str] =
        &["time", "signal", "value", "yhat", "yhat_lower", "yhat_upper", "score", "is_anomaly", "kind"];
}

impl From<AnomalyRow> for AnomalyBody {
    fn from(row: AnomalyRow) -> Self {
        Self {
            time: iso(row.timestamp.millis()),
            signal: row.signal,
            value: finite(row.value),
            yhat: finite(row.yhat),
            yhat_lower: finite(row.yhat_lower),
            yhat_upper: finite(row.yhat_upper),
            score: finite(row.score),
            is_anomaly: row.score > 1.0,
            kind: row.kind.as_str(),
        }
    }
}

/// Signals and how far their learning is.
#[utoipa::path(get, path = "/v1/signals", tag = "rows",
    params(("signal" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("status" = Option<String>, Query, description = "learning, ready or failed"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a signal, by name", body = Vec<SignalBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn signals(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "status", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let status = params
        .get("status")
        .map(str::parse::<SignalStatus>)
        .transpose()
        .map_err(|error| ApiError::bad_request("invalid_parameter", error.to_string()))?;
    let filter = SignalFilter { signals: params.list("signal"), status };
    let store = state.store.clone();
    let rows = state.blocking(move || store.signals(&filter)).await?;
    respond(rows.into_iter().map(SignalBody::from).collect(), limit, Keep::First, format)
}

/// Forecasts: for each instant the one made last, or with `all=true` every one that is kept; of too many the newest.
#[utoipa::path(get, path = "/v1/forecasts", tag = "rows",
    params(("signal" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("all" = Option<bool>, Query, description = "older forecasts too"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a point, ascending in time", body = Vec<ForecastBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn forecasts(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "from", "to", "all", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let latest = match params.get("all") {
        None | Some("false") => true,
        Some("true") => false,
        Some(other) => {
            return Err(ApiError::bad_request("invalid_parameter", format!("all {other:?} is neither true nor false")));
        }
    };
    let filter = RowFilter {
        signals: params.list("signal"),
        start,
        end,
        latest,
        limit: Some(limit + 1),
        ..RowFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.blocking(move || store.forecasts(&filter)).await?;
    rows.sort_by(|a, b| (a.timestamp, &a.signal, a.made_at).cmp(&(b.timestamp, &b.signal, b.made_at)));
    respond(rows.into_iter().map(ForecastBody::from).collect(), limit, Keep::Last, format)
}

/// Anomalies: points with a score of at least 1, or of at least `min_score` (0: every scored point); of too many the newest.
#[utoipa::path(get, path = "/v1/anomalies", tag = "rows",
    params(("signal" = Option<String>, Query, description = "only these; may repeat or hold commas"), ("from" = Option<String>, Query, description = "epoch milliseconds, RFC 3339, now or now-6h"), ("to" = Option<String>, Query, description = "as from"), ("min_score" = Option<f64>, Query, description = "least score; 1 when missing"), ("limit" = Option<usize>, Query, description = "most rows"), ("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, description = "one object a point, ascending in time", body = Vec<AnomalyBody>), (status = 400, description = "wrong parameter", body = ErrorBody)))]
pub(super) async fn anomalies(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    params.only(&["signal", "from", "to", "min_score", "limit", "format"])?;
    let (format, limit) = (Format::of(&params)?, limit(&params)?);
    let (start, end) = span(&params, state.clock.now())?;
    let min_score = params.number("min_score")?.unwrap_or(1.0);
    let filter = RowFilter {
        signals: params.list("signal"),
        start,
        end,
        min_score: Some(min_score),
        limit: Some(limit + 1),
        ..RowFilter::default()
    };
    let store = state.store.clone();
    let mut rows = state.blocking(move || store.anomalies(&filter)).await?;
    rows.sort_by(|a, b| (a.timestamp, &a.signal).cmp(&(b.timestamp, &b.signal)));
    respond(rows.into_iter().map(AnomalyBody::from).collect(), limit, Keep::Last, format)
}

#[cfg(test)]
mod tests {
    use almanac_engine::store::rows::SignalOrigin;
    use almanac_models::Timestamp;

    use super::{super::encode::assert_columns, *};

    #[test]
    fn columns_are_those_of_the_rows() {
        assert_columns(&SignalBody::from(SignalRow {
            signal: "a".into(),
            expr: "a".into(),
            origin: SignalOrigin::Configured,
            step_ms: 60_000,
            status: SignalStatus::Ready,
            reason: None,
            seasons_ms: vec![86_400_000],
            model: None,
            fitted_at: None,
            points: 1,
            mase: Some(f64::NAN),
            coverage_80: None,
            coverage_95: None,
        }));
        let at = Timestamp::from_millis(0);
        assert_columns(&ForecastBody::from(ForecastRow {
            signal: "a".into(),
            made_at: at,
            timestamp: at,
            yhat: 1.0,
            yhat_lower_80: 1.0,
            yhat_upper_80: 1.0,
            yhat_lower_95: 1.0,
            yhat_upper_95: 1.0,
            model: "m".into(),
        }));
        assert_columns(&AnomalyBody::from(AnomalyRow {
            signal: "a".into(),
            timestamp: at,
            value: 1.0,
            yhat: 1.0,
            yhat_lower: 1.0,
            yhat_upper: 1.0,
            score: 1.0,
            kind: almanac_engine::store::rows::AnomalyKind::Value,
        }));
    }
}
