//! Whose turn it is in a nursery: of the body and the children, those that were woken, in that order.

use crate::{
    fifo::Fifo,
    owner::core::{Queue, Seat},
    sync::Arc,
};

/// Those that were woken by their seats come by the queue. Those that woke themselves while they were polled with a
/// seat that was lent to them have none; they are kept here.
#[derive(Default)]
pub(super) struct Turns {
    woken: Fifo<Arc<Seat>>,
    again: Fifo<Again>,
    /// The next one of `again` in this pass, and how many come after it.
    next: Option<Again>,
    left: usize,
    /// How many of `woken` have had their turn.
    had: u32,
}

/// Woken when so many had come by the queue.
struct Again {
    key: u32,
    after: u32,
}

/// The turn of one of them.
pub(super) enum Turn {
    /// By its seat.
    By(Arc<Seat>),
    /// By its key.
    Of(u32),
}

/// The key of the body, among those of the children.
pub(super) const BODY: u32 = u32::MAX;

impl Turns {
    /// A pass begins: those that are woken from now on have their turns in the next one.
    pub(super) fn begin(&mut self, queue: &Queue) {
        queue.take(&mut self.woken);
        self.had = 0;
        self.left = self.again.len();
        self.step();
    }

    fn step(&mut self) {
        self.next = match self.left {
            0 => None,
            _ => self.again.pop(),
        };
        self.left = self.left.saturating_sub(1);
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Turn> {
        if let Some(Again { key, .. }) = self.next.take_if(|again| again.after <= self.had) {
            self.step();
            return Some(Turn::Of(key));
        }
        self.had += 1;
        self.woken.pop().map(Turn::By)
    }

    /// One that is polled by its key has been woken meanwhile.
    pub(super) fn again(&mut self, key: u32, queue: &Queue) {
        self.again.push(Again { key, after: queue.came() });
    }

    /// Whether somebody waits for the next pass who isn't in the queue.
    pub(super) fn is_due(&self) -> bool {
        !self.again.is_empty()
    }

    /// All of it is being ended: nobody has a turn any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
