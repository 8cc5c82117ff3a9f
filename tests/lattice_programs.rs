//! Whatever is made, aborted, awaited and dropped in whichever order, each node of the lattice does what a
//! model of a few lines says.

mod lattice_model;
mod support;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

use allocation_counter::measure;
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseResult};
use tenure::{
    AbortHandle,
    abort::{OnAbort, WaitAborted},
};

use lattice_model::{Kind, Model, Verdict, below, build, kind, lattice, picks};
use support::{ByHand, Count};

#[derive(Clone, Copy, Debug)]
enum Act {
    Make(Kind),
    Clone,
    Drop,
    Abort,
    Wait,
    PollAgain,
    PollElsewhere,
    StopWaiting,
    Register,
    TakeBack,
}

#[derive(Clone, Debug)]
struct Step {
    act: Act,
    pick: Index,
    above: Vec<Index>,
}

fn program() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        12 => kind().prop_map(Act::Make),
        2 => Just(Act::Clone),
        4 => Just(Act::Drop),
        4 => Just(Act::Abort),
        5 => Just(Act::Wait),
        1 => Just(Act::PollAgain),
        2 => Just(Act::PollElsewhere),
        2 => Just(Act::StopWaiting),
        4 => Just(Act::Register),
        2 => Just(Act::TakeBack),
    ];
    let step = (act, any::<Index>(), picks());
    vec(step.prop_map(|(act, pick, above)| Step { act, pick, above }), 1..60)
}

struct Counted(Count);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.add();
    }
}

struct Waiter {
    place: usize,
    future: Option<Pin<Box<WaitAborted>>>,
    waker: Waker,
    /// The wakes of each waker that it slept with; only the last may be woken.
    wakes: Vec<Count>,
    woken_when_stopped: bool,
}

impl Waiter {
    fn new(place: usize, handle: &AbortHandle) -> Self {
        let (future, waker) = (Some(Box::pin(handle.aborted())), Waker::noop().clone());
        Self { place, future, waker, wakes: Vec::new(), woken_when_stopped: false }
    }

    fn poll(&mut self, elsewhere: bool) -> Option<Verdict> {
        let wakes = Count::default();
        if elsewhere {
            self.waker = Waker::from(Arc::new(Counted(wakes.clone())));
        }
        let mut cx = Context::from_waker(&self.waker);
        match self.future.as_mut()?.as_mut().poll(&mut cx) {
            Poll::Ready(aborted) => return Some(Verdict::from(&aborted)),
            Poll::Pending if elsewhere => self.wakes.push(wakes),
            Poll::Pending => {}
        }
        None
    }
}

struct Callback {
    place: usize,
    guard: Option<OnAbort>,
    told: Arc<Mutex<Vec<Verdict>>>,
    told_when_taken_back: Vec<Verdict>,
}

/// What a program has made so far. Of some nodes no handle is left.
#[derive(Default)]
struct World {
    model: Model,
    held: Vec<(usize, AbortHandle)>,
    waiters: Vec<Waiter>,
    callbacks: Vec<Callback>,
    first_seen: Vec<Option<Verdict>>,
}

impl World {
    fn verdict(&self, place: usize) -> Option<Verdict> {
        self.model.verdict(place).cloned()
    }

    fn make(&mut self, kind: Kind, picks: &[Index]) -> TestCaseResult {
        let which: Vec<usize> = (0..self.held.len()).collect();
        let mut node = below(kind, picks, &which);
        let above: Vec<_> = node.above.iter().map(|&which| &self.held[which]).collect();
        let handles: Vec<_> = above.iter().map(|(_, handle)| handle).collect();
        let place = self.model.len();
        let handle = node.make(place, &handles);
        node.above = above.iter().map(|(place, _)| *place).collect();
        self.model.add(node, Verdict::of(&handle))?;
        self.held.push((place, handle));
        self.first_seen.push(None);
        Ok(())
    }

    fn take(&mut self, number: usize, step: &Step) -> TestCaseResult {
        let Step { act, pick, above } = step;
        let size = match act {
            Act::Make(kind) => return self.make(*kind, above),
            Act::Clone | Act::Drop | Act::Abort | Act::Wait | Act::Register => self.held.len(),
            Act::PollAgain | Act::PollElsewhere | Act::StopWaiting => self.waiters.len(),
            Act::TakeBack => self.callbacks.len(),
        };
        if size == 0 {
            return Ok(());
        }
        let pick = pick.index(size);
        match act {
            Act::Make(_) => {}
            Act::Clone => self.held.push(self.held[pick].clone()),
            Act::Drop => drop(self.held.swap_remove(pick)),
            Act::Abort => {
                let (place, handle) = &self.held[pick];
                let reason = format!("step {number}");
                let first = self.model.abort(*place, &reason);
                prop_assert_eq!(handle.abort(reason), first, "only the first call says so");
            }
            Act::Wait => {
                let (place, handle) = &self.held[pick];
                let mut waiter = Waiter::new(*place, handle);
                prop_assert_eq!(waiter.poll(true), self.verdict(*place));
                self.waiters.push(waiter);
            }
            Act::PollAgain | Act::PollElsewhere => {
                let waiter = &mut self.waiters[pick];
                if waiter.future.is_some() {
                    let said = waiter.poll(matches!(act, Act::PollElsewhere));
                    prop_assert_eq!(said.as_ref(), self.model.verdict(waiter.place));
                }
            }
            Act::StopWaiting => {
                let waiter = &mut self.waiters[pick];
                if waiter.future.take().is_some() {
                    waiter.woken_when_stopped = self.model.verdict(waiter.place).is_some();
                }
            }
            Act::Register => {
                let (place, handle) = &self.held[pick];
                let told: Arc<Mutex<Vec<Verdict>>> = Arc::default();
                let tell = told.clone();
                let guard =
                    handle.on_abort(move |aborted| tell.lock().unwrap().push(aborted.into()));
                self.callbacks.push(Callback {
                    place: *place,
                    guard: Some(guard),
                    told,
                    told_when_taken_back: Vec::new(),
                });
            }
            Act::TakeBack => {
                let callback = &mut self.callbacks[pick];
                if callback.guard.take().is_some() {
                    callback.told_when_taken_back = callback.told.lock().unwrap().clone();
                }
            }
        }
        Ok(())
    }

    /// Sees to it that `read` finds the same in each handle as in the model.
    fn each_handle_tells<T: PartialEq + std::fmt::Debug>(
        &mut self,
        read: impl Fn(Option<Verdict>) -> T,
    ) -> TestCaseResult {
        for (place, handle) in &self.held {
            prop_assert_eq!(read(Verdict::of(handle)), read(self.verdict(*place)), "{}", place);
        }
        Ok(())
    }
}

/// Sees to it that the law holds after each step of a program.
fn always(program: &[Step], mut law: impl FnMut(&mut World) -> TestCaseResult) -> TestCaseResult {
    let mut world = World::default();
    for (number, step) in program.iter().enumerate() {
        world.take(number, step)?;
        law(&mut world)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_node_is_aborted_when_the_model_says_so(program in program()) {
        always(&program, |world| {
            for (place, handle) in &world.held {
                let aborted = world.model.verdict(*place).is_some();
                prop_assert_eq!(handle.is_aborted(), aborted);
                prop_assert_eq!(handle.reason().is_some(), aborted);
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_reason_is_that_of_the_abort_that_reached_the_node(program in program()) {
        always(&program, |world| world.each_handle_tells(|said| said.map(|said| said.reason)))?;
    }

    #[test]
    fn the_position_tells_here_from_above(program in program()) {
        always(&program, |world| world.each_handle_tells(|said| said.map(|said| said.position)))?;
    }

    #[test]
    fn the_origin_is_the_name_of_the_root_that_began(program in program()) {
        always(&program, |world| world.each_handle_tells(|said| said.map(|said| said.origin)))?;
    }

    #[test]
    fn what_an_aborted_node_says_never_changes(program in program()) {
        always(&program, |world| {
            for (place, handle) in &world.held {
                let (seen, says) = (&mut world.first_seen[*place], Verdict::of(handle));
                prop_assert!(seen.is_none() || *seen == says, "{:?}, then {:?}", seen, says);
                *seen = says;
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_waiter_is_woken_once_by_the_abort_of_its_node_and_by_nothing_else(program in program()) {
        always(&program, |world| {
            for Waiter { place, future, wakes, woken_when_stopped, .. } in &world.waiters {
                let woken = match future {
                    Some(_) => world.model.verdict(*place).is_some(),
                    None => *woken_when_stopped,
                };
                let Some((last, others)) = wakes.split_last() else { continue };
                prop_assert_eq!(last.get(), usize::from(woken), "at {}", place);
                prop_assert!(others.iter().all(|wakes| wakes.get() == 0), "at {}", place);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_callback_runs_once_with_the_verdict_unless_it_was_taken_back(program in program()) {
        always(&program, |world| {
            for Callback { place, guard, told, told_when_taken_back } in &world.callbacks {
                let due = match guard {
                    Some(_) => world.verdict(*place).into_iter().collect(),
                    None => told_when_taken_back.clone(),
                };
                prop_assert_eq!(&*told.lock().unwrap(), &due, "at {}", place);
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_is_dropped_changes_nothing_for_the_rest(
        lattice in lattice(16),
        dropped in vec(any::<Index>(), 0..12),
        aborts in vec(any::<Index>(), 1..8),
    ) {
        let (whole, mut model) = build(&lattice)?;
        let mut rest: Vec<_> = build(&lattice)?.0.into_iter().enumerate().collect();
        for pick in &dropped[..dropped.len().min(rest.len() - 1)] {
            rest.swap_remove(pick.index(rest.len()));
        }
        for (step, pick) in aborts.iter().enumerate() {
            let (place, handle) = pick.get(&rest);
            let reason = format!("step {step}");
            let first = model.abort(*place, &reason);
            prop_assert_eq!((whole[*place].abort(reason.clone()), handle.abort(reason)), (first, first));
            for (place, handle) in &rest {
                let verdict = Verdict::of(handle);
                prop_assert_eq!(verdict.as_ref(), model.verdict(*place));
                prop_assert_eq!(verdict, Verdict::of(&whole[*place]));
            }
        }
    }

    #[test]
    fn what_lies_above_forgets_what_is_gone(
        lattice in lattice(8),
        guests in vec((kind(), picks(), any::<Index>()), 1..12),
    ) {
        let (handles, _) = build(&lattice)?;
        let visit = || {
            let mut held: Vec<_> = handles.iter().map(|handle| (handle.clone(), None)).collect();
            for (kind, picks, _) in &guests {
                let node = below(*kind, picks, &Vec::from_iter(0..held.len()));
                let above: Vec<_> = node.above.iter().map(|&which| &held[which].0).collect();
                let handle = node.make(held.len(), &above);
                let mut waiting = ByHand::new(above.first().unwrap_or(&&handle).aborted());
                let _ = waiting.poll();
                let guard = handle.on_abort(|_| {});
                held.push((handle, Some((waiting, guard))));
            }
            for (_, _, pick) in &guests {
                drop(held.swap_remove(pick.index(held.len())));
            }
        };
        // What stays keeps a few places for the next guests, and no more at the second visit.
        visit();
        let left = measure(visit);
        prop_assert_eq!((left.count_current, left.bytes_current), (0, 0));
    }

    #[test]
    fn nothing_is_left_allocated(program in program()) {
        let mut ran = Ok(());
        let left = measure(|| ran = always(&program, |_| Ok(())));
        ran?;
        prop_assert_eq!((left.count_current, left.bytes_current), (0, 0));
    }
}
