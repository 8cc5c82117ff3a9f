//! Who waits for a permit, and who is offered one.
//!
//! A free permit belongs to nobody. A waiter that is *offered* one was woken, and claims it when it
//! is polled. An offer is *fresh* for one window, from when an alarm is set until it rings, and then
//! lapses: it can still be taken up while a permit is free, but no longer holds up those behind. One
//! that is made while the alarm is set lapses with the next.
//!
//! Invariants, whenever the lock is free:
//!
//! 1. `free` and the permits that are held add up to the capacity.
//! 2. There are at least as many fresh offers as free permits, or nobody stands in the line.
//! 3. Who stands in the line claims nothing, nor does a newcomer while there is a line or a fresh
//!    offer.
//! 4. Whoever had an offer and is dropped, or was too late, leaves no trace of it; 2 then finds the
//!    next one.
//! 5. While a permit is free, an offer fresh, and somebody stands in the line, the alarm is set.
//!    Where there is no timer to set it, all who stand in the line are offered what is free.
//!
//! The alarm isn't cancelled when the offer is taken up, so that a busy limit sets it once a window
//! and not at each release. Nor does it matter that others were let in meanwhile: an offer that
//! nobody takes up lapses even while the limit is busy with the rest of its permits.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    fmt, mem,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    owner::Lent,
    sync::{Arc, Mutex, Weak, impl_wake},
    time::TimerHandle,
    wake::Panics,
};

/// How long whoever was offered a permit has it to itself, at least.
const WINDOW: Duration = Duration::from_millis(1);

pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Numbers the waiters in the order in which they came.
    came: u64,
    /// Not offered a permit; the first is next.
    line: BTreeMap<u64, Waker>,
    /// Offered a permit, in which window.
    offered: BTreeMap<u64, u64>,
    /// Begins when an alarm is set.
    window: u64,
    /// The first window whose offers have not lapsed.
    valid: u64,
    /// Offers that have not lapsed.
    fresh: usize,
    /// Those of them that are going to when the alarm rings.
    due: usize,
    alarm: bool,
    timer: Option<TimerHandle>,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::new(State {
                free: capacity,
                came: 0,
                line: BTreeMap::new(),
                offered: BTreeMap::new(),
                window: 0,
                valid: 0,
                fresh: 0,
                due: 0,
                alarm: false,
                timer: None,
            }),
        }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn active(&self) -> usize {
        self.capacity - self.state.with(|state| state.free)
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.with(|state| state.line.len() + state.offered.len())
    }

    /// Changes the queue, then offers what is free.
    fn change<R>(this: &Arc<Self>, f: impl FnOnce(&mut State, &mut Vec<Waker>) -> R) -> R {
        let mut woken = Vec::new();
        let (result, timer) = this.state.with(|state| {
            let result = f(state, &mut woken);
            state.offer_free(&mut woken);
            (result, state.begin_window())
        });
        if woken.is_empty() && timer.is_none() {
            return result;
        }
        let mut panics = Panics::default();
        if let Some(timer) = timer {
            let mut set = false;
            panics.run(|| {
                let alarm = Arc::new(Alarm(Arc::downgrade(this)));
                timer.timer().wake_at(timer.now() + WINDOW, Waker::from(alarm));
                set = true;
            });
            if !set {
                this.state.with(|state| state.alarm = false);
            }
        }
        panics.wake_all(woken);
        panics.resume();
        result
    }
}

/// What the timer wakes. It holds the queue weakly, for the queue holds the timer.
struct Alarm(Weak<Queue>);

impl Alarm {
    fn ring(this: &Arc<Self>) {
        if let Some(queue) = this.0.upgrade() {
            Queue::change(&queue, State::end_window);
        }
    }
}

impl_wake!(Alarm, Alarm::ring);

impl State {
    /// Takes a permit for one who has just come, if nobody has a better claim.
    fn claim_new(&mut self) -> bool {
        let claimed = self.free > 0 && self.fresh == 0 && self.line.is_empty();
        self.free -= usize::from(claimed);
        claimed
    }

    /// Takes up an offer, and tells whether there was one and a permit was left.
    fn take_up(&mut self, number: u64) -> bool {
        let claimed = self.take_back(number) && self.free > 0;
        self.free -= usize::from(claimed);
        claimed
    }

    /// Takes an offer back, and tells whether there was one.
    fn take_back(&mut self, number: u64) -> bool {
        let Some(window) = self.offered.remove(&number) else { return false };
        if window >= self.valid {
            self.fresh -= 1;
            self.due -= usize::from(window < self.window);
        }
        true
    }

    fn offer_free(&mut self, woken: &mut Vec<Waker>) {
        let offers = match (&self.timer, self.free) {
            (_, 0) => 0,
            (None, _) => usize::MAX,
            (Some(_), free) => free.saturating_sub(self.fresh),
        };
        self.offer(offers, woken);
    }

    fn offer(&mut self, offers: usize, woken: &mut Vec<Waker>) {
        for _ in 0..offers {
            let Some((number, waker)) = self.line.pop_first() else { return };
            self.offered.insert(number, self.window);
            self.fresh += 1;
            woken.push(waker);
        }
    }

    /// Goes by the timer of whoever came last. What was set on another one may never ring.
    fn go_by(&mut self, timer: Option<TimerHandle>) -> Option<TimerHandle> {
        let same = match (&self.timer, &timer) {
            (Some(old), Some(new)) => old.is_same(new),
            _ => false,
        };
        self.alarm &= same;
        mem::replace(&mut self.timer, timer)
    }

    /// The timer on which to set the alarm, if it must be.
    fn begin_window(&mut self) -> Option<TimerHandle> {
        if self.free == 0 || self.fresh == 0 || self.line.is_empty() || self.alarm {
            return None;
        }
        let timer = self.timer.clone()?;
        self.alarm = true;
        self.window += 1;
        self.due = self.fresh;
        Some(timer)
    }

    /// Lets the offers lapse that stood when the alarm was set, and makes twice as many: a long row
    /// of waiters that nobody polls is passed in few windows.
    fn end_window(&mut self, woken: &mut Vec<Waker>) {
        self.alarm = false;
        if self.free == 0 {
            return;
        }
        let lapsed = mem::take(&mut self.due);
        self.fresh -= lapsed;
        self.valid = self.window;
        self.offer(lapsed.saturating_mul(2), woken);
    }
}

/// One place in the queue, and then one permit.
pub(super) struct Ticket {
    queue: Arc<Queue>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    New,
    Waiting(u64),
    Holding,
}

impl Ticket {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue, stage: Stage::New }
    }

    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_))
    }

    /// Ready while it holds a permit.
    pub(super) fn poll_permit(&mut self, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let (claimed, number) = match self.stage {
            Stage::Holding => return Poll::Ready(()),
            Stage::New => (self.queue.state.with(State::claim_new), None),
            Stage::Waiting(number) => {
                let moved = self.queue.state.with(|state| match state.line.get(&number) {
                    Some(waker) if waker.will_wake(cx.waker()) => None,
                    _ => Some(state.take_up(number)),
                });
                let Some(claimed) = moved else { return Poll::Pending };
                (claimed, Some(number))
            }
        };
        if claimed {
            self.stage = Stage::Holding;
            return Poll::Ready(());
        }
        self.wait(number, cx, lent)
    }

    /// Takes its place in the line, which is an old one if it has waited before.
    #[inline(never)]
    fn wait(&mut self, number: Option<u64>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let timer = lent.timer().cloned();
        // The stage is set under the lock: whatever panics later, it is known what this one has.
        let replaced = Queue::change(&self.queue, |state, _| {
            // Much may have happened since the lock was free.
            let claimed = match number {
                None => state.claim_new(),
                Some(number) => state.take_up(number),
            };
            if claimed {
                self.stage = Stage::Holding;
                return (Some(waker), timer);
            }
            let number = number.unwrap_or_else(|| {
                state.came += 1;
                state.came
            });
            self.stage = Stage::Waiting(number);
            (state.line.insert(number, waker), state.go_by(timer))
        });
        drop(replaced);
        match self.stage {
            Stage::Holding => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match self.stage {
            Stage::New => {}
            Stage::Holding => Queue::change(&self.queue, |state, _| state.free += 1),
            Stage::Waiting(number) => {
                let waker = Queue::change(&self.queue, |state, _| {
                    state.take_back(number);
                    state.line.remove(&number)
                });
                drop(waker);
            }
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.stage).finish()
    }
}

#[cfg(all(test, feature = "std", not(any(tenure_loom, tenure_shuttle))))]
mod tests {
    use super::*;
    use crate::sync::{
        Wake,
        atomic::{AtomicUsize, Ordering},
    };

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            // Relaxed: one thread counts and reads.
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(ticket: &mut Ticket, wakes: &Arc<Wakes>) -> Poll<()> {
        let waker = Waker::from(wakes.clone());
        let polled = ticket.poll_permit(&mut Context::from_waker(&waker), Lent::ROOT);
        // With `std` there is always a timer, so it is taken away by hand.
        ticket.queue.state.with(|state| state.timer = None);
        polled
    }

    #[test]
    fn without_a_timer_each_release_wakes_every_waiter() {
        let (queue, wakes) = (Arc::new(Queue::new(1)), Arc::<Wakes>::default());
        let woken = || wakes.0.swap(0, Ordering::Relaxed);
        let mut holder = Ticket::new(queue.clone());
        assert!(poll(&mut holder, &wakes).is_ready());
        let mut row: Vec<_> = (0..5).map(|_| Ticket::new(queue.clone())).collect();
        assert!(row.iter_mut().all(|ticket| poll(ticket, &wakes).is_pending()));
        assert_eq!(woken(), 0);

        drop(holder);
        assert_eq!(woken(), 5);
        // Whoever is polled first has it; the others keep their order for the next release.
        let mut holder = row.remove(3);
        assert!(poll(&mut holder, &wakes).is_ready());
        assert!(row.iter_mut().all(|ticket| poll(ticket, &wakes).is_pending()));
        assert_eq!((queue.active(), queue.waiting()), (1, 4));
        drop(holder);
        assert_eq!(woken(), 4);
        row.clear();
        assert_eq!((queue.active(), queue.waiting()), (0, 0));
        assert!(queue.state.with(|state| !state.alarm && state.fresh == 0));
    }
}
