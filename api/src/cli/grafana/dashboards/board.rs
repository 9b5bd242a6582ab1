//! A dashboard: variables, annotations, and panels placed from left to right in rows.

use serde_json::{Value, json};

use super::{learned, panel::Panel, variable};
use crate::cli::grafana::files::MARK;

/// Columns of a dashboard.
const COLUMNS: u32 = 24;
/// Version of the classic dashboard schema, that of Grafana 11.
const SCHEMA_VERSION: u32 = 39;

/// A titled group of panels.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Title of the group.
    pub(super) title: &'static str,
    /// Its panels in order.
    pub(super) panels: Vec<Panel>,
}

/// A dashboard.
#[derive(Debug, Clone)]
pub(super) struct Board {
    /// Stable identifier, which is part of the dashboard's address.
    pub(super) uid: &'static str,
    /// Title.
    pub(super) title: &'static str,
    /// What it shows, in one sentence.
    pub(super) about: &'static str,
    /// Variables besides the data sources.
    pub(super) variables: Vec<Value>,
    /// Groups of panels in order.
    pub(super) sections: Vec<Section>,
}

impl Board {
    /// Returns the dashboard's file.
    pub(super) fn text(&self) -> String {
        // A tree of strings and numbers can always be written.
        let mut text = serde_json::to_string_pretty(&self.json()).unwrap_or_default();
        text.push('\n');
        text
    }

    fn json(&self) -> Value {
        let mut variables = variable::sources();
        variables.extend(self.variables.iter().cloned());
        json!({
            "id": null, "uid": self.uid, "title": self.title, "tags": ["almanac"],
            "description": format!("{} {MARK}; the next export replaces changes.", self.about),
            "schemaVersion": SCHEMA_VERSION, "version": 1, "editable": true, "graphTooltip": 1, "refresh": "1m",
            // Forecasts are after the present.
            "time": { "from": "now-24h", "to": "now+6h" },
            "timezone": "browser", "weekStart": "", "fiscalYearStartMonth": 0, "liveNow": false, "timepicker": {},
            "links": [{
                "type": "dashboards", "title": "Almanac", "tags": ["almanac"], "asDropdown": false, "icon": "external link",
                "includeVars": false, "keepTime": true, "targetBlank": false, "tooltip": "", "url": "",
            }],
            "annotations": { "list": learned::annotations() },
            "templating": { "list": variables },
            "panels": self.panels(),
        })
    }

    /// Places the panels: each right of the one before it, or in the next row if it does not fit.
    fn panels(&self) -> Vec<Value> {
        let (mut placed, mut y) = (Vec::new(), 0);
        for section in &self.sections {
            let id = number(&placed);
            placed.push(json!({
                "type": "row", "id": id, "title": section.title, "collapsed": false, "panels": [],
                "gridPos": { "h": 1, "w": COLUMNS, "x": 0, "y": y },
            }));
            y += 1;
            let (mut x, mut tallest) = (0, 0);
            for panel in &section.panels {
                if x + panel.width > COLUMNS {
                    (x, y, tallest) = (0, y + tallest, 0);
                }
                placed.push(panel.clone().placed(number(&placed), x, y));
                x += panel.width;
                tallest = tallest.max(panel.height);
            }
            y += tallest;
        }
        placed
    }
}

/// Returns the number of the next panel, from 1.
fn number(placed: &[Value]) -> u32 {
    u32::try_from(placed.len()).unwrap_or(u32::MAX).saturating_add(1)
}
