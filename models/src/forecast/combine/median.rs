//! Combines several courses by the median at each step, which is robust against one outlying member.

/// Returns the median course of `courses`, which are not empty and of equal length.
pub(crate) fn median_course(courses: &[Vec<f64>]) -> Vec<f64> {
    let horizon = courses.first().map_or(0, Vec::len);
    let mut column = Vec::with_capacity(courses.len());
    (0..horizon)
        .map(|k| {
            column.clear();
            column.extend(courses.iter().map(|c| c[k]));
            median_of(&mut column)
        })
        .collect()
}

/// Returns the median of values, which are reordered; the mean of the middle two when their number is even.
fn median_of(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { 0.5 * (values[n / 2 - 1] + values[n / 2]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlying_member_does_not_move_the_median() {
        let courses = [vec![1.0, 2.0], vec![1.2, 1e9], vec![0.9, 2.2]];
        assert_eq!(median_course(&courses), vec![1.0, 2.2]);
        assert_eq!(median_course(&courses[..2]), vec![1.1, 0.5e9 + 1.0]);
    }
}
