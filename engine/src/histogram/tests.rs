//! Tests of histograms against worked examples.

use std::sync::Arc;

use super::*;

fn exponential(schema: i8, positive: &[(i32, f64)]) -> Histogram {
    let count = positive.iter().map(|bucket| bucket.1).sum();
    Histogram { schema, count, sum: count, positive: positive.to_vec(), ..Histogram::default() }
}

fn custom(bounds: &[f64], positive: &[(i32, f64)]) -> Histogram {
    Histogram { custom: Arc::from(bounds), ..exponential(CUSTOM_SCHEMA, positive) }
}

#[test]
fn bounds_follow_from_the_schema() {
    let check = |index: i32, schema: i8, expected: f64| {
        let found = bound(index, schema, &[]);
        assert!(
            (found - expected).abs() <= expected.abs() * 1e-15,
            "{index} of {schema}: {found}, expected {expected}"
        );
    };
    check(0, 0, 1.0);
    check(3, 0, 8.0);
    check(-1, 0, 0.5);
    check(1, 2, 1.189_207_115_002_721);
    check(5, 8, 1.013_630_084_951_489_4);
    check(2, -1, 16.0);
    check(-68, -4, 0.0);
    check(1024, 0, f64::MAX);
    check(64, -4, f64::MAX);
    assert_eq!(bound(1025, 0, &[]).to_bits(), f64::INFINITY.to_bits());
    assert_eq!(bound(i32::MIN, 8, &[]).to_bits(), 0_f64.to_bits());
    let all: Vec<f64> = (-1..=2).map(|index| bound(index, CUSTOM_SCHEMA, &[1.5, 3.0])).collect();
    assert_eq!(all, [f64::NEG_INFINITY, 1.5, 3.0, f64::INFINITY]);
}

#[test]
fn spans_give_indices_and_back() {
    let spans = [Span { offset: -2, length: 2 }, Span { offset: 1, length: 1 }];
    let buckets = from_spans(&spans, &[1.0, 0.0, 2.0]).unwrap();
    assert_eq!(buckets, [(-2, 1.0), (1, 2.0)]);
    assert_eq!(
        to_spans(&buckets),
        (vec![Span { offset: -2, length: 1 }, Span { offset: 2, length: 1 }], vec![1.0, 2.0])
    );
    let wrong = |spans: &[Span], counts: &[f64]| from_spans(spans, counts).unwrap_err().to_string();
    assert_eq!(wrong(&spans, &[1.0]), "the spans have 3 buckets, but 1 are sent");
    assert!(wrong(&[Span { offset: i32::MAX, length: 1 }], &[1.0]).starts_with("span 1 has the offset 2147483647"));
    assert!(wrong(&[spans[0], Span { offset: -1, length: 1 }], &[1.0; 3]).starts_with("span 2 has the offset -1"));
    assert!(wrong(&[Span { offset: 0, length: u32::MAX }], &[1.0; 3000]).starts_with("3000 buckets are more than"));
}

#[test]
fn sums_use_the_coarser_buckets() {
    let mut fine = exponential(1, &[(1, 1.0), (2, 2.0), (3, 4.0)]);
    let combined = fine.add(&exponential(0, &[(1, 10.0), (3, 20.0)])).unwrap();
    assert_eq!((combined, fine.schema), (Combined::default(), 0));
    // (1, √2] and (√2, 2] are (1, 2]; (2, 2√2] is within (2, 4].
    assert_eq!((fine.positive.clone(), fine.count), (vec![(1, 13.0), (2, 4.0), (3, 20.0)], 37.0));
    fine.sub(&exponential(0, &[(1, 13.0)])).unwrap();
    assert_eq!(fine.positive, [(2, 4.0), (3, 20.0)]);
}

#[test]
fn zero_buckets_become_as_wide_as_the_wider_one() {
    let mut narrow = Histogram { zero_threshold: 0.1, zero_count: 1.0, ..exponential(0, &[(-1, 2.0), (0, 4.0)]) };
    let wide = Histogram { zero_threshold: 0.3, zero_count: 5.0, ..exponential(0, &[(1, 8.0)]) };
    // (0.25, 0.5] is cut by 0.3, so that both become 0.5 wide.
    narrow.add(&wide).unwrap();
    assert_eq!((narrow.zero_threshold, narrow.zero_count), (0.5, 8.0));
    assert_eq!(narrow.positive, [(0, 4.0), (1, 8.0)]);
}

#[test]
fn custom_bounds_that_differ_are_reduced_to_the_common_ones() {
    let mut one = custom(&[1.0, 2.0, 3.0], &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]);
    let combined = one.add(&custom(&[1.0, 3.0], &[(1, 10.0), (2, 20.0)])).unwrap();
    assert!(combined.reconciled);
    assert_eq!((&*one.custom, one.positive.clone()), ([1.0, 3.0].as_slice(), vec![(0, 1.0), (1, 15.0), (2, 24.0)]));
    assert_eq!(one.add(&exponential(0, &[])), Err(IncompatibleSchemas));
}

#[test]
fn a_count_that_falls_is_a_reset() {
    let check = |now: &Histogram, before: &Histogram, expected: bool| {
        assert_eq!(now.is_reset(before), expected, "{now} after {before}");
    };
    let before = exponential(1, &[(1, 1.0), (2, 2.0)]);
    check(&exponential(1, &[(1, 1.0), (2, 2.0)]), &before, false);
    check(&exponential(1, &[(1, 1.0), (2, 1.0), (3, 1.0)]), &before, true);
    check(&exponential(1, &[(2, 4.0)]), &before, true);
    check(&exponential(0, &[(1, 3.0)]), &before, false);
    check(&exponential(0, &[(1, 2.0), (2, 1.0)]), &before, true);
    check(&exponential(2, &[(2, 1.0), (4, 2.0)]), &before, true);
    check(&custom(&[1.0], &[(0, 3.0)]), &before, true);
    check(&custom(&[1.0, 2.0], &[(0, 3.0), (1, 1.0)]), &custom(&[1.0], &[(0, 3.0)]), false);
    let hinted = |hint| Histogram { hint, ..before.clone() };
    check(&hinted(ResetHint::Reset), &before, true);
    check(&hinted(ResetHint::NotReset), &exponential(1, &[(9, 100.0)]), false);
}

#[test]
fn what_cannot_be_stored_is_named() {
    let valid = exponential(0, &[(1, 2.0)]);
    assert_eq!(valid.check(), Ok(()));
    assert_eq!(custom(&[1.0], &[(1, 2.0)]).check(), Ok(()));
    let check = |histogram: Histogram, expected: &str| {
        assert_eq!(histogram.check().unwrap_err().to_string(), expected);
    };
    check(
        Histogram { schema: 9, ..valid.clone() },
        "schema 9 is not known: exponential buckets have a schema from -4 to 8, custom buckets -53",
    );
    check(
        exponential(0, &[(1, -2.0), (2, 3.0)]),
        "the count of a bucket is -2: counts are numbers that are not negative",
    );
    check(Histogram { count: f64::NAN, ..valid.clone() }, "the count is NaN: counts are numbers that are not negative");
    check(Histogram { count: 1.0, ..valid.clone() }, "the buckets have 2 observations, more than the count of 1");
    check(
        Histogram { zero_threshold: -1.0, ..valid.clone() },
        "the zero threshold is -1: it is a number that is not negative",
    );
    check(Histogram { custom: vec![1.0].into(), ..valid }, "a histogram with exponential buckets has no custom bounds");
    check(custom(&[2.0, 1.0], &[]), "custom bound 2 is 1: bounds are finite and ascending");
    check(custom(&[1.0], &[(2, 1.0)]), "bucket 2 is beyond the 1 custom bounds");
    check(
        Histogram { zero_count: 1.0, count: 3.0, ..custom(&[1.0], &[]) },
        "a histogram with custom buckets has no zero bucket",
    );
    let many: Vec<(i32, f64)> = (0..3_000).map(|index| (index, 1.0)).collect();
    check(exponential(0, &many), "3000 buckets are more than 2048");
}

#[test]
fn histograms_are_shown_as_prometheus_does() {
    let all = Histogram {
        zero_count: 1.0,
        zero_threshold: 0.5,
        negative: vec![(1, 2.0)],
        count: 6.0,
        ..exponential(0, &[(1, 1.0), (2, 2.0)])
    };
    assert_eq!(all.to_string(), "{count:6, sum:3, [-2,-1):2, [-0.5,0.5]:1, (1,2]:1, (2,4]:2}");
    assert_eq!(custom(&[1.0], &[(0, 1.0), (1, 2.0)]).to_string(), "{count:3, sum:3, [-Inf,1]:1, (1,+Inf]:2}");
}
