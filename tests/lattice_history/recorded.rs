//! Runs a program under shuttle and records what happens, in its order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use shuttle::thread;
use tenure::{
    AbortHandle,
    abort::{Aborted, OnAbort, WaitAborted},
};

use super::{Call, Listener, Program};
use crate::{
    lattice_model::Verdict,
    support::{Drops, Log, on_wake, poll_with},
    under_shuttle::let_go,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Called(usize, Call),
    Returned(usize, Answer),
    Woken(Listener),
    Ran(Listener, Verdict),
}

/// What a call tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Nothing,
    Is(bool),
    Says(Option<Verdict>),
}

/// The reason of an abort, by its number.
pub(crate) fn reason(number: usize) -> String {
    format!("abort {number}")
}

/// The handles that all threads see. Whoever uses one clones it first: the last clone may go in any
/// of them, after any call.
struct World {
    program: Arc<Program>,
    handles: Mutex<Vec<Option<AbortHandle>>>,
    history: Log<Event>,
    alive: Drops,
}

/// What a thread holds of its own. Waiters that were never told to stop live on to the end.
#[derive(Default)]
struct Own {
    waiters: BTreeMap<Listener, (WaitAborted, Waker)>,
    guards: BTreeMap<Listener, OnAbort>,
}

/// The history of one run. Nothing of the lattice is left afterwards.
pub(crate) fn run(program: &Arc<Program>) -> Vec<Event> {
    let alive = Drops::default();
    let world = Arc::new(World {
        program: program.clone(),
        handles: Mutex::new(vec![None; program.nodes.len()]),
        history: Log::default(),
        alive: alive.clone(),
    });
    for place in 0..program.made {
        let above = world.above(place).expect("each stands after those above it");
        world.make(place, &above);
    }
    let threads: Vec<_> = (0..program.threads.len())
        .map(|thread| {
            let world = world.clone();
            thread::spawn(move || {
                let mut own = Own::default();
                for call in &world.program.threads[thread] {
                    world.take(thread, *call, &mut own);
                }
                own
            })
        })
        .collect();
    let last = threads.len();
    let owned: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    for place in 0..program.nodes.len() {
        world.take(last, Call::Check(place), &mut Own::default());
    }
    let history = world.history.all();
    drop((world, owned));
    assert_eq!(alive.live(), 0, "a waker or a callback is left");
    history
}

impl World {
    fn handle(&self, place: usize) -> Option<AbortHandle> {
        self.handles.lock().unwrap()[place].clone()
    }

    fn above(&self, place: usize) -> Option<Vec<AbortHandle>> {
        self.program.nodes[place].above.iter().map(|&place| self.handle(place)).collect()
    }

    fn make(&self, place: usize, above: &[AbortHandle]) {
        let handle = self.program.nodes[place].make(place, &Vec::from_iter(above));
        self.handles.lock().unwrap()[place] = Some(handle);
    }

    fn record<R>(
        &self,
        thread: usize,
        call: Call,
        run: impl FnOnce() -> R,
        answer: impl FnOnce(&R) -> Answer,
    ) -> R {
        self.history.note(Event::Called(thread, call));
        let returned = run();
        self.history.note(Event::Returned(thread, answer(&returned)));
        returned
    }

    /// Makes the call, unless it is on what isn't there: not yet, or no more.
    fn take(&self, thread: usize, call: Call, own: &mut Own) -> Option<()> {
        let nothing = |_: &()| Answer::Nothing;
        match call {
            Call::Make(place) => {
                let above = self.above(place)?;
                self.record(thread, call, || self.make(place, &above), nothing);
                let_go(above);
            }
            Call::Drop(place) => {
                let handle = self.handles.lock().unwrap()[place].take()?;
                self.record(thread, call, || drop(handle), nothing);
            }
            Call::Abort(place, number) => {
                let handle = self.handle(place)?;
                self.record(thread, call, || handle.abort(reason(number)), |is| Answer::Is(*is));
                let_go(handle);
            }
            Call::IsAborted(place) => {
                let handle = self.handle(place)?;
                self.record(thread, call, || handle.is_aborted(), |is| Answer::Is(*is));
                let_go(handle);
            }
            Call::Check(place) => {
                let handle = self.handle(place)?;
                self.record(thread, call, || Verdict::of(&handle), says);
                let_go(handle);
            }
            Call::Wait(listener) => {
                let handle = self.handle(self.program.listeners[listener])?;
                let mut waiter = (handle.aborted(), self.waker(listener));
                self.record(thread, call, || polled(&mut waiter), says);
                own.waiters.insert(listener, waiter);
                let_go(handle);
            }
            Call::PollAgain(listener) => {
                let waiter = own.waiters.get_mut(&listener)?;
                self.record(thread, call, || polled(waiter), says);
            }
            Call::StopWaiting(listener) => {
                let waiter = own.waiters.remove(&listener)?;
                self.record(thread, call, || drop(waiter), nothing);
            }
            Call::Register(listener) => {
                let handle = self.handle(self.program.listeners[listener])?;
                let (history, token) = (self.history.clone(), self.alive.token());
                let callback = move |aborted: &Aborted| {
                    history.note(Event::Ran(listener, aborted.into()));
                    drop(token);
                };
                let guard =
                    self.record(thread, call, || handle.on_abort(callback), |_| Answer::Nothing);
                own.guards.insert(listener, guard);
                let_go(handle);
            }
            Call::TakeBack(listener) => {
                let guard = own.guards.remove(&listener)?;
                self.record(thread, call, || drop(guard), nothing);
            }
        }
        Some(())
    }

    fn waker(&self, listener: Listener) -> Waker {
        let (history, token) = (self.history.clone(), self.alive.token());
        on_wake(move || {
            let _ = &token;
            history.note(Event::Woken(listener));
        })
    }
}

fn polled((waiting, waker): &mut (WaitAborted, Waker)) -> Option<Verdict> {
    match poll_with(waiting, waker) {
        Poll::Ready(aborted) => Some(Verdict::from(&aborted)),
        Poll::Pending => None,
    }
}

fn says(verdict: &Option<Verdict>) -> Answer {
    Answer::Says(verdict.clone())
}
