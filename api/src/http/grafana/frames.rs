//! Frames and tables as Grafana reads them.

use almanac_engine::series::Labels;
use serde_json::{Map, Value, json};

/// Kind of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Number,
    Text,
    Flag,
}

impl Kind {
    fn word(self) -> &'static str {
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
    kind: Kind,
    labels: Option<Value>,
    display: Option<String>,
    values: Vec<Value>,
}

impl Column {
    pub(super) fn new(name: impl Into<String>, kind: Kind, values: impl IntoIterator<Item = Value>) -> Self {
        Self { name: name.into(), kind, labels: None, display: None, values: values.into_iter().collect() }
    }

    /// Epoch milliseconds.
    pub(super) fn times(name: &str, times: impl IntoIterator<Item = i64>) -> Self {
        Self::new(name, Kind::Time, times.into_iter().map(Value::from))
    }

    /// Numbers; what JSON has no word for is a gap.
    pub(super) fn numbers(name: impl Into<String>, numbers: impl IntoIterator<Item = f64>) -> Self {
        Self::new(name, Kind::Number, numbers.into_iter().map(number))
    }

    /// Texts.
    pub(super) fn texts(name: &str, texts: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self::new(name, Kind::Text, texts.into_iter().map(Into::into))
    }

    /// Labels of the column, the metric's name left out.
    pub(super) fn labelled(mut self, labels: &Labels) -> Self {
        self.labels = Some(tags(labels));
        self
    }

    /// What a legend calls the column.
    pub(super) fn displayed(mut self, name: Option<String>) -> Self {
        self.display = name;
        self
    }
}

/// A number, or null when JSON has no word for it.
pub(super) fn number(value: f64) -> Value {
    if value.is_finite() { Value::from(value) } else { Value::Null }
}

/// Labels as an object, the metric's name left out.
pub(super) fn tags(labels: &Labels) -> Value {
    labels
        .iter()
        .filter(|(name, _)| *name != almanac_engine::series::METRIC_NAME)
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// A frame of columns of one length.
pub(super) fn frame(ref_id: &str, name: &str, columns: Vec<Column>) -> Value {
    let fields: Vec<Value> = columns
        .into_iter()
        .map(|column| {
            let mut field = Map::new();
            field.insert("name".to_owned(), column.name.into());
            field.insert("type".to_owned(), column.kind.word().into());
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

/// The same as a table of rows.
pub(super) fn table(ref_id: &str, columns: &[Column]) -> Value {
    let rows = columns.first().map_or(0, |column| column.values.len());
    let heads: Vec<Value> =
        columns.iter().map(|column| json!({ "text": column.name, "type": column.kind.word() })).collect();
    let rows: Vec<Value> = (0..rows)
        .map(|row| columns.iter().map(|column| column.values[row].clone()).collect::<Vec<_>>().into())
        .collect();
    json!({ "type": "table", "refId": ref_id, "columns": heads, "rows": rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_tables_say_the_same() {
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
