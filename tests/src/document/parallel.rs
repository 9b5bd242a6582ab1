//! Runs work on several threads and measures its processor time.

use std::{
    fs,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

/// Results of all items with the processor time spent.
#[derive(Debug, Clone)]
pub struct Done<T> {
    /// One result per item, in the order of the items.
    pub results: Vec<T>,
    /// Processor time of all threads; their elapsed time where the system has no processor times.
    pub cpu: Duration,
}

/// Applies `work` to each item on `threads` threads; the results do not depend on their number. Prints progress on
/// stderr.
pub fn each<I: Sync, T: Send>(what: &str, items: &[I], threads: usize, work: impl Fn(&I) -> T + Sync) -> Done<T> {
    let next = AtomicUsize::new(0);
    let (sender, done) = mpsc::channel();
    let (clock, times) = mpsc::channel();
    let mut results: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (sender, clock, next, work) = (sender.clone(), clock.clone(), &next, &work);
            scope.spawn(move || {
                let (thread_started, cpu_started) = (Instant::now(), thread_cpu());
                loop {
                    let idx = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(idx) else { break };
                    if sender.send((idx, work(item))).is_err() {
                        break;
                    }
                }
                let cpu = thread_cpu().zip(cpu_started).map(|(end, start)| end.saturating_sub(start));
                // Fails only when the receiver has panicked.
                let _ = clock.send(cpu.unwrap_or_else(|| thread_started.elapsed()));
            });
        }
        // The receivers end when the last sender is dropped.
        drop((sender, clock));
        for (count, (idx, result)) in done.into_iter().enumerate() {
            results[idx] = Some(result);
            if (count + 1) % items.len().div_ceil(4) == 0 && started.elapsed() > Duration::from_secs(10) {
                eprintln!("  {what}: {} of {}, {:.0} s", count + 1, items.len(), started.elapsed().as_secs_f64());
            }
        }
    });
    eprintln!("  {what}: {:.1} s", started.elapsed().as_secs_f64());
    Done { results: results.into_iter().flatten().collect(), cpu: times.into_iter().sum() }
}

impl<T> Done<T> {
    /// Returns the processor milliseconds per item.
    #[must_use]
    pub fn cpu_ms_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / self.results.len().max(1) as f64
    }
}

/// Returns the processor time of this thread so far; `None` where Linux's `schedstat` does not exist.
fn thread_cpu() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        for threads in [1, 3, 200] {
            let done = each("squares", &items, threads, |n| n * n);
            assert!(done.results.iter().zip(&items).all(|(square, n)| *square == n * n));
        }
        assert!(each("nothing", &[0_u8; 0], 2, |n| *n).results.is_empty());
    }
}
