//! Panels: charts, single values and tables. Their types exist in Grafana 11 to 13.

use serde_json::{Map, Value, json};

use super::query::{Rows, infinity, prometheus};

/// Version of Grafana in whose form the options are written; later ones migrate them.
const OPTIONS_VERSION: &str = "11.6.0";

/// A panel without its position.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    /// Width in columns; a row has 24.
    pub(super) width: u32,
    /// Height in rows of 30 pixels.
    pub(super) height: u32,
    json: Value,
}

impl Panel {
    /// Builds a chart over time.
    pub(super) fn chart(title: &str, unit: &str, queries: Vec<Value>) -> Self {
        let custom = json!({
            "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never",
            "spanNulls": false, "axisPlacement": "auto", "scaleDistribution": { "type": "linear" },
            "thresholdsStyle": { "mode": "off" },
        });
        let options = json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        let defaults = json!({ "unit": unit, "min": 0, "custom": custom, "color": { "mode": "palette-classic" } });
        Self::new("timeseries", title, (8, 8), queries, options, defaults)
    }

    /// Builds a panel with the newest value of each series.
    pub(super) fn stat(title: &str, unit: &str, queries: Vec<Value>) -> Self {
        let options = json!({
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto",
            "textMode": "auto", "wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard",
        });
        let defaults = json!({ "unit": unit, "color": { "mode": "thresholds" } });
        Self::new("stat", title, (4, 4), queries, options, defaults)
    }

    /// Builds a table of rows with the columns in the order of the query.
    pub(super) fn table(title: &str, rows: &Rows) -> Self {
        let options = json!({ "cellHeight": "sm", "frameIndex": 0, "showHeader": true });
        let custom = json!({ "align": "auto", "cellOptions": { "type": "auto" }, "inspect": true, "filterable": true });
        let defaults = json!({ "custom": custom, "color": { "mode": "thresholds" } });
        let mut panel = Self::new("table", title, (24, 8), vec![rows.table()], options, defaults);
        // Infinity sorts columns by name.
        let order: Map<String, Value> = rows.names().enumerate().map(|(at, name)| (name.into(), at.into())).collect();
        panel.json["transformations"] = json!([{
            "id": "organize", "options": { "indexByName": order, "excludeByName": {}, "includeByName": {}, "renameByName": {} },
        }]);
        panel
    }

    fn new(
        kind: &str,
        title: &str,
        (width, height): (u32, u32),
        mut queries: Vec<Value>,
        options: Value,
        mut defaults: Value,
    ) -> Self {
        for (query, name) in queries.iter_mut().zip('A'..='Z') {
            query["refId"] = name.to_string().into();
        }
        let sources = [infinity(), prometheus()];
        let source = sources.iter().find(|source| queries.iter().all(|query| query["datasource"] == **source));
        let mixed = json!({ "type": "datasource", "uid": "-- Mixed --" });
        defaults["mappings"] = json!([]);
        defaults["thresholds"] = thresholds(&[("green", None)]);
        let json = json!({
            "type": kind, "title": title, "pluginVersion": OPTIONS_VERSION,
            "datasource": source.unwrap_or(&mixed), "targets": queries, "options": options,
            "fieldConfig": { "defaults": defaults, "overrides": [] },
        });
        Self { width, height, json }
    }

    /// Sets the size.
    pub(super) fn size(mut self, width: u32, height: u32) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    /// Sets the text behind the panel's information mark.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.json["description"] = text.into();
        self
    }

    /// Repeats the panel for each value of a variable.
    pub(super) fn repeat(mut self, variable: &str, per_row: u32) -> Self {
        self.json["repeat"] = variable.into();
        self.json["repeatDirection"] = "h".into();
        self.json["maxPerRow"] = per_row.into();
        self
    }

    /// Sets the colours of values, each from a bound upwards; a chart draws the bounds as dashed lines.
    pub(super) fn bounds(mut self, steps: &[(&str, Option<f64>)]) -> Self {
        let defaults = &mut self.json["fieldConfig"]["defaults"];
        defaults["thresholds"] = thresholds(steps);
        if defaults["custom"].get("thresholdsStyle").is_some() {
            defaults["custom"]["thresholdsStyle"]["mode"] = "dashed".into();
        }
        self
    }

    /// Sets the largest value of the axis.
    pub(super) fn max(mut self, value: f64) -> Self {
        self.json["fieldConfig"]["defaults"]["max"] = value.into();
        self
    }

    /// Lets the axis start at the smallest value instead of zero.
    pub(super) fn any_minimum(mut self) -> Self {
        if let Some(defaults) = self.json["fieldConfig"]["defaults"].as_object_mut() {
            defaults.remove("min");
        }
        self
    }

    /// Sets properties of the field with this name.
    pub(super) fn field(mut self, name: &str, properties: &[(&str, Value)]) -> Self {
        let properties: Vec<Value> = properties.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
        let matcher = json!({ "id": "byName", "options": name });
        if let Some(overrides) = self.json["fieldConfig"]["overrides"].as_array_mut() {
            overrides.push(json!({ "matcher": matcher, "properties": properties }));
        }
        self
    }

    /// Returns the panel with its number and position.
    pub(super) fn placed(mut self, id: u32, x: u32, y: u32) -> Value {
        self.json["id"] = id.into();
        self.json["gridPos"] = json!({ "h": self.height, "w": self.width, "x": x, "y": y });
        self.json
    }
}

fn thresholds(steps: &[(&str, Option<f64>)]) -> Value {
    let steps: Vec<Value> = steps.iter().map(|(color, value)| json!({ "color": color, "value": value })).collect();
    json!({ "mode": "absolute", "steps": steps })
}
