//! Progress on stderr, drawn only on a terminal: a bar with rate and time left where work can be counted, else the time
//! so far. A bar disappears when it is dropped.

use std::{borrow::Cow, fmt, time::Duration};

use almanac_engine::{
    advise::{AdviceSpecs, Registry, Sources, Verdict},
    store::Store,
};
use almanac_models::Timestamp;
use indicatif::{HumanCount, ProgressBar, ProgressFinish, ProgressState, ProgressStyle};

use super::Global;

/// Interval at which a bar is drawn again while nothing is counted.
const TICK: Duration = Duration::from_millis(200);

/// Returns a bar for `total` pieces of work, named in the plural, such as `series`. A single piece gives the time so far,
/// since a rate needs two.
pub(super) fn counted(global: &Global, what: impl Into<Cow<'static, str>>, unit: &str, total: u64) -> ProgressBar {
    if total == 1 {
        return waiting(global, what);
    }
    let counts = format!("{{human_pos}}/{{human_len}} {unit}, {{rate}}, {{eta}} left");
    drawn(global, ProgressBar::new(total), what, &format!("{{msg:24!}} {{wide_bar}} {counts}"))
}

/// Returns a bar for a transfer of `total` bytes.
pub(super) fn bytes(global: &Global, what: impl Into<Cow<'static, str>>, total: u64) -> ProgressBar {
    let template = "{msg:24!} {wide_bar} {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
    drawn(global, ProgressBar::new(total), what, template)
}

/// Returns a line with the time so far, for work that cannot be counted.
pub(super) fn waiting(global: &Global, what: impl Into<Cow<'static, str>>) -> ProgressBar {
    drawn(global, ProgressBar::no_length(), what, "{spinner} {msg}, {elapsed} so far")
}

fn drawn(global: &Global, bar: ProgressBar, what: impl Into<Cow<'static, str>>, template: &str) -> ProgressBar {
    if !global.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = bar.with_finish(ProgressFinish::AndClear).with_message(what);
    // A template that cannot be parsed leaves the library's own style.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", write_rate));
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Writes the rate with as many digits as people read; the library's own has four decimals.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of pieces of work")]
fn write_rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    // An error of the writer would only lose a drawing.
    let _ = if rate < 100.0 { write!(out, "{rate:.1}/s") } else { write!(out, "{}/s", HumanCount(rate as u64)) };
}

/// Runs every advisor like [`almanac_engine::advise::consider`], and counts the targets.
pub(super) fn consider(
    store: &Store,
    registry: &Registry,
    specs: &AdviceSpecs,
    now: Timestamp,
    global: &Global,
) -> Vec<Verdict> {
    let counts: Vec<u64> = registry.advisors().map(|advisor| advisor.explain(specs).len() as u64).collect();
    let bar = counted(global, "advising", "targets", counts.iter().sum());
    let mut verdicts = Vec::new();
    for (advisor, count) in registry.advisors().zip(counts) {
        bar.set_message(format!("advising on {}", advisor.kind()));
        verdicts.extend(advisor.advise(&Sources { store }, specs, now));
        bar.inc(count);
    }
    verdicts
}
