//! Names of metrics, units and labels by the rules of Prometheus' default strategy, `UnderscoreEscapingWithSuffixes`.
//!
//! # Reference
//! Prometheus' `otlptranslator`, and the section "OTLP metric points to Prometheus" of OpenTelemetry's specification.

/// Kind of a metric, as far as its name depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// A monotonic sum: the suffix is `_total`.
    Counter,
    /// A gauge: with the unit `1` the suffix is `_ratio`.
    Gauge,
    /// A sum that may fall, a histogram or a summary.
    Other,
}

/// Names of units in Prometheus by their UCUM codes.
const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// Names of units after "per".
const PER_UNITS: &[(&str, &str)] =
    &[("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// Returns the name of a metric; `None` if no letter or digit is in it.
pub(crate) fn metric_name(name: &str, unit: &str, kind: NameKind) -> Option<String> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut tokens: Vec<&str> = name.split(|c| !is_valid(c)).filter(|token| !token.is_empty()).collect();
    let (main, per) = units(unit);
    let main = if tokens.contains(&main.as_str()) { "" } else { &main };
    let main = if per.is_empty() { main } else { main.trim_end_matches('_') };
    if !main.is_empty() {
        tokens.push(main);
    }
    if !per.is_empty() && !tokens.contains(&per.as_str()) {
        tokens.push(&per);
    }
    let suffix = match kind {
        NameKind::Counter => "total",
        NameKind::Gauge if unit == "1" => "ratio",
        NameKind::Gauge | NameKind::Other => "",
    };
    if !suffix.is_empty() {
        tokens.retain(|token| *token != suffix);
        tokens.push(suffix);
    }
    let mut found = tokens.join("_");
    if found.starts_with(|c: char| c.is_ascii_digit()) {
        found.insert(0, '_');
    }
    found.contains(|c| c != '_').then_some(found)
}

/// Returns the name of a unit, such as `bytes_per_second` for `By/s`; empty if there is none.
pub(crate) fn unit_name(unit: &str) -> String {
    let (main, per) = units(unit);
    let both: Vec<&str> = [main.as_str(), per.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    both.join("_").trim_matches('_').to_owned()
}

/// Returns the names of a unit and of the unit after the slash, with `per_`. Annotations in braces have no name.
fn units(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let named = |text: &str, names: &[(&'static str, &'static str)]| {
        let text = text.trim();
        if text.contains(['{', '}']) {
            return String::new();
        }
        names.iter().find(|(code, _)| *code == text).map_or(text, |(_, name)| *name).to_owned()
    };
    let (main, per) = (named(main, UNITS), named(per, PER_UNITS));
    let per = if per.is_empty() { per } else { format!("per_{per}") };
    let per = cleaned(&per).trim_end_matches('_').to_owned();
    (cleaned(&main), if per == "per" { String::new() } else { per })
}

/// Replaces invalid characters by underscores, several by one, and removes a leading one.
fn cleaned(unit: &str) -> String {
    let mut found = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' };
        if c != '_' || !found.ends_with('_') {
            found.push(c);
        }
    }
    found.strip_prefix('_').map_or(found.clone(), str::to_owned)
}

/// Returns the name of a label; `None` if no letter or digit is in it.
///
/// A leading digit gets the prefix `key_`, and a single leading underscore the prefix `key`.
pub(crate) fn label_name(name: &str) -> Option<String> {
    let mut found: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if found.starts_with(|c: char| c.is_ascii_digit()) {
        found.insert_str(0, "key_");
    } else if found.starts_with('_') && !found.starts_with("__") {
        found.insert_str(0, "key");
    }
    (name == found || found.contains(|c| c != '_')).then_some(found).filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_in_prometheus() {
        use NameKind::{Counter, Gauge, Other};
        for (name, unit, kind, expected) in [
            ("http.server.request.duration", "s", Other, "http_server_request_duration_seconds"),
            ("system.io", "By", Counter, "system_io_bytes_total"),
            ("system.filesystem.usage", "GiBy", Gauge, "system_filesystem_usage_gibibytes"),
            ("network_transmitted_bytes_total", "By", Counter, "network_transmitted_bytes_total"),
            ("network.io", "By/s", Gauge, "network_io_bytes_per_second"),
            ("requests", "{request}", Counter, "requests_total"),
            ("requests", "{request}/s", Gauge, "requests_per_second"),
            ("cpu.utilization", "1", Gauge, "cpu_utilization_ratio"),
            ("cpu.utilization", "1", Counter, "cpu_utilization_total"),
            ("memory.ratio.used", "1", Gauge, "memory_used_ratio"),
            ("total.requests", "", Counter, "requests_total"),
            ("hw.temperature", "Cel", Gauge, "hw_temperature_celsius"),
            ("queue.size", "", Other, "queue_size"),
            ("a..b__c", "", Other, "a_b_c"),
            ("2xx.count", "", Other, "_2xx_count"),
            ("ns:metric", "", Other, "ns:metric"),
            ("température", "", Gauge, "temp_rature"),
            ("speed", "km/h", Gauge, "speed_km_per_hour"),
            ("ticks", "1/s", Gauge, "ticks_per_second"),
        ] {
            assert_eq!(metric_name(name, unit, kind).as_deref(), Some(expected), "{name} {unit}");
        }
        for name in ["", "...", "__", "é"] {
            assert_eq!(metric_name(name, "", Other), None, "{name:?}");
        }
    }

    #[test]
    fn units_have_names() {
        for (unit, expected) in
            [("s", "seconds"), ("By/s", "bytes_per_second"), ("1", ""), ("{request}", ""), ("m/s", "meters_per_second")]
        {
            assert_eq!(unit_name(unit), expected, "{unit}");
        }
    }

    #[test]
    fn labels_are_named_as_in_prometheus() {
        for (name, expected) in [
            ("http.method", Some("http_method")),
            ("0abc", Some("key_0abc")),
            ("_private", Some("key_private")),
            ("__reserved", Some("__reserved")),
            ("a-b", Some("a_b")),
            ("é", Some("key_")),
            ("", None),
        ] {
            assert_eq!(label_name(name).as_deref(), expected, "{name:?}");
        }
    }
}
