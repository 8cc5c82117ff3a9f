//! How the server counts: for itself, by its own clock, from its own notes.
//!
//! In no span of the window do more requests begin than it announces, nor do they use more tokens, and at no time are
//! more of them under way. A request counts from when it arrives, with as many tokens as it may use; when it is answered
//! that becomes what it has used. What is refused doesn't count.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What a client is told that it may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) requests: usize,
    pub(crate) tokens: u64,
    pub(crate) window: Duration,
    pub(crate) at_once: usize,
}

#[derive(Debug)]
pub(crate) struct Books {
    terms: Terms,
    /// The requests of the last window, in the order in which they arrived.
    recent: VecDeque<Entry>,
    /// The number of the first of them.
    first: usize,
    under_way: usize,
    counted_until: Instant,
    seen: Seen,
}

#[derive(Debug)]
struct Entry {
    arrived: Instant,
    tokens: u64,
}

/// All that happened so far. Of two, the difference is what happened between.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) arrived: usize,
    pub(crate) let_in: usize,
    pub(crate) violations: usize,
    pub(crate) tokens: u64,
    /// How long requests were under way, each counted for itself.
    pub(crate) work: Duration,
    /// The most that ever was in one window, and at once.
    pub(crate) most_requests: usize,
    pub(crate) most_tokens: u64,
    pub(crate) most_at_once: usize,
}

impl Books {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            recent: VecDeque::new(),
            first: 0,
            under_way: 0,
            counted_until: Instant::now(),
            seen: Seen::default(),
        }
    }

    /// A request has arrived, which may use so many tokens: its number, or how long to wait.
    pub(crate) fn arrive(&mut self, tokens: u64) -> Result<usize, Duration> {
        let now = self.look();
        self.seen.arrived += 1;
        if let Some(wait) = self.must_wait(tokens, now) {
            self.seen.violations += 1;
            return Err(wait);
        }
        self.recent.push_back(Entry { arrived: now, tokens });
        self.under_way += 1;
        self.seen.let_in += 1;
        self.seen.tokens += tokens;
        self.seen.most_requests = self.seen.most_requests.max(self.recent.len());
        self.seen.most_tokens = self.seen.most_tokens.max(self.recent_tokens());
        self.seen.most_at_once = self.seen.most_at_once.max(self.under_way);
        Ok(self.first + self.recent.len() - 1)
    }

    /// It has used no more than that.
    pub(crate) fn used(&mut self, number: usize, tokens: u64) {
        let place = number.checked_sub(self.first);
        if let Some(entry) = place.and_then(|place| self.recent.get_mut(place)) {
            self.seen.tokens -= entry.tokens.saturating_sub(tokens);
            entry.tokens = entry.tokens.min(tokens);
        }
    }

    /// One is no longer under way.
    pub(crate) fn end(&mut self) {
        self.look();
        self.under_way -= 1;
    }

    pub(crate) fn seen(&mut self) -> Seen {
        self.look();
        self.seen
    }

    /// It is now. What is as old as the window doesn't count any more.
    fn look(&mut self) -> Instant {
        let now = Instant::now();
        self.seen.work += (now - self.counted_until) * self.under_way as u32;
        self.counted_until = now;
        while self.recent.front().is_some_and(|entry| now - entry.arrived >= self.terms.window) {
            self.recent.pop_front();
            self.first += 1;
        }
        now
    }

    /// Counted anew each time, so that there is nothing to go wrong with it.
    fn recent_tokens(&self) -> u64 {
        self.recent.iter().map(|entry| entry.tokens).sum()
    }

    /// Until when one more is too much, if it is now.
    fn must_wait(&self, tokens: u64, now: Instant) -> Option<Duration> {
        let Terms { requests, tokens: most, window, at_once } = self.terms;
        let mut left = self.recent.len();
        let mut spent = self.recent_tokens() + tokens;
        let mut wait = (self.under_way >= at_once).then_some(Duration::ZERO);
        for entry in &self.recent {
            if left < requests && spent <= most {
                break;
            }
            left -= 1;
            spent -= entry.tokens;
            wait = Some(entry.arrived + window - now);
        }
        wait
    }
}
