//! Selects the rows of a history that a picture shows, so that what matters of a long history survives.

use super::types::{Axis, Line, LineRole, POINTS_MAX, Shape};

/// The rows of a history that a picture shows, ascending.
///
/// Every drawn value is a value of the history at its own time: nothing is averaged, and all lines share the same rows.
///
/// ```
/// use almanac_engine::advise::picture::{DrawnRows, POINTS_MAX};
///
/// // One peak among ten thousand rows is always drawn.
/// let demand = |row: usize| if row == 7_531 { 9.0 } else { 1.0 };
/// let drawn = DrawnRows::select(10_000, &[&demand]);
/// assert!(drawn.rows().contains(&7_531) && drawn.rows().len() <= POINTS_MAX);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawnRows(Vec<usize>);

/// What makes a row worth drawing: the row of a bucket at which it is highest is drawn. NaN is never the highest.
pub type RowKey<'a> = &'a dyn Fn(usize) -> f64;

impl DrawnRows {
    /// Selects rows of `0..n`: all when there are few; otherwise the first, the last, and of each bucket of equally many
    /// rows the one at which each key is highest. A bucket without any value is drawn by its first row, as a gap.
    #[must_use]
    pub fn select(n: usize, keys: &[RowKey<'_>]) -> Self {
        Self::select_at_most(n, keys, POINTS_MAX)
    }

    /// Selects as [`DrawnRows::select`] does, at most `most` rows.
    #[must_use]
    pub fn select_at_most(n: usize, keys: &[RowKey<'_>], most: usize) -> Self {
        if n <= most {
            return Self((0..n).collect());
        }
        let buckets = (most.saturating_sub(2) / keys.len().max(1)).max(1);
        let width = n.div_ceil(buckets);
        let mut rows = vec![0, n - 1];
        for start in (0..n).step_by(width) {
            let bucket = start..(start + width).min(n);
            let highest = |key: &RowKey<'_>| {
                let known = bucket.clone().map(|row| (row, key(row))).filter(|(_, value)| !value.is_nan());
                // The first of equals is drawn.
                known.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(row, _)| row)
            };
            let before = rows.len();
            rows.extend(keys.iter().filter_map(highest));
            if rows.len() == before {
                rows.push(start);
            }
        }
        rows.sort_unstable();
        rows.dedup();
        Self(rows)
    }

    /// Returns the rows.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.0
    }

    /// Returns the axis of time. `timestamps`: of all rows, epoch milliseconds.
    #[must_use]
    pub fn axis(&self, timestamps: &[i64]) -> Axis {
        Axis::time(self.0.iter().map(|&row| timestamps[row]))
    }

    /// Returns a line with the value of each row.
    pub fn line(&self, name: impl Into<String>, role: LineRole, shape: Shape, value: impl Fn(usize) -> f64) -> Line {
        Line::new(name, role, shape, self.0.iter().map(|&row| value(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_are_all_drawn() {
        for n in [0, 1, 2, POINTS_MAX] {
            assert_eq!(DrawnRows::select(n, &[&|_| 0.0]).rows().len(), n);
        }
    }

    /// Whatever the keys, the highest value of each is drawn, and never too many rows.
    #[test]
    fn the_highest_of_each_key_survives() {
        for (n, keys) in [(1_501, 1), (40_320, 2), (40_320, 4), (1_000_000, 3)] {
            let noise = move |row: usize, key: usize| (row * 7_919 + key * 104_729) % 10_007;
            let value = move |key: usize| {
                move |row: usize| {
                    let peak = if row == n / (key + 2) { 1e6 } else { 0.0 };
                    peak + f64::from(u32::try_from(noise(row, key)).unwrap())
                }
            };
            let of: Vec<Box<dyn Fn(usize) -> f64>> = (0..keys).map(|key| Box::new(value(key)) as _).collect();
            let of: Vec<RowKey<'_>> = of.iter().map(AsRef::as_ref).collect();
            let drawn = DrawnRows::select(n, &of);
            let rows = drawn.rows();
            assert!(rows.len() <= POINTS_MAX && rows.len() > POINTS_MAX / 4, "{n}: {}", rows.len());
            assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!((rows[0], rows[rows.len() - 1]), (0, n - 1));
            assert!((0..keys).all(|key| rows.contains(&(n / (key + 2)))), "{n}, {keys} keys");
        }
    }

    #[test]
    fn a_bucket_without_values_is_a_gap() {
        let value = |row: usize| if (10_000..30_000).contains(&row) { f64::NAN } else { 1.0 };
        let drawn = DrawnRows::select(40_000, &[&value, &|row| -value(row)]);
        let line = drawn.line("a", LineRole::Measured, Shape::Line, value);
        let gaps = line.values.iter().filter(|value| value.is_none()).count();
        assert!(gaps > 100, "{gaps}");
    }
}
