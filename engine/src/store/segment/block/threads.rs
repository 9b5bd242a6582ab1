//! Divides the blocks of one call of a SQL function among threads.
//!
//! DuckDB calls a function for one row group in one thread, and a row group of blocks contains up to 177 million samples.

use std::ops::Range;

/// Fewest blocks for which a thread is started: about 1 ms of work.
const SHARE_MIN: usize = 100;
/// Most threads of one call.
const THREADS_MAX: usize = 4;

/// Returns consecutive shares of `blocks` of about the same length, one for each thread; none for no block.
pub(super) fn shares(blocks: usize) -> Vec<Range<usize>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let share = blocks.div_ceil(threads).max(SHARE_MIN);
    (0..blocks).step_by(share).map(|first| first..(first + share).min(blocks)).collect()
}

/// Runs `work` on each item in a thread of its own, on the first in this one, and returns the results in order.
pub(super) fn in_threads<I: Send, T: Send, E: Send>(
    items: Vec<I>,
    work: impl Fn(I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let work = &work;
    let mut items = items.into_iter();
    let Some(first) = items.next() else { return Ok(Vec::new()) };
    std::thread::scope(|scope| {
        let others: Vec<_> = items.map(|item| scope.spawn(move || work(item))).collect();
        let mut results = vec![work(first)?];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(results)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_blocks_in_order() {
        for blocks in [0, 1, 99, 100, 101, 2_048] {
            let shares = shares(blocks);
            assert!(shares.len() <= THREADS_MAX);
            assert!(shares.iter().cloned().flatten().eq(0..blocks), "{shares:?}");
        }
        assert_eq!(shares(150).len(), if shares(2_048).len() > 1 { 2 } else { 1 });
    }

    #[test]
    fn the_first_error_is_returned() {
        let halves = |item: u32| if item.is_multiple_of(2) { Ok(item / 2) } else { Err(item) };
        assert_eq!(in_threads(vec![2, 4, 6], halves), Ok(vec![1, 2, 3]));
        assert_eq!(in_threads(vec![2, 5, 6, 7], halves), Err(5));
        assert_eq!(in_threads(Vec::new(), halves), Ok(Vec::new()));
    }
}
