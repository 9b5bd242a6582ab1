//! Makes new inputs from a corpus: deterministic for a seed, without coverage.

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// Longest input in bytes.
pub const MAX_BYTES: usize = 64 << 10;

/// Texts that decoders treat specially.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e309",
    b"-1e309",
    b"1e-400",
    b"NaN",
    b"+Inf",
    b"-Inf",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"4294967296",
    b"0x1p-2",
    b"1_000",
    b"99999999999999999999y",
    b"1795420800000",
    b"1795420800",
    b"1795420800.5",
    b"2026-11-23T08:00:00Z",
    b"0000-00-00T00:00:00Z",
    b"+262143-12-31T23:59:59Z",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"{\"",
    b"\"}",
    b"[[",
    b"]]",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\"",
    b"'",
    b"`",
    b"--",
    b"/*",
    b"*/",
    b";",
    b",",
    b"\t",
    b"\r\n",
    b"\n",
    b"\0",
    b"\x1b[2J",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x92\xa9",
    b"__name__",
    b"timestamp",
    b"value",
    b"series",
    b"# EOF\n",
    b"# TYPE ",
    b"# HELP ",
    b" @ end()",
    b" offset -1h",
    b"[5m:1s]",
    b" by (",
    b" group_left ",
    b" bool ",
    b"label_replace(",
    b"quantile(",
    b"(",
    b")",
    b"{",
    b"}",
    b"{{",
    b"<<: *a",
    b"&a ",
    b"*a",
    b"!!binary ",
    b"|\n",
    b"%00",
    b"%",
    b"+",
    b"&",
    b"=",
    b"SELECT ",
    b" FROM samples",
    b"WITH RECURSIVE ",
    b"read_csv('/etc/passwd')",
    b"$__interval",
    b"/.*/",
    b"(?i)",
    b"(a*)*b",
    b"PAR1",
    b"\x1f\x8b\x08",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
    b"\x7f",
    b"\xff\xff\xff\xff\x0f",
];

/// Brackets and prefixes that nest.
const NESTING: &[&[u8]] =
    &[b"(", b"[", b"{", b"{\"a\":", b"[[", b"- ", b"-", b"!", b"not ", b"a.", b"sum(", b"\n ", b"((", b"\x0a\x02"];

/// A source of mutated inputs.
#[derive(Debug)]
pub struct Mutator {
    rng: ChaCha8Rng,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    /// Creates a source; the same seed and corpus give the same inputs.
    #[must_use]
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), corpus }
    }

    /// Returns the next input, of at most [`MAX_BYTES`].
    pub fn input(&mut self) -> Vec<u8> {
        let mut data = self.one();
        // Mostly few changes, so that the decoder gets past the first bytes.
        let changes = [1, 1, 1, 2, 3, 6, 20][self.rng.random_range(0..7)];
        for _ in 0..changes {
            self.change(&mut data);
        }
        data.truncate(MAX_BYTES);
        data
    }

    fn one(&mut self) -> Vec<u8> {
        self.corpus.choose(&mut self.rng).cloned().unwrap_or_default()
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.rng.random_range(0..=data.len());
        match self.rng.random_range(0..14) {
            0 if at < data.len() => data[at] ^= 1 << self.rng.random_range(0..8),
            1 if at < data.len() => data[at] = self.rng.random(),
            2 => insert(data, at, &[self.rng.random()]),
            3 | 4 => {
                let word = WORDS.choose(&mut self.rng).copied().unwrap_or_default();
                insert(data, at, word);
            }
            5 => {
                let end = self.end(data, at);
                data.drain(at..end);
            }
            6 => {
                let end = self.end(data, at);
                let part = data[at..end].to_vec();
                insert(data, at, &part);
            }
            7 => data.truncate(at),
            8 => {
                let other = self.one();
                let from = self.rng.random_range(0..=other.len());
                let to = self.end(&other, from);
                insert(data, at, &other[from..to]);
            }
            9 => {
                let other = self.one();
                let from = self.rng.random_range(0..=other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
            10 => self.replace_number(data, at),
            11 => self.swap_token(data, at),
            // Long repeats are rare, because they are slow and replace everything else.
            12 if self.rng.random_bool(0.2) => self.repeat(data, at),
            _ => {
                let word = WORDS.choose(&mut self.rng).copied().unwrap_or_default();
                let end = (at + word.len()).min(data.len());
                data.splice(at..end, word.iter().copied());
            }
        }
        data.truncate(2 * MAX_BYTES);
    }

    /// Returns the end of a part that starts at `at`: mostly short.
    fn end(&mut self, data: &[u8], at: usize) -> usize {
        let longest = if self.rng.random_bool(0.8) { 16 } else { MAX_BYTES };
        at + self.rng.random_range(0..=longest.min(data.len() - at))
    }

    /// Replaces the digits at or after `at` by another number.
    fn replace_number(&mut self, data: &mut Vec<u8>, at: usize) {
        let Some(start) = data[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else { return };
        let length = data[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = match self.rng.random_range(0..4) {
            0 => (1_u128 << self.rng.random_range(0..70)).to_string(),
            1 => ((1_u128 << self.rng.random_range(0..70)) - 1).to_string(),
            2 => "9".repeat(self.rng.random_range(1..400)),
            _ => self.rng.random_range(0..100).to_string(),
        };
        data.splice(start..start + length, number.into_bytes());
    }

    /// Replaces the word at or after `at` by a word of another input.
    fn swap_token(&mut self, data: &mut Vec<u8>, at: usize) {
        let other = self.one();
        let from = self.rng.random_range(0..=other.len());
        let (Some(old), Some(new)) = (token(data, at), token(&other, from)) else { return };
        data.splice(old, other[new].iter().copied());
    }

    /// Inserts many copies of something that nests, or of a part of the input.
    fn repeat(&mut self, data: &mut Vec<u8>, at: usize) {
        let part = if self.rng.random_bool(0.5) {
            NESTING.choose(&mut self.rng).copied().unwrap_or_default().to_vec()
        } else {
            data[at..self.end(data, at)].to_vec()
        };
        if !part.is_empty() {
            let most = MAX_BYTES / part.len();
            let count = [3, 40, 200, 2_000, most][self.rng.random_range(0..5)].min(most);
            insert(data, at, &part.repeat(count));
        }
    }
}

fn insert(data: &mut Vec<u8>, at: usize, part: &[u8]) {
    data.splice(at..at, part.iter().copied());
}

/// Returns the range of the first run of letters, digits and underscores at or after `at`.
fn token(data: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let start = at + data[at..].iter().position(is_word)?;
    Some(start..start + data[start..].iter().take_while(|byte| is_word(byte)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs_and_they_differ_from_each_other() {
        let corpus = vec![b"up{job=\"api\"} 1 1795420800000\n".to_vec(), b"down 2\n".to_vec()];
        let inputs = |seed| -> Vec<Vec<u8>> {
            let mut mutator = Mutator::new(seed, corpus.clone());
            (0..500).map(|_| mutator.input()).collect()
        };
        let first = inputs(1);
        assert_eq!(first, inputs(1));
        assert_ne!(first, inputs(2));
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert!(distinct.len() > 400, "{}", distinct.len());
        assert!(first.iter().all(|input| input.len() <= MAX_BYTES));
        assert!(first.iter().any(|input| input.len() > 4_000), "some inputs are long");
    }
}
