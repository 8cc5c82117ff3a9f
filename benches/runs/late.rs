use std::{
    future::{Future, pending},
    iter,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use super::{Timeouts, live, spread, waiting};

/// How long before the first deadline the first is armed, and how long before it the last, at least.
const LEAD: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_millis(50);
/// How long after the last deadline whoever is silent is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Timeouts that are waited for, each by a task of its own, until all have fired.
pub(crate) struct Late {
    bells: Vec<Arc<Bell>>,
    silent: Arc<AtomicUsize>,
    within: Duration,
}

/// What has fired, or should have.
pub(crate) struct Fired<F> {
    first: Instant,
    tasks: Vec<Pin<Box<F>>>,
}

/// Knows when it was woken first.
struct Bell {
    rung: OnceLock<Instant>,
    silent: Arc<AtomicUsize>,
}

impl Late {
    /// Of `n`, whose deadlines are spread evenly, and in no order, over `within`.
    pub(crate) fn new(n: usize, within: Duration) -> Self {
        let silent = Arc::new(AtomicUsize::new(n));
        let bell = || Arc::new(Bell { rung: OnceLock::new(), silent: silent.clone() });
        Self { bells: iter::repeat_with(bell).take(n).collect(), silent, within }
    }

    /// Arms all and waits until all have rung. Returns nothing if the machine was too busy for all to be
    /// armed in time.
    pub(crate) fn fire<T: Timeouts>(&self) -> Option<Fired<impl Future>> {
        // So that it isn't these that are the first to ring.
        let _earlier = live::<T>(1, LEAD - REST..LEAD);
        let first = Instant::now() + LEAD;
        let mut tasks = Vec::with_capacity(self.bells.len());
        for (bell, at) in self.deadlines(first) {
            let now = Instant::now();
            if now + REST > first {
                return None;
            }
            let waker = Waker::from(bell.clone());
            tasks.push(waiting(T::timeout(pending::<()>(), at - now), &waker));
        }
        while self.silent.load(Relaxed) > 0 && Instant::now() < first + self.within + PATIENCE {
            T::wait(Duration::from_millis(5));
        }
        Some(Fired { first, tasks })
    }

    /// Milliseconds by which each was late, sorted.
    pub(crate) fn by<F: Future>(&self, fired: Fired<F>) -> Vec<f64> {
        for (mut task, bell) in fired.tasks.into_iter().zip(&self.bells) {
            let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_ready() || bell.rung.get().is_none(), "woken for nothing");
        }
        let mut by: Vec<_> = self.deadlines(fired.first).map(|(bell, at)| bell.late(at)).collect();
        by.sort_by(f64::total_cmp);
        by
    }

    fn deadlines(&self, first: Instant) -> impl Iterator<Item = (&Arc<Bell>, Instant)> {
        let at = move |place| first + spread(place, Duration::ZERO..self.within);
        self.bells.iter().zip((0..).map(at))
    }
}

impl Bell {
    /// Negative, if it was early. Infinite, if it never rang.
    fn late(&self, at: Instant) -> f64 {
        match self.rung.get() {
            Some(&rung) if rung < at => -(at - rung).as_secs_f64() * 1e3,
            Some(&rung) => (rung - at).as_secs_f64() * 1e3,
            None => f64::INFINITY,
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.set(Instant::now()).is_ok() {
            self.silent.fetch_sub(1, Relaxed);
        }
    }
}
