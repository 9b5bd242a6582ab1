//! Text forms of figures in the sentences below a picture.

/// Formats a share in percent, with more digits for a small one.
pub(in crate::advise) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent <= 0.0 {
        "0 %".to_owned()
    } else if percent < 1.0 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1} %")
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn small_shares_have_more_digits() {
        assert_eq!([0.0, 0.0021, 0.016, 0.5].map(percent), ["0 %", "0.21 %", "1.6 %", "50.0 %"]);
    }
}
