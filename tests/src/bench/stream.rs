//! Generates streams of remote-write requests: series of ten labels at an even step.

/// Start of the streams whose samples need not be recent; an arbitrary instant.
pub(super) const START_MS: i64 = 1_790_000_000_000;
/// Usual distance between samples of a series.
pub(super) const STEP_MS: i64 = 10_000;
/// A tail has one step for as many of the stream.
const TAIL_SHARE: usize = 20;

/// Size and time of a stream and of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Number of series.
    pub(super) series: usize,
    /// Samples of each series.
    pub(super) steps: usize,
    /// Samples per request, one per TimeSeries entry.
    pub(super) request: usize,
    /// Distance between samples of a series, in milliseconds.
    pub(super) step_ms: i64,
    /// Time of the first samples, in epoch milliseconds.
    pub(super) start_ms: i64,
}

impl Shape {
    /// Returns a stream at the usual step and start.
    #[must_use]
    pub(super) const fn new(series: usize, steps: usize, request: usize) -> Self {
        Self { series, steps, request, step_ms: STEP_MS, start_ms: START_MS }
    }

    /// Returns the time from the first to the last sample in milliseconds, without the tail.
    #[must_use]
    pub(super) fn span_ms(self) -> i64 {
        self.step_ms * i64::try_from(self.steps.saturating_sub(1)).unwrap_or(i64::MAX / self.step_ms)
    }

    /// Returns the number of steps of the tail, which is sent right before a kill.
    #[must_use]
    pub(super) fn tail_steps(self) -> usize {
        self.steps.div_ceil(TAIL_SHARE)
    }

    /// Returns the time of the tail's last samples in epoch milliseconds.
    pub(super) fn tail_end_ms(self) -> i64 {
        let steps = i64::try_from(self.tail_steps()).unwrap_or(0);
        self.start_ms + self.span_ms() + self.step_ms * steps
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
    /// Number of the step of its first sample.
    pub(super) step: usize,
}

/// Requests of each connection. Each connection has its own series, in time order.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The samples that are measured.
    pub(super) main: Vec<Vec<Request>>,
    /// Some more steps.
    pub(super) tail: Vec<Vec<Request>>,
}

impl Stream {
    /// Generates the stream.
    pub(super) fn new(shape: Shape, connections: usize) -> Self {
        let share = shape.series.div_ceil(connections);
        let mut stream = Self::default();
        for connection in 0..connections {
            let mut encoder = Encoder::new(shape, connection * share, share);
            stream.main.push(encoder.steps(0, shape.steps));
            stream.tail.push(encoder.steps(shape.steps, shape.tail_steps()));
        }
        stream
    }
}

/// Encodes the series of one connection.
struct Encoder {
    shape: Shape,
    series: Vec<Series>,
    snappy: snap::raw::Encoder,
}

impl Encoder {
    fn new(shape: Shape, first: usize, share: usize) -> Self {
        let series = (first..(first + share).min(shape.series)).map(Series::new).collect();
        Self { shape, series, snappy: snap::raw::Encoder::new() }
    }

    /// Returns the requests of `count` steps. By hand, as remote write 1.0 defines: one TimeSeries entry (field 1) per
    /// sample, with labels and a sample (field 2).
    fn steps(&mut self, first: usize, count: usize) -> Vec<Request> {
        let (mut all, mut body, mut samples, mut began) = (Vec::new(), Vec::new(), 0, first);
        let (mut sample, mut entry) = (Vec::new(), Vec::new());
        let snappy = &mut self.snappy;
        let mut finish = |body: &mut Vec<u8>, samples: &mut usize, step: usize| {
            let compressed = snappy.compress_vec(body).unwrap_or_default();
            all.push(Request { body: compressed, samples: std::mem::take(samples), step });
            body.clear();
        };
        for step in first..first + count {
            let timestamp = self.shape.start_ms + self.shape.step_ms * i64::try_from(step).unwrap_or(0);
            for one in &mut self.series {
                if samples == 0 {
                    began = step;
                }
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
                if samples == self.shape.request {
                    finish(&mut body, &mut samples, began);
                }
            }
        }
        if samples > 0 {
            finish(&mut body, &mut samples, began);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_sent_once() {
        let shape = Shape::new(4_000, 30, 2_000);
        for connections in [1, 2, 16] {
            let stream = Stream::new(shape, connections);
            for (part, steps) in [(&stream.main, 0..30), (&stream.tail, 30..32)] {
                assert_eq!(part.len(), connections);
                let samples: usize = part.iter().flatten().map(|request| request.samples).sum();
                assert_eq!(samples, shape.series * steps.len());
                assert!(part.iter().flatten().all(|request| !request.body.is_empty() && steps.contains(&request.step)));
                let is_in_order = |all: &Vec<Request>| all.is_sorted_by_key(|request| request.step);
                assert!(part.iter().all(is_in_order));
            }
        }
    }

    #[test]
    fn the_tail_ends_after_the_stream() {
        let shape = Shape::new(10, 24, 5);
        assert_eq!((shape.tail_steps(), shape.tail_end_ms() - shape.start_ms), (2, 250_000));
        assert_eq!(Shape::new(10, 3, 5).tail_steps(), 1);
    }
}
