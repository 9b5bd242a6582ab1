//! Expands the templates of labels and annotations: `{{ $labels.job }}`, `{{ $value | humanize }}`. Of Prometheus'
//! language it knows the labels, the value, and functions of them; any other template is left as an error in its place.

use std::fmt::Write;

use crate::series::Labels;

/// What a template may read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) labels: &'a Labels,
    pub(super) value: f64,
}

/// Expands a template. An expression that is not known becomes a text that says so.
pub(super) fn expand(template: &str, scope: Scope<'_>) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some(start) = rest.find("{{") {
        out.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let Some(end) = after.find("}}") else {
            return out + "<error expanding template: {{ is not closed>";
        };
        let (mut inner, mut next) = (&after[..end], &after[end + 2..]);
        // `{{-` and `-}}` remove the blanks around them.
        if let Some(trimmed) = inner.strip_prefix('-').filter(|rest| rest.starts_with([' ', '$', '.'])) {
            out.truncate(out.trim_end().len());
            inner = trimmed;
        }
        if let Some(trimmed) = inner.strip_suffix(" -") {
            next = next.trim_start();
            inner = trimmed;
        }
        match pipeline(inner.trim(), scope) {
            Ok(text) => out.push_str(&text),
            Err(what) => {
                let _ = write!(out, "<error expanding template: {what}>");
            }
        }
        rest = next;
    }
    out + rest
}

/// A value between the functions of a pipeline.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Number(f64),
    Text(String),
}

impl Item {
    fn text(&self) -> String {
        match self {
            Self::Number(value) => plain(*value),
            Self::Text(text) => text.clone(),
        }
    }

    fn number(&self) -> Result<f64, String> {
        match self {
            Self::Number(value) => Ok(*value),
            Self::Text(text) => text.trim().parse().map_err(|_| format!("{text:?} is not a number")),
        }
    }
}

/// Evaluates `operand | function | function`.
fn pipeline(text: &str, scope: Scope<'_>) -> Result<String, String> {
    let mut current: Option<Item> = None;
    for stage in split(text, '|') {
        let mut words: Vec<&str> = split(stage.trim(), ' ').into_iter().filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return Err(format!("{text:?} is empty between bars"));
        }
        let name = words.remove(0);
        let mut args = words.iter().map(|word| operand(word, scope)).collect::<Result<Vec<_>, _>>()?;
        args.extend(current.take());
        current = Some(if args.is_empty() { operand(name, scope)? } else { call(name, &args)? });
    }
    current.map(|item| item.text()).ok_or_else(|| "an expression is empty".to_owned())
}

/// Splits at a separator outside of quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, c) if c == separator => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn operand(word: &str, scope: Scope<'_>) -> Result<Item, String> {
    if matches!(word, "$value" | ".Value") {
        return Ok(Item::Number(scope.value));
    }
    for prefix in ["$labels.", ".Labels."] {
        if let Some(name) = word.strip_prefix(prefix) {
            return Ok(Item::Text(scope.labels.get(name).unwrap_or_default().to_owned()));
        }
    }
    if matches!(word, "$externalLabels" | "$externalURL") || word.starts_with("$externalLabels.") {
        return Ok(Item::Text(String::new()));
    }
    if let Some(text) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Ok(Item::Text(text.replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\")));
    }
    if let Some(text) = word.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Ok(Item::Text(text.to_owned()));
    }
    word.parse().map(Item::Number).map_err(|_| format!("{word:?} is not known"))
}

fn call(name: &str, args: &[Item]) -> Result<Item, String> {
    let one = || match args {
        [one] => Ok(one),
        _ => Err(format!("{name} takes one argument")),
    };
    Ok(match name {
        "humanize" => Item::Text(scaled(one()?.number()?, 1000.0)),
        "humanize1024" => Item::Text(scaled(one()?.number()?, 1024.0)),
        "humanizePercentage" => Item::Text(format!("{}%", significant(one()?.number()? * 100.0))),
        "humanizeDuration" => Item::Text(duration(one()?.number()?)),
        "humanizeTimestamp" => {
            #[expect(clippy::cast_possible_truncation, reason = "out of range is no time")]
            let at = chrono::DateTime::from_timestamp_millis((one()?.number()? * 1000.0) as i64);
            Item::Text(at.map_or_else(|| "NaN".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S%.f UTC").to_string()))
        }
        "toUpper" => Item::Text(one()?.text().to_uppercase()),
        "toLower" => Item::Text(one()?.text().to_lowercase()),
        "title" => {
            let text = one()?.text();
            let mut chars = text.chars();
            Item::Text(chars.next().map_or(String::new(), |first| first.to_uppercase().to_string() + chars.as_str()))
        }
        "print" => Item::Text(args.iter().map(Item::text).collect()),
        "printf" => match args.split_first() {
            Some((Item::Text(format), rest)) => Item::Text(formatted(format, rest)?),
            _ => return Err("printf needs a format".to_owned()),
        },
        "stripPort" => {
            let text = one()?.text();
            Item::Text(text.rsplit_once(':').map_or(text.clone(), |(host, _)| host.to_owned()))
        }
        other => return Err(format!("the function {other} is not known")),
    })
}

/// Formats with `%s`, `%v`, `%d`, `%f`, `%g`, `%e` and `%%`, with a precision such as `%.2f`.
fn formatted(format: &str, args: &[Item]) -> Result<String, String> {
    let (mut out, mut rest, mut args) = (String::new(), format, args.iter());
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.find(|c: char| c.is_ascii_alphabetic() || c == '%').ok_or("a % has no letter")?;
        let (flags, verb) = (&after[..end], after.as_bytes()[end]);
        rest = &after[end + 1..];
        if verb == b'%' {
            out.push('%');
            continue;
        }
        let arg = args.next().ok_or("printf has too few arguments")?;
        let precision = flags.split_once('.').and_then(|(_, digits)| digits.parse::<usize>().ok());
        let text = match (verb, precision) {
            (b's' | b'v', _) => arg.text(),
            (b'd', _) => format!("{:.0}", arg.number()?),
            (b'f', precision) => format!("{:.*}", precision.unwrap_or(6).min(100), arg.number()?),
            (b'e', precision) => format!("{:.*e}", precision.unwrap_or(6).min(100), arg.number()?),
            (b'g', _) => plain(arg.number()?),
            _ => return Err(format!("printf has no %{}", char::from(verb))),
        };
        out.push_str(&text);
    }
    Ok(out + rest)
}

/// Formats a number with the fewest digits.
fn plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else if value != 0.0 && (value.abs() < 1e-4 || value.abs() >= 1e21) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        format!("{mantissa}e{sign}{digits:0>2}")
    } else {
        value.to_string()
    }
}

/// Formats a number with four significant digits and without trailing zeros.
#[expect(clippy::cast_possible_truncation, reason = "the logarithm of a finite number is small")]
fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return plain(value);
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    let rounded = format!("{:.*}", usize::try_from(digits.max(0)).unwrap_or(0).min(30), value);
    let rounded = rounded.parse::<f64>().unwrap_or(value);
    let factor = 10_f64.powi(digits);
    plain(if digits < 0 { (value * factor).round() / factor } else { rounded })
}

/// Formats a number with a prefix of its unit.
fn scaled(value: f64, base: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return significant(value);
    }
    let (mut value, mut prefix) = (value, "");
    if value.abs() >= 1.0 {
        for next in if base > 1000.0 {
            ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"]
        } else {
            ["k", "M", "G", "T", "P", "E", "Z", "Y"]
        } {
            if value.abs() < base {
                break;
            }
            (value, prefix) = (value / base, next);
        }
    } else if base <= 1000.0 {
        for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if value.abs() >= 1.0 {
                break;
            }
            (value, prefix) = (value * base, next);
        }
    }
    significant(value) + prefix
}

/// Formats seconds as days, hours, minutes and seconds.
fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return plain(seconds);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() < 1.0 {
        return scaled(seconds, 1000.0) + "s";
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs().floor();
    let (days, hours) = ((whole / 86_400.0).floor(), (whole / 3_600.0).floor() % 24.0);
    let (minutes, rest) = ((whole / 60.0).floor() % 60.0, whole % 60.0);
    if days > 0.0 {
        format!("{sign}{days}d {hours}h {minutes}m {rest}s")
    } else if hours > 0.0 {
        format!("{sign}{hours}h {minutes}m {rest}s")
    } else if minutes > 0.0 {
        format!("{sign}{minutes}m {rest}s")
    } else {
        format!("{sign}{}s", significant(seconds.abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_expanded() {
        let labels = Labels::from_pairs([("job", "api"), ("instance", "a:9100")]).unwrap();
        let check = |template: &str, value: f64, expected: &str| {
            assert_eq!(expand(template, Scope { labels: &labels, value }), expected, "{template}");
        };
        check("no template", 1.0, "no template");
        check("{{ $labels.job }} on {{$labels.instance}}: {{ $value }}", 0.5, "api on a:9100: 0.5");
        check("{{ .Labels.job }}{{ .Labels.none }}{{ .Value }}", 2.0, "api2");
        check("{{ $value | humanize }}", 1_234_567.0, "1.235M");
        check("{{ $value | humanize }}", 0.001_5, "1.5m");
        check("{{ humanize1024 $value }}", 2048.0, "2ki");
        check("{{ $value | humanizePercentage }}", 0.123_45, "12.35%");
        check("{{ $value | humanizeDuration }}", 3_725.0, "1h 2m 5s");
        check("{{ $value | humanizeDuration }}", 90_061.0, "1d 1h 1m 1s");
        check("{{ printf \"%.2f of %s\" $value $labels.job }}", 0.126, "0.13 of api");
        check("{{ $labels.job | toUpper }}", 0.0, "API");
        check("{{ $labels.instance | stripPort }}", 0.0, "a");
        check("a {{- $labels.job }} {{ $labels.job -}} b", 0.0, "aapi apib");
        check("{{ $value | unknown }}", 0.0, "<error expanding template: the function unknown is not known>");
        check("{{ query \"up\" | first }}", 0.0, "<error expanding template: the function query is not known>");
        check("{{ $value", 0.0, "<error expanding template: {{ is not closed>");
        check("{{ $value }}", f64::NAN, "NaN");
    }
}
