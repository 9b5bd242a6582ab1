//! Wrong tokens: remembers recent ones, blocks addresses that try many, and limits how many lines they write to the log.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Different wrong tokens that an address may send within [`WINDOW`].
const MOST_PER_ADDRESS: u32 = 30;
/// Span of that limit.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are counted at the same time; the oldest half is forgotten above it.
const MAX_ADDRESSES: usize = 4096;
/// Wrong tokens that are remembered, so that a sender with an old token costs no verification.
const MAX_REMEMBERED: usize = 1024;
/// Log lines of wrong tokens within [`WINDOW`].
const MAX_LOG_LINES: u32 = 60;

/// Keyed digest of a token.
pub(super) type Tag = [u8; 32];

/// What was seen of wrong tokens.
#[derive(Debug, Default)]
pub(super) struct WrongTokens(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    tags: HashSet<Tag>,
    order: VecDeque<Tag>,
    addresses: HashMap<IpAddr, Count>,
    logged: Option<Count>,
    suppressed: u64,
}

/// Number of events since an instant.
#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    events: u32,
}

impl WrongTokens {
    /// Whether this token was wrong recently.
    pub(super) fn knows(&self, tag: &Tag) -> bool {
        self.0.lock().tags.contains(tag)
    }

    /// Forgets the remembered tokens, after the valid ones have changed.
    pub(super) fn forget(&self) {
        let mut seen = self.0.lock();
        seen.tags.clear();
        seen.order.clear();
    }

    /// Returns the time for which an address has to wait because it tried too many different tokens.
    pub(super) fn blocked_for(&self, from: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let seen = self.0.lock();
        let count = seen.addresses.get(&network(from?))?;
        let age = now.saturating_duration_since(count.since);
        (count.events >= MOST_PER_ADDRESS && age < WINDOW).then(|| WINDOW - age)
    }

    /// Remembers a wrong token and counts it against its address.
    pub(super) fn add(&self, tag: Tag, from: Option<IpAddr>, now: Instant) {
        let mut seen = self.0.lock();
        if seen.tags.insert(tag) {
            seen.order.push_back(tag);
            if seen.order.len() > MAX_REMEMBERED
                && let Some(oldest) = seen.order.pop_front()
            {
                seen.tags.remove(&oldest);
            }
        }
        let Some(from) = from.map(network) else { return };
        if seen.addresses.len() >= MAX_ADDRESSES && !seen.addresses.contains_key(&from) {
            let mut starts: Vec<Instant> = seen.addresses.values().map(|count| count.since).collect();
            starts.sort_unstable();
            let middle = starts[starts.len() / 2];
            seen.addresses.retain(|_, count| count.since > middle);
        }
        seen.addresses.entry(from).or_insert(Count { since: now, events: 0 }).add(now);
    }

    /// Whether a line may be logged, with the number of lines that were suppressed before it.
    pub(super) fn may_log(&self, now: Instant) -> Option<u64> {
        let mut seen = self.0.lock();
        let logged = seen.logged.get_or_insert(Count { since: now, events: 0 });
        logged.add(now);
        if logged.events > MAX_LOG_LINES {
            seen.suppressed += 1;
            return None;
        }
        Some(std::mem::take(&mut seen.suppressed))
    }
}

impl Count {
    /// Counts an event; a window that has ended starts anew.
    fn add(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= WINDOW {
            *self = Self { since: now, events: 0 };
        }
        self.events = self.events.saturating_add(1);
    }
}

/// Returns the network that is counted: an IPv4 address, or the first 64 bits of an IPv6 address, which one sender has
/// whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(n: u32) -> Tag {
        let mut tag = [0; 32];
        tag[..4].copy_from_slice(&n.to_be_bytes());
        tag
    }

    #[test]
    fn an_address_with_many_wrong_tokens_waits_and_others_do_not() {
        let (wrong, now) = (WrongTokens::default(), Instant::now());
        let (one, same, other) = ("2001:db8::1", "2001:db8::2", "192.0.2.1");
        let blocked = |address: &str, at| wrong.blocked_for(Some(address.parse().unwrap()), at);
        for n in 0..MOST_PER_ADDRESS {
            assert_eq!(blocked(one, now), None);
            wrong.add(tag(n), Some(one.parse().unwrap()), now);
        }
        assert_eq!((blocked(one, now), blocked(same, now)), (Some(WINDOW), Some(WINDOW)));
        assert_eq!((blocked(other, now), blocked(one, now + WINDOW)), (None, None));
    }

    #[test]
    fn memory_is_bounded_and_a_change_of_tokens_forgets() {
        let (wrong, now) = (WrongTokens::default(), Instant::now());
        for n in 0..3 * 4096_u32 {
            wrong.add(tag(n), Some(std::net::Ipv4Addr::from_bits(n).into()), now + Duration::from_millis(n.into()));
        }
        let seen = wrong.0.lock();
        assert_eq!((seen.tags.len(), seen.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(seen.addresses.len() <= MAX_ADDRESSES, "{}", seen.addresses.len());
        drop(seen);
        assert!(wrong.knows(&tag(3 * 4096 - 1)) && !wrong.knows(&tag(0)));
        wrong.forget();
        assert!(!wrong.knows(&tag(3 * 4096 - 1)));
    }

    #[test]
    fn the_log_is_bounded_and_names_what_was_left_out() {
        let (wrong, now) = (WrongTokens::default(), Instant::now());
        let lines = (0..1000).filter(|_| wrong.may_log(now).is_some()).count();
        assert_eq!(lines, 60);
        assert_eq!(wrong.may_log(now + WINDOW), Some(940));
        assert_eq!(wrong.may_log(now + WINDOW), Some(0));
    }
}
