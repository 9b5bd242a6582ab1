//! Builds data frames and tables in Grafana's JSON format.

use almanac_engine::series::Labels;
use serde_json::{Map, Value, json};

/// Type of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Time,
    Number,
    Text,
    Flag,
}

impl ColumnKind {
    /// Returns Grafana's name of the type.
    fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Number => "number",
            Self::Text => "string",
            Self::Flag => "boolean",
        }
    }
}

/// A column of a frame.
#[derive(Debug, Clone)]
pub(super) struct Column {
    name: String,
    kind: ColumnKind,
    labels: Option<Value>,
    display: Option<String>,
    values: Vec<Value>,
}

impl Column {
    pub(super) fn new(name: impl Into<String>, kind: ColumnKind, values: impl IntoIterator<Item = Value>) -> Self {
        Self { name: name.into(), kind, labels: None, display: None, values: values.into_iter().collect() }
    }

    /// Builds a column of instants in epoch milliseconds.
    pub(super) fn times(name: &str, times: impl IntoIterator<Item = i64>) -> Self {
        Self::new(name, ColumnKind::Time, times.into_iter().map(Value::from))
    }

    /// Builds a column of numbers; non-finite ones are null.
    pub(super) fn numbers(name: impl Into<String>, numbers: impl IntoIterator<Item = f64>) -> Self {
        Self::new(name, ColumnKind::Number, numbers.into_iter().map(number))
    }

    /// Builds a column of texts.
    pub(super) fn texts(name: &str, texts: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self::new(name, ColumnKind::Text, texts.into_iter().map(Into::into))
    }

    /// Adds labels, without the name of the metric.
    pub(super) fn labelled(mut self, labels: &Labels) -> Self {
        self.labels = Some(tags(labels));
        self
    }

    /// Sets the name in the legend.
    pub(super) fn displayed(mut self, name: Option<String>) -> Self {
        self.display = name;
        self
    }
}

/// Returns a number, or null if it is not finite.
pub(super) fn number(value: f64) -> Value {
    if value.is_finite() { Value::from(value) } else { Value::Null }
}

/// Returns labels as an object, without the name of the metric.
pub(super) fn tags(labels: &Labels) -> Value {
    labels
        .iter()
        .filter(|(name, _)| *name != almanac_engine::series::METRIC_NAME)
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// Builds a frame; all columns have the same length.
pub(super) fn frame(ref_id: &str, name: &str, columns: Vec<Column>) -> Value {
    let fields: Vec<Value> = columns
        .into_iter()
        .map(|column| {
            let mut field = Map::new();
            field.insert("name".to_owned(), column.name.into());
            field.insert("type".to_owned(), column.kind.name().into());
            if let Some(labels) = column.labels {
                field.insert("labels".to_owned(), labels);
            }
            if let Some(display) = column.display {
                field.insert("config".to_owned(), json!({ "displayNameFromDS": display }));
            }
            field.insert("values".to_owned(), column.values.into());
            field.into()
        })
        .collect();
    json!({ "refId": ref_id, "name": name, "fields": fields })
}

/// Builds a table of rows from columns of the same length.
pub(super) fn table(ref_id: &str, columns: &[Column]) -> Value {
    let rows = columns.first().map_or(0, |column| column.values.len());
    let heads: Vec<Value> =
        columns.iter().map(|column| json!({ "text": column.name, "type": column.kind.name() })).collect();
    let rows: Vec<Value> = (0..rows)
        .map(|row| columns.iter().map(|column| column.values[row].clone()).collect::<Vec<_>>().into())
        .collect();
    json!({ "type": "table", "refId": ref_id, "columns": heads, "rows": rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_tables_have_the_same_values() {
        let columns =
            vec![Column::times("time", [5]), Column::numbers("value", [f64::NAN]).displayed(Some("v".into()))];
        assert_eq!(
            table("A", &columns).to_string(),
            r#"{"type":"table","refId":"A","columns":[{"text":"time","type":"time"},{"text":"value","type":"number"}],"rows":[[5,null]]}"#
        );
        assert_eq!(
            frame("A", "n", columns).to_string(),
            r#"{"refId":"A","name":"n","fields":[{"name":"time","type":"time","values":[5]},{"name":"value","type":"number","config":{"displayNameFromDS":"v"},"values":[null]}]}"#
        );
    }
}
