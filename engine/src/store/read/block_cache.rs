//! Encoded blocks of cold segments that reads have used: the next read of the same series and time needs no statement.
//!
//! An entry has the blocks of one series in one segment for a span of time, also if there are none. Segments are
//! replaced whole, except by a deletion, after which all entries are dropped.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::RwLock;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter, sync::Cache, sync::DefaultLifecycle};

use crate::store::segment::{Block, BlockRef, Segment, SegmentLayout};

/// Bytes that an entry takes besides its blocks, and a block besides its encoded parts.
const ENTRY_BYTES: u64 = 160;
const BLOCK_BYTES: u64 = 112;

/// Bytes of an entry of one block of a thousand samples, by which the cache estimates the number of its entries.
const USUAL_BYTES: usize = 2_048;

/// Number of parts of the cache, with a lock and a share of the budget each.
const SHARDS: usize = 4;

/// Reciprocal of the share of the budget that one entry may take. It must be less than that of a part.
const ENTRY_SHARE: u64 = 8;

/// Share of the budget above which the blocks of one read are not kept: it would replace what others use.
const READ_SHARE: u64 = 4;

/// A segment and a series.
type Key = (u64, u32);

/// Blocks of a series in a segment.
#[derive(Debug)]
pub(super) struct Entry {
    /// First and last timestamp between which the blocks are complete.
    span: (i64, i64),
    /// The blocks, by time.
    pub(super) blocks: Vec<Block>,
}

impl Entry {
    fn bytes(&self) -> u64 {
        ENTRY_BYTES + self.blocks.iter().map(block_bytes).sum::<u64>()
    }
}

fn block_bytes(block: &Block) -> u64 {
    BLOCK_BYTES + (block.timestamps.len() + block.values.len()) as u64
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &Key, entry: &Arc<Entry>) -> u64 {
        entry.bytes()
    }
}

/// Blocks in memory, within a budget.
#[derive(Debug)]
pub(in crate::store) struct BlockCache {
    entries: Cache<Key, Arc<Entry>, ByBytes>,
    budget: u64,
    /// Number of times that entries were dropped because segments have changed. Locked while entries are added, so that a read
    /// that began before a change adds nothing after it.
    changes: RwLock<u64>,
    /// Whether segments are about to change, so that nothing is used.
    suspended: AtomicBool,
}

/// Until this is dropped the cache is not used.
#[derive(Debug)]
pub(in crate::store) struct Suspended<'a>(&'a BlockCache);

impl Drop for Suspended<'_> {
    fn drop(&mut self) {
        let mut changes = self.0.changes.write();
        *changes += 1;
        self.0.entries.clear();
        self.0.suspended.store(false, Ordering::Release);
    }
}

impl BlockCache {
    pub(in crate::store) fn new(budget_bytes: usize) -> Self {
        let budget = budget_bytes as u64;
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let usual = budget_bytes / USUAL_BYTES;
        let entries = match OptionsBuilder::new()
            .estimated_items_capacity(usual)
            .weight_capacity(budget)
            .shards(SHARDS)
            .build()
        {
            Ok(options) => Cache::with_options(options, ByBytes, hasher, lifecycle),
            Err(_) => Cache::with(usual, budget, ByBytes, hasher, lifecycle),
        };
        Self { entries, budget, changes: RwLock::new(0), suspended: AtomicBool::new(false) }
    }

    /// Returns the blocks of a series in a segment, if all that touch the span are in memory.
    pub(super) fn get(&self, segment: &Segment, series: u32, span: (i64, i64)) -> Option<Arc<Entry>> {
        if self.suspended.load(Ordering::Acquire) {
            return None;
        }
        let (start, end) = within(segment, span);
        self.entries.get(&(segment.id, series)).filter(|entry| entry.span.0 <= start && entry.span.1 >= end)
    }

    /// Begins a read of blocks from disk, before its layout of segments is taken.
    pub(super) fn collect(&self) -> Collected<'_> {
        Collected {
            cache: self,
            changes: *self.changes.read(),
            entries: HashMap::new(),
            left: self.budget / READ_SHARE,
        }
    }

    /// Returns the bytes of all entries.
    pub(in crate::store) fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    /// Drops the blocks of segments that are no more.
    pub(in crate::store) fn keep(&self, layout: &SegmentLayout) {
        let mut changes = self.changes.write();
        *changes += 1;
        let ids: Vec<u64> = layout.frozen.iter().map(|segment| segment.id).collect();
        self.entries.retain(|(segment, _), _| ids.contains(segment));
    }

    /// Drops all blocks and uses none until the value returned is dropped: while a deletion changes segments, blocks of before would be
    /// joined with late samples of after it.
    pub(in crate::store) fn suspend(&self) -> Suspended<'_> {
        let mut changes = self.changes.write();
        *changes += 1;
        self.suspended.store(true, Ordering::Release);
        self.entries.clear();
        Suspended(self)
    }
}

/// Returns the part of a span that a segment can have samples in. Nothing of the segment is outside its own span.
fn within(segment: &Segment, (start, end): (i64, i64)) -> (i64, i64) {
    (if start <= segment.min { i64::MIN } else { start }, if end >= segment.max { i64::MAX } else { end })
}

/// Blocks that one read has read from disk.
#[derive(Debug)]
pub(super) struct Collected<'a> {
    cache: &'a BlockCache,
    changes: u64,
    entries: HashMap<Key, Entry>,
    /// Bytes that may still be collected.
    left: u64,
}

impl Collected<'_> {
    /// Returns the cache.
    pub(super) const fn cache(&self) -> &BlockCache {
        self.cache
    }

    /// Returns whether the blocks of so many series and segments can be kept at all.
    pub(super) const fn may_have(&self, entries: usize) -> bool {
        entries as u64 <= self.left / ENTRY_BYTES
    }

    /// Notes that the blocks of a series in a segment that touch the span will be read.
    pub(super) fn expect(&mut self, segment: &Segment, series: u32, span: (i64, i64)) {
        if self.afford(ENTRY_BYTES) {
            self.entries.insert((segment.id, series), Entry { span: within(segment, span), blocks: Vec::new() });
        }
    }

    /// Adds a block that was read.
    pub(super) fn push(&mut self, segment: u64, block: BlockRef<'_>) {
        let key = (segment, block.series);
        if !self.entries.contains_key(&key) {
            return;
        }
        let block = block.to_owned();
        if self.afford(block_bytes(&block)) {
            self.entries.entry(key).and_modify(|entry| entry.blocks.push(block));
        }
    }

    /// Returns whether bytes are within what one read may add; gives everything up once they are not.
    fn afford(&mut self, bytes: u64) -> bool {
        let left = self.left.checked_sub(bytes);
        if left.is_none() {
            self.entries = HashMap::new();
        }
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Adds the blocks to the cache once all of them were read; to what it has already, where the spans touch.
    pub(super) fn finish(self) {
        let changes = self.cache.changes.read();
        if *changes != self.changes || self.cache.suspended.load(Ordering::Acquire) {
            return;
        }
        let most = self.cache.budget / ENTRY_SHARE;
        for (key, mut entry) in self.entries {
            if let Some(old) = self.cache.entries.peek(&key)
                && old.bytes() + entry.bytes() <= most
            {
                entry.extend(&old);
            }
            if entry.bytes() > most {
                continue;
            }
            entry.blocks.sort_unstable_by_key(|block| block.begin);
            entry.blocks.shrink_to_fit();
            self.cache.entries.insert(key, Arc::new(entry));
        }
    }
}

impl Entry {
    /// Adds the blocks of an entry whose span overlaps or adjoins. A block that touches both spans is in both.
    fn extend(&mut self, old: &Self) {
        if old.span.0 > self.span.1.saturating_add(1) || self.span.0 > old.span.1.saturating_add(1) {
            return;
        }
        let known: HashSet<i64> = self.blocks.iter().map(|block| block.begin).collect();
        self.blocks.extend(old.blocks.iter().filter(|block| !known.contains(&block.begin)).cloned());
        self.span = (self.span.0.min(old.span.0), self.span.1.max(old.span.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::segment::SegmentKind;

    const SEGMENT: Segment = Segment { id: 7, kind: SegmentKind::Cold, rows: 100, min: 0, max: 99 };

    fn block(begin: i64, bytes: usize) -> Block {
        let (timestamps, values) = (Vec::new(), vec![0; bytes]);
        Block { series: 3, begin, end: begin + 9, count: 10, timestamps, values, checksum: 0 }
    }

    /// Reads blocks of ten milliseconds that touch a span, as the segment would return them.
    fn read(cache: &BlockCache, span: (i64, i64), bytes: usize) {
        let mut collected = cache.collect();
        collected.expect(&SEGMENT, 3, span);
        let touching = (0..100).step_by(10).filter(|begin| *begin <= span.1 && begin + 9 >= span.0);
        touching.for_each(|begin| collected.push(SEGMENT.id, block(begin, bytes).as_ref()));
        collected.finish();
    }

    fn begins(cache: &BlockCache, span: (i64, i64)) -> Option<Vec<i64>> {
        cache.get(&SEGMENT, 3, span).map(|entry| entry.blocks.iter().map(|block| block.begin).collect())
    }

    #[test]
    fn a_span_that_was_read_is_in_memory() {
        let cache = BlockCache::new(1 << 20);
        read(&cache, (15, 34), 100);
        assert_eq!(begins(&cache, (15, 34)), Some(vec![10, 20, 30]));
        assert_eq!(begins(&cache, (20, 29)), Some(vec![10, 20, 30]));
        assert_eq!((begins(&cache, (14, 34)), begins(&cache, (15, 35))), (None, None));
        assert!(cache.get(&SEGMENT, 4, (15, 34)).is_none());
    }

    #[test]
    fn the_ends_of_a_segment_cover_all_time_beyond() {
        let cache = BlockCache::new(1 << 20);
        read(&cache, (i64::MIN, 25), 100);
        assert_eq!(begins(&cache, (-500, 5)), Some(vec![0, 10, 20]));
        read(&cache, (26, 99), 100);
        assert_eq!(begins(&cache, (i64::MIN, i64::MAX)).map(|all| all.len()), Some(10), "adjoining spans are one");
    }

    #[test]
    fn spans_apart_are_not_joined() {
        let cache = BlockCache::new(1 << 20);
        read(&cache, (10, 19), 100);
        read(&cache, (50, 59), 100);
        assert_eq!((begins(&cache, (10, 59)), begins(&cache, (50, 59))), (None, Some(vec![50])));
    }

    #[test]
    fn nothing_old_is_added_after_a_change() {
        let cache = BlockCache::new(1 << 20);
        let layout = |frozen: Vec<Segment>| {
            let empty = Segment::empty(0, SegmentKind::Hot);
            SegmentLayout { frozen, hot: empty.clone(), late: empty, hot_since: None, next_id: 9 }
        };
        read(&cache, (0, 99), 100);
        cache.keep(&layout(vec![SEGMENT]));
        assert!(begins(&cache, (0, 99)).is_some());
        let mut collected = cache.collect();
        collected.expect(&SEGMENT, 3, (0, 99));
        let suspended = cache.suspend();
        collected.finish();
        read(&cache, (0, 99), 100);
        assert_eq!(begins(&cache, (0, 99)), None, "nothing is used meanwhile");
        let mut meanwhile = cache.collect();
        meanwhile.expect(&SEGMENT, 3, (0, 99));
        drop(suspended);
        meanwhile.finish();
        assert_eq!(begins(&cache, (0, 99)), None);
        read(&cache, (0, 99), 100);
        cache.keep(&layout(Vec::new()));
        assert_eq!(begins(&cache, (0, 99)), None);
    }

    #[test]
    fn a_long_read_of_a_series_does_not_replace_a_short_one() {
        let cache = BlockCache::new(64_000);
        read(&cache, (50, 59), 1_000);
        read(&cache, (0, 99), 1_000);
        assert_eq!((begins(&cache, (0, 99)), begins(&cache, (50, 59))), (None, Some(vec![50])));
    }

    #[test]
    fn memory_is_bounded_and_one_read_takes_a_part() {
        let cache = BlockCache::new(100_000);
        read(&cache, (0, 99), 4_000);
        assert_eq!(begins(&cache, (0, 99)), None, "more than a quarter of all");
        for series in 0..1_000 {
            let mut collected = cache.collect();
            collected.expect(&SEGMENT, series, (0, 9));
            collected.push(SEGMENT.id, Block { series, ..block(0, 1_000) }.as_ref());
            collected.finish();
        }
        let bytes = cache.bytes();
        assert!((50_000..=100_000).contains(&bytes), "{bytes}");
    }
}
