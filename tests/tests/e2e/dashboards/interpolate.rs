//! Replaces variables and macros in texts of a dashboard as Grafana, its Prometheus data source and Infinity do.

use std::collections::BTreeMap;

/// Values of a variable.
#[derive(Debug, Clone)]
pub(super) struct Values {
    /// The selected values; all options for "All".
    pub(super) values: Vec<String>,
    /// Whether several may be selected; PromQL then gets a regular expression.
    pub(super) multi: bool,
}

/// Variables by name, and the span of the dashboard.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) variables: BTreeMap<String, Values>,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Scope {
    /// Returns the same scope with one value of a variable, as in a repeated panel.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut scope = self.clone();
        scope.variables.insert(name.to_owned(), Values { values: vec![value.to_owned()], multi: true });
        scope
    }

    /// Returns a PromQL text, in which several values are a regular expression.
    pub(super) fn promql(&self, text: &str) -> String {
        self.replace(text, |values, _| {
            if !values.multi {
                return values.values.join(",");
            }
            let escaped: Vec<String> = values.values.iter().map(|value| escaped(value)).collect();
            if let [one] = escaped.as_slice() { one.clone() } else { format!("({})", escaped.join("|")) }
        })
    }

    /// Returns a parameter of an Infinity query.
    pub(super) fn parameter(&self, text: &str) -> String {
        self.replace(text, |values, format| match (format, values.values.as_slice()) {
            ("csv", values) => values.join(","),
            (_, [one]) => one.clone(),
            // Grafana's default for several values, which no endpoint understands.
            (_, many) => format!("{{{}}}", many.join(",")),
        })
    }

    /// Replaces `$name`, `${name}` and `${name:format}`. An unknown name stays, and fails the query.
    fn replace(&self, text: &str, value: impl Fn(&Values, &str) -> String) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, format, left) = if let Some(inner) = after.strip_prefix('{') {
                let (inner, left) = inner.split_once('}').unwrap();
                let (name, format) = inner.split_once(':').unwrap_or((inner, ""));
                (name, format, left)
            } else {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], "", &after[end..])
            };
            match name {
                "__rate_interval" => out.push_str("4m"),
                "__timeFrom" => out.push_str(&self.from_ms.to_string()),
                "__timeTo" => out.push_str(&self.to_ms.to_string()),
                _ => {
                    let values = self.variables.get(name).unwrap_or_else(|| panic!("no variable {name:?}: {text}"));
                    out.push_str(&value(values, format));
                }
            }
            rest = left;
        }
        out + rest
    }
}

/// Escapes a value for a regular expression inside of a PromQL string, as the data source does.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '\\' => out.push_str(r"\\\\"),
            '$' | '^' | '*' | '{' | '}' | '[' | ']' | '\'' | '+' | '?' | '.' | '(' | ')' | '|' => {
                out.push_str(r"\\");
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}
