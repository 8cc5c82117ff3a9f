use std::{
    future::Future,
    iter,
    pin::Pin,
    task::{Context, Waker},
};

use super::counting_waker;

/// So many futures under way: the oldest is polled again, and must be ready, when the next one is made.
pub(crate) struct InFlight<F, M> {
    slots: Vec<Pin<Box<Option<F>>>>,
    make: M,
    made: usize,
    waker: Waker,
}

impl<F: Future, M: Fn(usize) -> F> InFlight<F, M> {
    /// `make` is told how many were made before.
    pub(crate) fn new(n: usize, make: M) -> Self {
        let slots = iter::repeat_with(|| Box::pin(None)).take(n).collect();
        let mut in_flight = Self { slots, make, made: 0, waker: counting_waker().0 };
        (0..n).for_each(|_| in_flight.next());
        in_flight
    }

    pub(crate) fn next(&mut self) {
        let mut cx = Context::from_waker(&self.waker);
        let oldest = self.made % self.slots.len();
        let slot = &mut self.slots[oldest];
        if let Some(future) = slot.as_mut().as_pin_mut() {
            assert!(future.poll(&mut cx).is_ready());
        }
        slot.set(Some((self.make)(self.made)));
        self.made += 1;
        let future = slot.as_mut().as_pin_mut().expect("it was put there");
        assert!(future.poll(&mut cx).is_pending());
    }
}
