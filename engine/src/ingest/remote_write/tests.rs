//! Tests of the remote-write decoder.

use proptest::prelude::*;

use super::*;
use crate::series::{Labels, Sample, stale_marker};

const LIMIT: usize = 32 << 20;

fn decode(version: Version, body: &[u8]) -> Result<Request, WireError> {
    let mut request = Request::default();
    request.decode(version, body, LIMIT).map(|()| request)
}

fn snappy(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

/// Returns the request as series with their samples; values as bits.
fn contents(request: &Request) -> Vec<(Labels, Vec<(i64, u64)>)> {
    let mut samples = request.timestamps().iter().zip(request.values()).map(|(&t, &v)| (t, v.to_bits()));
    let mut pairs = Vec::new();
    let mut all = Vec::new();
    for entry in request.entries() {
        request.labels(entry, &mut pairs).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let labels = Labels::from_pairs(pairs.iter().map(|(n, v)| (text(n), text(v)))).unwrap();
        all.push((labels, samples.by_ref().take(entry.samples as usize).collect()));
    }
    all
}

fn labels() -> impl Strategy<Value = Labels> {
    proptest::collection::btree_map("[a-z_]{1,8}", "[^\0]{1,12}", 1..6)
        .prop_map(|pairs| Labels::from_pairs(pairs).unwrap())
}

fn series() -> impl Strategy<Value = Vec<(Labels, Vec<Sample>)>> {
    let sample = (any::<i64>(), any::<u64>())
        .prop_map(|(timestamp_ms, bits)| Sample { timestamp_ms, value: f64::from_bits(bits) });
    proptest::collection::vec((labels(), proptest::collection::vec(sample, 1..4)), 0..8)
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_to_the_bit(series in series()) {
        let expected: Vec<(Labels, Vec<(i64, u64)>)> = series
            .iter()
            .map(|(labels, samples)| {
                (labels.clone(), samples.iter().map(|s| (s.timestamp_ms, s.value.to_bits())).collect())
            })
            .collect();
        prop_assert_eq!(&contents(&decode(Version::V1, &encode_v1(&series)).unwrap()), &expected);
        prop_assert_eq!(&contents(&decode(Version::V2, &encode_v2(&series)).unwrap()), &expected);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for version in [Version::V1, Version::V2] {
            let _ = decode(version, &bytes);
            if let Ok(request) = decode(version, &snappy(&bytes)) {
                let mut pairs = Vec::new();
                for entry in request.entries() {
                    let _ = request.labels(entry, &mut pairs);
                }
                request.keys(|_| [0; 16], |_| {});
            }
        }
    }

    #[test]
    fn a_damaged_request_never_panics(series in series(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for (version, body) in [(Version::V1, encode_v1(&series)), (Version::V2, encode_v2(&series))] {
            let mut message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
            if message.is_empty() {
                continue;
            }
            let at = at.index(message.len());
            message[at] = byte;
            if let Ok(request) = decode(version, &snappy(&message)) {
                let mut pairs = Vec::new();
                for entry in request.entries() {
                    let _ = request.labels(entry, &mut pairs);
                }
                request.keys(|_| [0; 16], |_| {});
            }
            let _ = decode(version, &snappy(&message[..at]));
        }
    }
}

#[test]
fn equal_labels_have_equal_keys_and_others_have_not() {
    let one = |name: &str| (Labels::from_pairs([("__name__", name), ("job", "api")]).unwrap(), vec![SAMPLE]);
    let series = [one("a"), one("b"), one("a")];
    for (version, body) in [(Version::V1, encode_v1(&series)), (Version::V2, encode_v2(&series))] {
        let request = decode(version, &body).unwrap();
        let mut keys = Vec::new();
        let symbol = |bytes: &[u8]| {
            let mut hash = [0; 16];
            hash[..bytes.len()].copy_from_slice(bytes);
            hash
        };
        request.keys(symbol, |key| keys.push(key.to_vec()));
        assert_eq!(keys[0], keys[2]);
        assert_ne!(keys[0], keys[1]);
    }
}

const SAMPLE: Sample = Sample { timestamp_ms: 1, value: 2.0 };

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    out.extend_from_slice(bytes);
    out
}

fn label(name: &str, value: &str) -> Vec<u8> {
    field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
}

fn sample() -> Vec<u8> {
    field(2, &[&[0x09], 1.5_f64.to_le_bytes().as_slice(), &[0x10, 7]].concat())
}

/// Label fields with a sample between them, an unknown field, an exemplar and a native histogram.
#[test]
fn fields_in_unusual_places_are_understood() {
    let series =
        [label("__name__", "up"), sample(), field(9, b"later"), label("job", "x"), field(3, b""), field(4, b"")];
    let message = [field(3, b"metadata"), field(1, &series.concat()), field(1, &field(4, b""))].concat();
    let request = decode(Version::V1, &snappy(&message)).unwrap();
    let expected = Labels::from_pairs([("__name__", "up"), ("job", "x")]).unwrap();
    // The second series has a histogram only.
    assert_eq!(contents(&request), [(expected, vec![(7, 1.5_f64.to_bits())]), (Labels::default(), Vec::new())]);
    assert_eq!((request.histograms(), request.exemplars()), (2, 1));
}

#[test]
fn stale_markers_keep_their_bits() {
    let labels = Labels::from_pairs([("__name__", "up")]).unwrap();
    let series = [(labels, vec![Sample { timestamp_ms: 1, value: stale_marker() }])];
    for (version, body) in [(Version::V1, encode_v1(&series)), (Version::V2, encode_v2(&series))] {
        assert_eq!(decode(version, &body).unwrap().values()[0].to_bits(), crate::series::STALE_NAN_BITS);
    }
}

#[test]
fn references_may_be_unpacked_and_precede_their_symbols() {
    let entry = [vec![0x08, 1, 0x08, 2], sample()].concat();
    let message = [field(5, &entry), field(4, b""), field(4, b"__name__"), field(4, b"up")].concat();
    let request = decode(Version::V2, &snappy(&message)).unwrap();
    assert_eq!(contents(&request)[0].0.to_string(), "up");
}

#[test]
fn malformed_requests_are_described() {
    let check = |version, body: &[u8], expected: &str| {
        assert_eq!(decode(version, body).unwrap_err().to_string(), expected);
    };
    let refer = |references: &[u8]| field(5, &[field(1, references), sample()].concat());
    let symbols = [field(4, b""), field(4, b"a")].concat();
    check(Version::V2, &snappy(&refer(&[0, 0])), "the symbol table does not start with an empty string");
    check(
        Version::V2,
        &snappy(&[symbols.clone(), refer(&[1, 2])].concat()),
        "label reference 2 is outside the request's 2 symbols",
    );
    check(
        Version::V2,
        &snappy(&[symbols, refer(&[1])].concat()),
        "a series has 1 label references, expected an even number",
    );
    check(Version::V1, &snappy(&[0x0a, 5, 1]), "the protobuf message is truncated");
    check(Version::V1, &snappy(&field(1, &[0x10, 1])), "protobuf field 2 has the wrong wire type");
    assert!(matches!(decode(Version::V1, b"\xff\x06\x00\x00sNaPpY").unwrap_err(), WireError::Snappy { .. }));
    assert!(matches!(decode(Version::V1, b"").unwrap_err(), WireError::Snappy { .. }));
}

/// A block of a few bytes may declare gigabytes; no memory is reserved for it.
#[test]
fn the_unpacked_size_is_bounded_before_unpacking() {
    let body = snappy(&vec![0; LIMIT + 1]);
    let error = decode(Version::V1, &body).unwrap_err();
    assert_eq!(error, WireError::TooLarge { decoded: LIMIT + 1, limit: LIMIT });
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    assert!(matches!(decode(Version::V1, &claim).unwrap_err(), WireError::TooLarge { decoded: 4_294_967_295, .. }));
}
