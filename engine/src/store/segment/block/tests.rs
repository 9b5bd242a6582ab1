//! Properties of blocks: what is encoded comes back bit by bit, and damaged bytes give an error.

use proptest::prelude::*;

use super::*;
use crate::series::stale_marker;

fn decoded(block: &Block) -> (Vec<i64>, Vec<u64>) {
    let (mut timestamps, mut values) = (Vec::new(), Vec::new());
    block.as_ref().decode(&mut timestamps, &mut values).unwrap();
    (timestamps, values.into_iter().map(f64::to_bits).collect())
}

fn is_lossless(timestamps: &[i64], values: &[f64]) -> Block {
    let block = encode(7, timestamps, values);
    let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
    // The arrays are too long to be shown.
    assert!(decoded(&block) == (timestamps.to_vec(), bits), "{} samples, encoding {}", values.len(), block.values[0]);
    block
}

/// Values of one kind, as services have them.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let whole = prop::collection::vec(0_u32..5_000, 1..1_440).prop_map(|steps| {
        let mut total = 0.0;
        steps
            .iter()
            .map(|step| {
                total += f64::from(*step);
                total
            })
            .collect::<Vec<f64>>()
    });
    let decimal = prop::collection::vec((0_i32..10_000).prop_map(|cents| f64::from(cents) / 100.0), 1..1_440);
    let constant = (any::<f64>(), 1_usize..1_440).prop_map(|(value, count)| vec![value; count]);
    prop_oneof![whole, decimal, constant, prop::collection::vec(any::<f64>(), 1..300)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn samples_come_back_bit_by_bit(
        mut values in values(),
        begin in -62_135_596_800_000_i64..253_402_300_799_000,
        steps in prop_oneof![
            Just(vec![10_000_i64]),
            prop::collection::vec(9_995_i64..10_006, 1..50),
            prop::collection::vec(1_i64..10_000_000_000, 1..50),
        ],
        odd in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(stale_marker()),
            any::<u64>().prop_map(f64::from_bits),
        ]), 0..6),
    ) {
        for (place, value) in odd {
            let place = place.index(values.len());
            values[place] = value;
        }
        let timestamps: Vec<i64> = values
            .iter()
            .scan((begin, steps.iter().cycle()), |(at, steps), _| {
                let now = *at;
                *at += steps.next().unwrap();
                Some(now)
            })
            .collect();
        is_lossless(&timestamps, &values);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(
        count in prop_oneof![0_u32..2_000, any::<u32>()],
        ends in any::<(i64, i64)>(),
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        encoding in 0_u8..6,
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = encoding;
        }
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        let read = decode::appended(&mut timestamps, count, |out| decode::decode_timestamps(ends.0, ends.1, &bytes, out));
        assert_eq!(timestamps.len(), if read.is_ok() { count as usize } else { 0 });
        let read = decode::appended(&mut values, count, |out| decode::decode_values(&bytes, out));
        assert_eq!(values.len(), if read.is_ok() { count as usize } else { 0 });
    }
}

#[test]
fn even_timestamps_and_constants_take_a_few_bytes() {
    let timestamps: Vec<i64> = (0..1_440).map(|place| 1_767_225_600_000 + place * 10_000).collect();
    let block = is_lossless(&timestamps, &vec![42.0; 1_440]);
    assert_eq!((block.timestamps.len(), block.values.len()), (0, 9));
    let jittered: Vec<i64> = timestamps.iter().map(|at| at + at / 10_000 % 7).collect();
    let counter: Vec<f64> = (0..1_440).map(|place| f64::from(place * 3 + place % 5)).collect();
    let block = is_lossless(&jittered, &counter);
    assert!(block.timestamps.len() < 1_440 && block.values.len() < 1_440, "{block:?}");
}

#[test]
fn one_stale_marker_hardly_changes_the_size() {
    let timestamps: Vec<i64> = (0..1_440).map(|place| place * 10_000).collect();
    let mut values: Vec<f64> = (0..1_440).map(|place| f64::from(place * 37 % 1_000) / 100.0).collect();
    let before = is_lossless(&timestamps, &values).values.len();
    values[700] = stale_marker();
    let after = is_lossless(&timestamps, &values).values.len();
    assert!(after < before + 100, "{before} {after}");
}

#[test]
fn a_changed_byte_is_noticed() {
    let timestamps: Vec<i64> = (0..200).map(|place| place * 10_000 + place % 3).collect();
    let values: Vec<f64> = (0..200).map(f64::from).collect();
    let block = encode(1, &timestamps, &values);
    for place in [0, 5, block.values.len() - 1] {
        let mut damaged = block.clone();
        damaged.values[place] ^= 1;
        assert!(damaged.as_ref().decode(&mut Vec::new(), &mut Vec::new()).is_err());
    }
    let moved = Block { series: 2, ..block };
    assert!(moved.as_ref().check().is_err());
}
