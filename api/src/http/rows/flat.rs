//! Turns rows of the store's tables into flat objects: one scalar per column, the same keys in every row.
//!
//! Also generates their OpenAPI schemas from the tables' descriptions.

use almanac_engine::{
    advise::threshold::format_duration,
    store::rows::{Cell, Column, ColumnType, Table, TableRow},
};
use serde_json::{Map, Value};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType};

use crate::http::shared::iso;

/// Returns a finite number; JSON cannot represent others.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Returns the keys of a table's flat rows, in order.
pub(super) fn keys(table: &Table) -> Vec<String> {
    table.flat().map(|(_, column)| column.flat.to_owned()).collect()
}

/// Returns a row as a flat object.
pub(in crate::http) fn object<R: TableRow>(row: &R) -> Value {
    let entry = |(idx, column): (usize, &Column)| (column.flat.to_owned(), value(column, &row.cell(idx)));
    R::TABLE.flat().map(entry).collect::<Map<_, _>>().into()
}

/// Returns a cell as a scalar: instants are RFC 3339, lists and JSON are strings.
fn value(column: &Column, cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Time(at) => iso(at.millis()).into(),
        other => scalar(column, other),
    }
}

/// Returns a cell as a scalar with instants as epoch milliseconds. Non-finite numbers are null, lists and JSON strings.
pub(in crate::http) fn scalar(column: &Column, cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => (*text).into(),
        Cell::Json(json) => json.to_string().into(),
        Cell::Time(at) => at.millis().into(),
        Cell::Float(number) => finite(*number).map_or(Value::Null, Value::from),
        Cell::Int(number) => (*number).into(),
        Cell::Count(number) => (*number).into(),
        Cell::Flag(flag) => (*flag).into(),
        Cell::Ints(numbers) if column.unit == "ms" => {
            numbers.iter().map(|&millis| format_duration(millis)).collect::<Vec<_>>().join(",").into()
        }
        Cell::Ints(numbers) => numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",").into(),
        Cell::Texts(texts) => texts.join(",").into(),
    }
}

/// Returns the OpenAPI schema of a table's flat rows.
pub(super) fn schema(table: &Table) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().description(Some(format!("{}.", table.comment)));
    for (_, column) in table.flat() {
        let scalar = match column.column_type {
            ColumnType::Float => Type::Number,
            ColumnType::Int | ColumnType::Count | ColumnType::Small => Type::Integer,
            ColumnType::Flag => Type::Boolean,
            ColumnType::Text
            | ColumnType::Json
            | ColumnType::Time
            | ColumnType::Ints
            | ColumnType::Texts
            | ColumnType::Map
            | ColumnType::Buckets => Type::String,
        };
        // Any floating-point column may be null, because non-finite numbers are.
        let may_be_null = column.nullable || column.column_type == ColumnType::Float;
        let schema_type =
            if may_be_null { SchemaType::from_iter([scalar, Type::Null]) } else { SchemaType::new(scalar) };
        let described = ObjectBuilder::new().schema_type(schema_type).description(Some(column.description()));
        object = object.property(column.flat, described).required(column.flat);
    }
    object.build().into()
}

/// Declares the OpenAPI schemas of flat rows by name.
macro_rules! bodies {
    ($($body:ident: $row:ty;)+) => {$(
        #[doc = concat!("A flat row of `", stringify!($row), "`; only used in the OpenAPI description.")]
        #[derive(Debug)]
        pub(super) struct $body;

        impl utoipa::PartialSchema for $body {
            fn schema() -> RefOr<Schema> {
                schema(<$row as TableRow>::TABLE)
            }
        }

        impl utoipa::ToSchema for $body {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($body).into()
            }
        }
    )+};
}

bodies! {
    SignalBody: almanac_engine::store::rows::SignalRow;
    ForecastBody: almanac_engine::store::rows::ForecastRow;
    AnomalyBody: almanac_engine::store::rows::AnomalyRow;
    IncidentBody: almanac_engine::store::rows::Incident;
    DeployBody: almanac_engine::store::rows::Deploy;
    SuspectedIncidentBody: almanac_engine::store::rows::SuspectedIncidentRow;
    PeerOutlierBody: almanac_engine::store::rows::PeerOutlierRow;
    CorrelationBody: almanac_engine::store::rows::CorrelationRow;
    ScrapeTargetBody: almanac_engine::store::rows::ScrapeTargetRow;
}

#[cfg(test)]
mod tests {
    use almanac_engine::store::rows::{AnomalyKind, AnomalyRow, SignalOrigin, SignalRow, SignalStatus, TABLES};
    use almanac_models::Timestamp;

    use super::*;

    #[test]
    fn the_time_is_first_and_every_value_is_a_scalar() {
        let at = Timestamp::from_millis(0);
        let anomaly = AnomalyRow {
            signal: "a".into(),
            timestamp: at,
            value: f64::INFINITY,
            yhat: 1.0,
            yhat_lower: 0.5,
            yhat_upper: 1.5,
            score: 2.0,
            kind: AnomalyKind::Value,
        };
        assert_eq!(
            object(&anomaly).to_string(),
            r#"{"time":"1970-01-01T00:00:00.000Z","signal":"a","value":null,"yhat":1.0,"yhat_lower":0.5,"yhat_upper":1.5,"score":2.0,"kind":"value","is_anomaly":true}"#
        );
        let signal = SignalRow {
            signal: "a".into(),
            expr: "a".into(),
            origin: SignalOrigin::Configured,
            step_ms: 60_000,
            status: SignalStatus::Ready,
            reason: None,
            seasons_ms: vec![86_400_000, 604_800_000],
            model: None,
            fitted_at: Some(at),
            points: 1,
            mase: Some(f64::NAN),
            coverage_80: None,
            coverage_95: None,
        };
        let shown = object(&signal);
        assert_eq!(shown["seasons"], "1d,1w");
        assert_eq!((&shown["mase"], &shown["fitted_at"]), (&Value::Null, &"1970-01-01T00:00:00.000Z".into()));
    }

    #[test]
    fn keys_are_unique_in_every_table() {
        for table in TABLES {
            let mut keys = keys(table);
            keys.sort_unstable();
            let all = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), all, "{}", table.name);
        }
    }
}
