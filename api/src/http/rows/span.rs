//! Parses the parameters `from` and `to`.

use almanac_models::Timestamp;

use crate::http::{
    ApiError, Params,
    shared::{parse_duration_ms, parse_time},
};

/// Parses an instant: epoch milliseconds, RFC 3339, `now` or `now-6h`. `None` when the parameter is missing.
///
/// # Errors
/// 400 `invalid_parameter`.
pub(in crate::http) fn instant(params: &Params, name: &str, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    params.get(name).map(|text| instant_text(text, name, now)).transpose()
}

/// Parses the text of an instant; `name`: the parameter, for the message.
///
/// # Errors
/// 400 `invalid_parameter`.
pub(in crate::http) fn instant_text(text: &str, name: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let relative = text.strip_prefix("now").map(|offset| match offset.as_bytes().first() {
        None => Some(0),
        Some(b'-') => parse_duration_ms(&offset[1..]).and_then(i64::checked_neg),
        Some(b'+') => parse_duration_ms(&offset[1..]),
        Some(_) => None,
    });
    let millis = match relative {
        Some(offset) => offset.map(|offset| now.plus_millis(offset).millis()),
        None => parse_time(text, 1.0),
    };
    millis.map(Timestamp::from_millis).ok_or_else(|| {
        let message = format!("{name} {text:?} is not a time: write epoch milliseconds, RFC 3339, now or now-6h");
        ApiError::bad_request("invalid_parameter", message)
    })
}

/// Parses `from` and `to`; either may be missing.
///
/// # Errors
/// 400 `invalid_parameter`, also when the end is before the start.
pub(super) fn span(params: &Params, now: Timestamp) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
    let (from, to) = (instant(params, "from", now)?, instant(params, "to", now)?);
    match (from, to) {
        (Some(from), Some(to)) if to < from => {
            Err(ApiError::bad_request("invalid_parameter", "to is before from".to_owned()))
        }
        both => Ok(both),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_milliseconds_rfc_3339_or_relative() {
        let check = |text: &str, expected: Option<i64>| {
            let params = Params::parse(format!("from={}", text.replace('+', "%2B")).as_bytes());
            let found = instant(&params, "from", Timestamp::from_millis(10_000_000));
            assert_eq!(found.ok().flatten().map(Timestamp::millis), expected, "{text}");
        };
        check("1795419624385", Some(1_795_419_624_385));
        check("2026-11-23T07:40:24.385Z", Some(1_795_419_624_385));
        check("now", Some(10_000_000));
        check("now-1h", Some(6_400_000));
        check("now+30s", Some(10_030_000));
        for wrong in ["yesterday", "now/d", "now-", "now-5 moons"] {
            check(wrong, None);
        }
    }
}
