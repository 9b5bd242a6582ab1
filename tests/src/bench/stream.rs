//! Generates streams of remote-write requests: series of ten labels at a step of ten seconds.

/// Start of the stream; an arbitrary instant.
pub(super) const START_MS: i64 = 1_790_000_000_000;
/// Distance between samples of a series.
pub(super) const STEP_MS: i64 = 10_000;

/// Size of a stream and of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of series.
    pub series: usize,
    /// Samples of each series.
    pub steps: usize,
    /// Samples per request, one per TimeSeries entry.
    pub request: usize,
}

impl Shape {
    /// Returns the number of samples.
    #[must_use]
    pub fn samples(self) -> usize {
        self.series * self.steps
    }

    /// Returns the time from the first to the last sample in milliseconds.
    #[must_use]
    pub fn span_ms(self) -> i64 {
        STEP_MS * i64::try_from(self.steps.saturating_sub(1)).unwrap_or(i64::MAX / STEP_MS)
    }
}

/// Kind of a series' values; the shares are those of common exporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    /// 40 %: whole counters.
    Counter,
    /// 15 %: counters of seconds, two decimals.
    Seconds,
    /// 15 %: bytes.
    Bytes,
    /// 10 %: gauges of two decimals.
    Gauge,
    /// 10 %: random doubles.
    Noise,
    /// 10 %: constants.
    Constant,
}

impl Values {
    fn of(series: usize) -> Self {
        match series % 20 {
            0..8 => Self::Counter,
            8..11 => Self::Seconds,
            11..14 => Self::Bytes,
            14..16 => Self::Gauge,
            16..18 => Self::Noise,
            _ => Self::Constant,
        }
    }

    fn metric(self) -> &'static str {
        match self {
            Self::Counter => "bench_requests_total",
            Self::Seconds => "bench_seconds_total",
            Self::Bytes => "bench_bytes",
            Self::Gauge => "bench_gauge",
            Self::Noise => "bench_noise",
            Self::Constant => "bench_limit",
        }
    }
}

/// SplitMix64 generator of uniform numbers: the stream is the same on every machine.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a uniform whole number below `end`.
    fn below(&mut self, end: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the bounds used are far below 2^53")]
        let number = (self.next() % end) as f64;
        number
    }
}

/// Series with its encoded labels and its current value.
#[derive(Debug)]
struct Series {
    labels: Vec<u8>,
    values: Values,
    value: f64,
    random: SplitMix,
}

impl Series {
    fn new(index: usize) -> Self {
        let values = Values::of(index);
        let pod = index / 20;
        let labels = [
            ("__name__", values.metric().to_owned()),
            ("code", ["200", "201", "404", "500"][pod % 4].to_owned()),
            ("env", "production".to_owned()),
            ("index", index.to_string()),
            ("instance", format!("10.{}.{}.{}:9100", pod / 12_500, pod / 50 % 250, pod % 50)),
            ("job", ["api", "worker", "postgres", "redis"][pod % 4].to_owned()),
            ("method", ["GET", "POST", "PUT", "DELETE"][index % 4].to_owned()),
            ("path", format!("/api/v1/resource/{}", index % 8)),
            ("pod", format!("api-7d9f8b6c5-{pod:05}")),
            ("region", ["eu-central-1", "us-east-1"][pod % 2].to_owned()),
        ];
        let mut wire = Vec::new();
        for (name, value) in &labels {
            let mut label = Vec::new();
            bytes_field(&mut label, 1, name.as_bytes());
            bytes_field(&mut label, 2, value.as_bytes());
            bytes_field(&mut wire, 1, &label);
        }
        let mut random = SplitMix(index as u64);
        let value = random.below(1_000_000).round();
        Self { labels: wire, values, value, random }
    }

    fn step(&mut self) -> f64 {
        let random = &mut self.random;
        match self.values {
            Values::Counter => self.value += random.below(50),
            Values::Seconds => self.value = ((self.value + random.below(1_000) / 100.0) * 100.0).round() / 100.0,
            Values::Bytes => self.value = (self.value + random.below(65_536) * 4.0 - 131_072.0).abs(),
            Values::Gauge => self.value = random.below(10_000) / 100.0,
            Values::Noise => self.value = random.below(1 << 52) / 4_503_599_627_370_496.0,
            Values::Constant => {}
        }
        self.value
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Request with its compressed body and number of samples.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) body: Vec<u8>,
    pub(super) samples: usize,
}

/// Returns the requests of each connection. Each connection has its own series, in time order.
pub(super) fn requests(shape: Shape, connections: usize) -> Vec<Vec<Request>> {
    let share = shape.series.div_ceil(connections);
    (0..connections).map(|connection| of_connection(shape, connection * share, share)).collect()
}

fn of_connection(shape: Shape, first: usize, share: usize) -> Vec<Request> {
    let mut series: Vec<Series> = (first..(first + share).min(shape.series)).map(Series::new).collect();
    let mut snappy = snap::raw::Encoder::new();
    let (mut all, mut body, mut samples) = (Vec::new(), Vec::new(), 0);
    let mut finish = |body: &mut Vec<u8>, samples: &mut usize| {
        let compressed = snappy.compress_vec(body).unwrap_or_default();
        all.push(Request { body: compressed, samples: std::mem::take(samples) });
        body.clear();
    };
    let mut timestamp = START_MS;
    let (mut sample, mut entry) = (Vec::new(), Vec::new());
    // Encodes by hand what remote write 1.0 defines: one TimeSeries entry (field 1) per sample, with labels and a
    // sample (field 2).
    for _ in 0..shape.steps {
        for one in &mut series {
            sample.clear();
            varint(&mut sample, 1 << 3 | 1);
            sample.extend_from_slice(&one.step().to_le_bytes());
            varint(&mut sample, 2 << 3);
            varint(&mut sample, timestamp.unsigned_abs());
            entry.clear();
            entry.extend_from_slice(&one.labels);
            bytes_field(&mut entry, 2, &sample);
            bytes_field(&mut body, 1, &entry);
            samples += 1;
            if samples == shape.request {
                finish(&mut body, &mut samples);
            }
        }
        timestamp += STEP_MS;
    }
    if samples > 0 {
        finish(&mut body, &mut samples);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_sent_once() {
        let shape = Shape { series: 4_000, steps: 5, request: 2_000 };
        for connections in [1, 2, 16] {
            let all = requests(shape, connections);
            assert_eq!(all.len(), connections);
            let samples: usize = all.iter().flatten().map(|request| request.samples).sum();
            assert_eq!(samples, shape.samples());
            assert!(all.iter().flatten().all(|request| !request.body.is_empty()));
        }
    }
}
