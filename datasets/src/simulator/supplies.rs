//! Simulates what runs out steadily: the validity of a certificate, and the free space of a disk.

use super::{SimulatorOptions, load::autoregressive, options::DAY_MS};

/// Size of the disk in bytes, its share in use at the start, and the share by which it fills per day.
const DISK_BYTES: f64 = 1e11;
const USED_AT_FIRST: f64 = 0.38;
const FILLED_PER_DAY: f64 = 0.012;
/// Share in use at which old data are removed, down to the share at the start.
const CLEANED_AT: f64 = 0.95;

/// Returns the seconds until the certificate expires: 60 days at first, renewed for 90 when 30 are left.
pub(super) fn certificate(options: &SimulatorOptions) -> Vec<f64> {
    let day = 86_400.0;
    let mut left = 60.0 * day;
    let step = options.step.millis() as f64 / 1000.0;
    (0..options.n_steps())
        .map(|_| {
            let current = left;
            left -= step;
            if left < 30.0 * day {
                left = 90.0 * day;
            }
            current
        })
        .collect()
}

/// Returns the free bytes of the disk: they fall by 1.2 % of the disk per day, until old data are removed.
pub(super) fn disk(options: &SimulatorOptions) -> Vec<f64> {
    let n = options.n_steps();
    let noise = autoregressive(&mut options.stream("disk_free"), n, 0.9);
    let per_step = FILLED_PER_DAY * options.step.millis() as f64 / DAY_MS as f64;
    let span = CLEANED_AT - USED_AT_FIRST;
    let used = |t: usize| USED_AT_FIRST + (t as f64 * per_step).rem_euclid(span);
    noise.iter().enumerate().map(|(t, noise)| (DISK_BYTES * (1.0 - used(t) + 0.0005 * noise)).round()).collect()
}
