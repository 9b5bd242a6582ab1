//! Amounts of memory as PostgreSQL writes them, such as `64MB`.

const KIB: f64 = 1024.0;
/// Units from the largest, in bytes.
const UNITS: [(&str, f64); 4] =
    [("TB", KIB * KIB * KIB * KIB), ("GB", KIB * KIB * KIB), ("MB", KIB * KIB), ("kB", KIB)];

/// Reads an amount as bytes; a number alone is of `unit` bytes. Units are those of PostgreSQL (`B`, `8kB`, `kB`, `MB`, `GB`,
/// `TB`, powers of 1,024) and `KiB` to `TiB`. None for another text, and for amounts that are not above 0.
///
/// ```
/// use almanac_engine::database::memory::bytes;
/// assert_eq!(bytes("64MB", 1024.0), Some(67_108_864.0));
/// assert_eq!(bytes("4096", 1024.0), Some(4_194_304.0));
/// assert_eq!(bytes("much", 1.0), None);
/// ```
#[must_use]
pub fn bytes(text: &str, unit: f64) -> Option<f64> {
    let text = text.trim();
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    let number: f64 = text.get(..end)?.parse().ok()?;
    let name = text.get(end..)?.trim();
    let factor = match name {
        "" => unit,
        "B" => 1.0,
        "8kB" => 8.0 * KIB,
        _ => {
            let plain = name.replace("iB", "B").replace('K', "k");
            UNITS.iter().find(|(unit, _)| *unit == plain)?.1
        }
    };
    let bytes = number * factor;
    (bytes > 0.0 && bytes.is_finite()).then_some(bytes)
}

/// Writes whole kibibytes in the largest unit that divides them, such as `64MB` or `1536kB`.
///
/// ```
/// use almanac_engine::database::memory::text;
/// assert_eq!(text(67_108_864.0), "64MB");
/// assert_eq!(text(1_572_864.0), "1536kB");
/// ```
#[must_use]
pub fn text(bytes: f64) -> String {
    let kib = (bytes / KIB).round().max(1.0);
    let found = UNITS.iter().find(|(_, factor)| (kib * KIB) % factor == 0.0);
    let (unit, factor) = found.copied().unwrap_or(("kB", KIB));
    format!("{}{unit}", kib * KIB / factor)
}

/// Writes an amount for readers, with three digits: `1.25 GB`.
///
/// ```
/// use almanac_engine::database::memory::about;
/// assert_eq!(about(1_342_177_280.0), "1.25 GB");
/// assert_eq!(about(0.0), "0 kB");
/// ```
#[must_use]
pub fn about(bytes: f64) -> String {
    let bytes = bytes.max(0.0);
    let (unit, factor) = UNITS.iter().find(|(_, factor)| bytes >= *factor).copied().unwrap_or(("kB", KIB));
    let number = bytes / factor;
    let digits = if number >= 99.5 {
        0
    } else if number >= 9.95 {
        1
    } else {
        2
    };
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    format!("{text} {unit}")
}
