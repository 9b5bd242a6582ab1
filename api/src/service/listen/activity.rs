//! What each connection does at the moment, to find the ones that have been idle for too long or for the longest time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Timeouts of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// For a handshake, and for the headers of a request.
    pub(super) header: Duration,
    /// For a connection without a request, and for a client that does not read.
    pub(super) idle: Duration,
}

/// What a connection does.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Cancelled to close the connection in favour of a new one.
    pub(super) close: CancellationToken,
}

#[derive(Debug)]
struct State {
    /// Requests whose answer is not complete.
    requests: usize,
    /// Whether a handshake runs, or part of a request's headers has arrived.
    is_head: bool,
    /// Start of the handshake, of the headers or of the idle time.
    since: Instant,
    /// Start of the time in which the client reads nothing.
    blocked: Option<Instant>,
}

impl Activity {
    fn new(now: Instant) -> Self {
        // A new connection has the time of the headers to send its first request.
        let state = State { requests: 0, is_head: true, since: now, blocked: None };
        Self { state: Mutex::new(state), close: CancellationToken::new() }
    }

    /// Notes that bytes have arrived.
    pub(super) fn read(&self, now: Instant) {
        let mut state = self.state.lock();
        if state.requests == 0 && !state.is_head {
            (state.is_head, state.since) = (true, now);
        }
    }

    /// Notes that bytes of HTTP/2 have arrived, which need not belong to a request: the idle time begins again.
    pub(super) fn read_frames(&self, now: Instant) {
        let mut state = self.state.lock();
        if state.requests == 0 {
            (state.is_head, state.since) = (false, now);
        }
    }

    /// Notes whether the client is ready for more bytes.
    pub(super) fn wrote(&self, is_blocked: bool, now: Instant) {
        let mut state = self.state.lock();
        state.blocked = if is_blocked { state.blocked.or(Some(now)) } else { None };
    }

    /// Notes the start of a request; its end is noted when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> RunningRequest {
        let mut state = self.state.lock();
        state.requests += 1;
        state.is_head = false;
        RunningRequest(Arc::clone(self))
    }

    /// Notes the end of a request.
    fn end(&self, now: Instant) {
        let mut state = self.state.lock();
        state.requests = state.requests.saturating_sub(1);
        state.since = now;
    }

    /// Whether no request is being answered.
    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().requests == 0
    }

    /// Returns the time at which the connection is to be closed, if nothing changes until then.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let state = self.state.lock();
        let blocked = state.blocked.map(|since| since + timeouts.idle);
        let waiting =
            (state.requests == 0).then(|| state.since + if state.is_head { timeouts.header } else { timeouts.idle });
        [blocked, waiting].into_iter().flatten().min()
    }
}

/// A request whose answer is not complete.
#[derive(Debug)]
pub(super) struct RunningRequest(Arc<Activity>);

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.0.end(Instant::now());
    }
}

/// The open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
}

/// A connection in the list of open ones; it leaves the list when dropped.
#[derive(Debug)]
pub(super) struct OpenConnection {
    connections: Arc<Connections>,
    id: u64,
    pub(super) activity: Arc<Activity>,
}

impl Connections {
    /// Adds a connection.
    pub(super) fn add(self: &Arc<Self>, now: Instant) -> OpenConnection {
        let (id, activity) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::new(Activity::new(now)));
        self.open.lock().insert(id, Arc::clone(&activity));
        OpenConnection { connections: Arc::clone(self), id, activity }
    }

    /// Returns the number of open connections.
    pub(super) fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Closes the connection that has been without a request for the longest time. Returns false when all have one.
    pub(super) fn close_idlest(&self) -> bool {
        let open = self.open.lock();
        let idle = open.values().filter(|activity| !activity.close.is_cancelled()).filter_map(|activity| {
            let state = activity.state.lock();
            (state.requests == 0).then_some((state.since, activity))
        });
        let Some((_, idlest)) = idle.min_by_key(|(since, _)| *since) else { return false };
        idlest.close.cancel();
        true
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.connections.open.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts { header: Duration::from_secs(30), idle: Duration::from_secs(300) };

    #[test]
    fn the_deadline_follows_what_a_connection_does() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let connection = Arc::new(Connections::default()).add(start);
        let activity = &connection.activity;
        let deadline = || activity.deadline(&TIMEOUTS);
        assert_eq!(deadline(), Some(at(30)), "new");
        activity.read(at(10));
        assert_eq!(deadline(), Some(at(30)), "the first bytes do not extend the time");
        let request = activity.begin();
        assert_eq!(deadline(), None, "a request runs");
        activity.wrote(true, at(20));
        activity.wrote(true, at(120));
        assert_eq!(deadline(), Some(at(320)), "the client does not read");
        activity.wrote(false, at(130));
        assert_eq!((deadline(), activity.is_idle()), (None, false));
        let second = activity.begin();
        activity.end(at(200));
        assert_eq!((deadline(), activity.is_idle()), (None, false), "pipelined requests");
        activity.end(at(300));
        assert_eq!((deadline(), activity.is_idle()), (Some(at(600)), true));
        activity.read(at(400));
        activity.read(at(405));
        assert_eq!(deadline(), Some(at(430)), "slow headers");
        drop((request, second));
        assert!(activity.is_idle());
    }

    #[test]
    fn the_connection_that_was_idle_for_the_longest_time_is_closed() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let connections = Arc::new(Connections::default());
        let busy = connections.add(start);
        let request = busy.activity.begin();
        let open = [1, 2, 3].map(|seconds| connections.add(at(seconds)));
        // The first one becomes the newest by a request.
        open[0].activity.end(at(4));
        let closed = || open.iter().map(|one| one.activity.close.is_cancelled()).collect::<Vec<_>>();
        assert!(connections.close_idlest());
        assert_eq!(closed(), [false, true, false]);
        assert!(connections.close_idlest() && connections.close_idlest());
        assert!(!connections.close_idlest() && !busy.activity.close.is_cancelled());
        assert_eq!(connections.len(), 4);
        drop(open);
        assert_eq!(connections.len(), 1);
        drop(request);
        assert!(connections.close_idlest());
    }
}
