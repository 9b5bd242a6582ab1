//! Normalises the bounds of buckets and quantiles as OpenMetrics does, so that equal bounds have equal label values.

/// Formats `le` or `quantile` as Prometheus 3 stores it: `1` becomes `1.0`, `1000000` becomes `1e+06`.
///
/// `None` for text that is not a number. Reference: Prometheus, `model/textparse`, `normalizeFloatsInLabelValues`.
pub(super) fn normalize(text: &str) -> Option<String> {
    let value: f64 = text.trim().parse().ok()?;
    Some(open_metrics(value))
}

/// Formats a number as Go's shortest `%g`, with `.0` appended if it has neither point nor exponent.
fn open_metrics(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: Go 1.24, `strconv.FormatFloat(f, 'g', -1, 64)` and Prometheus' `.0`.
    #[test]
    fn bounds_are_formatted_as_in_prometheus() {
        let check = |text: &str, expected: &str| assert_eq!(normalize(text).as_deref(), Some(expected), "{text}");
        check("1", "1.0");
        check("0", "0.0");
        check("-1", "-1.0");
        check("+Inf", "+Inf");
        check("Inf", "+Inf");
        check("0.005", "0.005");
        check("0.50", "0.5");
        check("2.5", "2.5");
        check("100000", "100000.0");
        check("1000000", "1e+06");
        check("1e6", "1e+06");
        check("2500000", "2.5e+06");
        check("0.0001", "0.0001");
        check("0.00001", "1e-05");
        check("1e+100", "1e+100");
        check("0.99", "0.99");
        assert_eq!(normalize("many"), None);
    }
}
