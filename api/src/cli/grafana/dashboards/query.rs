//! Queries of panels, annotations and variables: PromQL through the Prometheus data source, rows of `/v1` through
//! Infinity with its backend parser.

use serde_json::{Value, json};

/// Range of rates: at least four times the longest interval between samples.
const RATE: &str = "$__rate_interval";
/// Rows of a page. Infinity requests at most six pages of a query.
const PAGE_ROWS: usize = 20_000;
const PAGES: usize = 5;

/// Returns the reference to the Prometheus data source that the dashboard's variable selects.
pub(super) fn prometheus() -> Value {
    json!({ "type": "prometheus", "uid": "${prometheus}" })
}

/// Returns the reference to the Infinity data source that the dashboard's variable selects.
pub(super) fn infinity() -> Value {
    json!({ "type": "yesoreyeram-infinity-datasource", "uid": "${almanac}" })
}

/// Returns a PromQL range query. `legend` may have `{{label}}`.
pub(super) fn promql(expr: &str, legend: &str) -> Value {
    json!({
        "datasource": prometheus(), "expr": expr, "legendFormat": legend,
        "range": true, "instant": false, "editorMode": "code",
    })
}

/// Returns the expression of a quantile: of a histogram, or of a summary that has it. `by`: labels to keep.
pub(super) fn quantile(q: &str, metric: &str, selector: &str, by: &str) -> String {
    let (le, by) =
        if by.is_empty() { ("le".to_owned(), String::new()) } else { (format!("le, {by}"), format!(" by ({by})")) };
    // The selector comes last, because it may be an empty variable: only a trailing comma is valid.
    format!(
        "histogram_quantile({q}, sum by ({le}) (rate({metric}_bucket{{{selector}}}[{RATE}]))) \
         or max{by} ({metric}{{quantile=\"{q}\",{selector}}})"
    )
}

/// Returns the expression of a counter's rate per second. `by`: labels to keep.
pub(super) fn rate(metric: &str, selector: &str, by: &str) -> String {
    let by = if by.is_empty() { String::new() } else { format!(" by ({by})") };
    format!("sum{by} (rate({metric}{{{selector}}}[{RATE}]))")
}

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Time,
    Number,
    Text,
}

/// A typed column: where its value is in a row, and its name in the panel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    selector: &'static str,
    name: &'static str,
    kind: Kind,
}

/// A column of instants.
pub(super) const fn time(selector: &'static str, name: &'static str) -> Column {
    Column { selector, name, kind: Kind::Time }
}

/// A column of numbers.
pub(super) const fn number(selector: &'static str, name: &'static str) -> Column {
    Column { selector, name, kind: Kind::Number }
}

/// A column of text.
pub(super) const fn text(selector: &'static str, name: &'static str) -> Column {
    Column { selector, name, kind: Kind::Text }
}

/// A query for rows of a path below `/v1`.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    path: &'static str,
    root: &'static str,
    parameters: Vec<(&'static str, &'static str)>,
    /// Columns in the order in which a table shows them.
    columns: Vec<Column>,
}

impl Rows {
    /// Builds a query for flat rows. `parameters` may have variables and Infinity's macros.
    pub(super) fn new(path: &'static str, parameters: &[(&'static str, &'static str)], columns: &[Column]) -> Self {
        Self { path, root: "rows", parameters: parameters.to_vec(), columns: columns.to_vec() }
    }

    /// Sets the key of the list in the response.
    pub(super) fn root(mut self, root: &'static str) -> Self {
        self.root = root;
        self
    }

    /// Returns the names of the columns in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|column| column.name)
    }

    /// Returns Infinity's query with the result as a table.
    pub(super) fn table(&self) -> Value {
        self.query("table")
    }

    /// Returns Infinity's query with the result as time series, one per column of numbers.
    pub(super) fn series(&self) -> Value {
        self.query("timeseries")
    }

    fn query(&self, format: &str) -> Value {
        let page = PAGE_ROWS.to_string();
        let parameters = self.parameters.iter().copied().chain([("page", page.as_str())]);
        let parameters: Vec<Value> = parameters.map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let columns = self.columns.iter().map(|column| {
            let kind = match column.kind {
                Kind::Time => "timestamp",
                Kind::Number => "number",
                Kind::Text => "string",
            };
            json!({ "selector": column.selector, "text": column.name, "type": kind })
        });
        json!({
            "datasource": infinity(),
            "type": "json", "source": "url", "format": format, "parser": "backend",
            "url": self.path, "url_options": { "method": "GET", "params": parameters },
            "root_selector": self.root, "columns": columns.collect::<Vec<_>>(), "filters": [],
            // By cursor: an empty page, which paging by offset requests, makes Infinity's merge of pages fail.
            "pagination_mode": "cursor", "pagination_max_pages": PAGES,
            "pagination_param_cursor_field_name": "cursor", "pagination_param_cursor_field_type": "query",
            "pagination_param_cursor_extraction_path": "next",
        })
    }
}
