//! Finds the position of an error in a statement from the extract that DuckDB shows with its message.

/// Returns the position in `sql`, in bytes, of the caret in a message such as
///
/// ```text
/// Binder Error: Referenced column "x" not found in FROM clause!
///
/// LINE 1: SELECT x FROM samples
///                ^
/// ```
///
/// A long line is shown in part, with `...` where it was cut. `None` without an extract, or if it is not found once.
pub(super) fn caret(sql: &str, message: &str) -> Option<usize> {
    let lines: Vec<&str> = message.lines().collect();
    let at = lines.iter().rposition(|line| line.starts_with("LINE "))?;
    let (number, extract) = lines.get(at)?.strip_prefix("LINE ")?.split_once(": ")?;
    let number: usize = number.parse().ok()?;
    let column = lines.get(at + 1)?.find('^')?;
    let prefix = lines.get(at)?.len() - extract.len();
    let column = column.checked_sub(prefix)?;
    let (cut, shown) = extract.strip_prefix("...").map_or((0, extract), |rest| (3, rest));
    let shown = shown.strip_suffix("...").unwrap_or(shown);
    let line = sql.split('\n').nth(number.checked_sub(1)?)?;
    let start: usize = sql.split('\n').take(number - 1).map(|line| line.len() + 1).sum();
    let found = line.find(shown).filter(|first| line.rfind(shown) == Some(*first))?;
    // The caret is below a character of the extract.
    let inside: usize = shown.chars().take(column.checked_sub(cut)?).map(char::len_utf8).sum();
    Some(start + found + inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_found_in_short_and_cut_lines() {
        let check =
            |sql: &str, message: &str, expected: Option<usize>| assert_eq!(caret(sql, message), expected, "{message}");
        check("SELECT x FROM samples", "Binder Error: no\n\nLINE 1: SELECT x FROM samples\n               ^", Some(7));
        check("SELECT 1,\n  é, x", "no\n\nLINE 2:   é, x\n             ^", Some(16));
        let long = format!("SELECT {} bad, 2", "1, ".repeat(50));
        let message = format!("no\n\nLINE 1: ...{} bad, 2\n{}^", "1, ".repeat(3), " ".repeat(8 + 3 + 9 + 1));
        check(&long, &message, long.find("bad"));
        check("SELECT 1", "no extract", None);
        check("SELECT 1", "LINE 9: SELECT 1\n        ^", None);
        check("SELECT 1", "LINE x: SELECT 1\n^", None);
        check("a a", "LINE 1: ...a...\n           ^", None);
    }
}
