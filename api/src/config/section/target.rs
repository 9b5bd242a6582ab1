//! Objectives, `[[target]]`.

use almanac_engine::{
    rules::{Limit, Objective},
    signal,
};
use serde::Deserialize;

use crate::config::Span;

/// An objective: an expression that has to stay within a limit for a share of the time, `[[target]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Unique name of the objective.
    pub name: String,
    /// PromQL expression; each of its series is judged by itself.
    pub expr: String,
    /// Largest good value, in the unit of the expression.
    pub at_most: Option<f64>,
    /// Smallest good value; one of both is needed.
    pub at_least: Option<f64>,
    /// Span that is judged.
    #[serde(default = "default_over")]
    pub over: Span,
    /// Share of the time that has to be good.
    #[serde(default = "default_share")]
    pub share: f64,
}

fn default_over() -> Span {
    Span::from_secs(7 * 86_400)
}

fn default_share() -> f64 {
    0.99
}

impl Target {
    /// Returns the objective.
    ///
    /// # Errors
    /// What is wrong with the section, in one line.
    pub fn objective(&self) -> Result<Objective, String> {
        let wrong = |what: String| Err(format!("target {:?}: {what}", self.name));
        let query = match signal::parse(&self.expr) {
            Ok(query) => query,
            Err(error) => return wrong(format!("expr: {}", crate::chain(&error))),
        };
        let limit = match (self.at_most, self.at_least) {
            (Some(limit), None) => Limit::AtMost(limit),
            (None, Some(limit)) => Limit::AtLeast(limit),
            _ => return wrong("write either at_most or at_least".to_owned()),
        };
        if !limit.value().is_finite() {
            return wrong(format!("the limit {} is not a finite number", limit.value()));
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return wrong(format!("share {} is not above 0 and at most 1; 99 % is 0.99", self.share));
        }
        if !(3_600_000..=400 * 86_400_000).contains(&self.over.millis()) {
            return wrong("over is not between 1h and 400d".to_owned());
        }
        Ok(Objective { name: self.name.clone(), query, limit, over_ms: self.over.millis(), share: self.share })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn mistakes_are_named() {
        let refused = |text: &str, expected: &str| {
            let text = format!("[[target]]\nname = \"t\"\nexpr = \"up\"\n{text}");
            let message = Config::parse(&text, Path::new("almanac.toml")).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains('\n'), "{message}");
        };
        refused("", "write either at_most or at_least");
        refused("at_most = 1.0\nat_least = 0.0", "write either at_most or at_least");
        refused("at_most = nan", "not a finite number");
        refused("at_most = 1.0\nshare = 99.0", "99 % is 0.99");
        refused("at_most = 1.0\nover = \"5m\"", "over is not between 1h and 400d");
        refused(
            "at_most = 1.0\n[[target]]\nname = \"t\"\nexpr = \"up\"\nat_most = 1.0",
            "two [[target]] have the name",
        );
        refused("at_most = 1.0\n[[target]]\nname = \"u\"\nexpr = \"rate(up\"\nat_most = 1.0", "target \"u\": expr: ");
    }
}
