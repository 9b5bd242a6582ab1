//! Neither the order in which spans arrive, nor their batches, nor their identifiers change a finding.

use proptest::prelude::*;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    super::{BufferLimits, LoopFinding, TraceBuffer, loops},
    *,
};

/// Returns requests of all forms by numbers: the form and the number of rows.
fn traces(chosen: &[(u8, u64)]) -> Vec<Vec<TraceSpan>> {
    let make = |(idx, (form, n)): (usize, &(u8, u64))| {
        let trace = u128::try_from(idx).unwrap();
        match form % 5 {
            0 => serial(trace, *n),
            1 => parallel(trace, *n),
            2 => interleaved(trace, *n),
            3 => warm(trace, *n, n / 5),
            _ => warm(trace, *n, 0),
        }
    };
    chosen.iter().enumerate().map(make).collect()
}

fn chosen() -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((any::<u8>(), 0_u64..25), 1..25)
}

/// Collects the spans in batches and returns the findings.
fn by_batches(spans: &[TraceSpan], sizes: &[usize]) -> (Window, Vec<LoopFinding>) {
    let mut buffer = TraceBuffer::new(BufferLimits::default());
    let (mut rest, mut now_ms, mut sizes) = (spans, 0, sizes.iter().cycle());
    let mut done = Vec::new();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (size + 1).min(rest.len()));
        let (batch, later) = rest.split_at(size);
        for span in batch {
            assert!(buffer.push(span.clone(), now_ms).is_empty());
        }
        now_ms += 1;
        rest = later;
    }
    done.extend(buffer.complete(now_ms + 30_000));
    assert_eq!(buffer.spans(), 0);
    let window = window(&done);
    let found = loops(&window);
    (window, found)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn order_and_batches_change_nothing(chosen in chosen(), seed: u64, sizes in prop::collection::vec(0_usize..50, 1..5)) {
        let traces = traces(&chosen);
        let expected = window(&traces);
        let mut spans: Vec<TraceSpan> = traces.into_iter().flatten().collect();
        spans.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (found, findings) = by_batches(&spans, &sizes);
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(findings, loops(&expected));
        // A batch that is sent again.
        let again: Vec<TraceSpan> = spans.iter().chain(&spans[..spans.len() / 2]).cloned().collect();
        prop_assert_eq!(by_batches(&again, &sizes).0, expected);
    }

    #[test]
    fn identifiers_change_nothing(chosen in chosen(), factor in 1_u64..1_000_000) {
        let traces = traces(&chosen);
        let expected = window(&traces);
        let renamed: Vec<Vec<TraceSpan>> = traces
            .into_iter()
            .map(|mut trace| {
                let new = |id: u64| if id == 0 { 0 } else { (id * 2 + 1).wrapping_mul(factor * 2 + 1) };
                for span in &mut trace {
                    (span.id, span.parent) = (new(span.id), new(span.parent));
                    span.trace = span.trace * 7 + 3;
                }
                trace
            })
            .collect();
        prop_assert_eq!(window(&renamed), expected);
    }

    #[test]
    fn windows_add_up_and_survive_their_rows(chosen in chosen(), at in any::<prop::sample::Index>()) {
        let traces = traces(&chosen);
        let expected = window(&traces);
        let (first, second) = traces.split_at(at.index(traces.len()));
        let mut sum = window(first);
        sum.merge(&window(second));
        sum.length_ms = expected.length_ms;
        prop_assert_eq!(&sum, &expected);
        let rows = sum.rows(almanac_models::Timestamp::from_millis(0), |_| true);
        prop_assert_eq!(Window::from_rows(&rows, None), expected);
    }

    #[test]
    fn findings_are_in_range(chosen in chosen()) {
        for one in loops(&window(&traces(&chosen))) {
            prop_assert!(one.looping <= one.requests && one.looping >= 3);
            for share in [one.share, one.saved, one.saved_per_day] {
                prop_assert!(0.0 <= share.lower && share.lower <= share.value && share.value <= share.upper, "{:?}", one);
            }
            for share in [one.request_share, one.placeholders_only, one.identical] {
                prop_assert!((0.0..=1.0).contains(&share), "{:?}", one);
            }
            prop_assert!(one.calls.median <= one.calls.p95 && one.seconds.median <= one.seconds.p95);
        }
    }
}
