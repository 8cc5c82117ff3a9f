//! The lattice is sound whatever a callback does, in an abort or when it is registered too late and run at
//! once: it may panic, abort, register, take others back, drop handles, the last one too, and panic when it is
//! dropped.

mod hostile;
mod support;

use std::sync::{Arc, Mutex};

use hostile::{
    PLACES, Panics, Shape, WAYS_IN, each_place, in_time, is_sound, leaves_nothing, panicked,
};
use support::{Count, Drops, poll_once};
use tenure::{
    AbortHandle, Aborted,
    abort::{AbortOnDrop, OnAbort},
};

/// When the callbacks run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Occasion {
    Abort,
    /// Each as it is registered with what was aborted before.
    AtOnce,
}

impl Occasion {
    const BOTH: [Self; 2] = [Self::Abort, Self::AtOnce];
}

/// What the hostile callback gets hold of. Taking from it is what drops.
#[derive(Clone, Default)]
struct Inside {
    handles: Arc<Mutex<Vec<AbortHandle>>>,
    guards: Arc<Mutex<Vec<OnAbort>>>,
}

impl Inside {
    fn handles(&self) -> Vec<AbortHandle> {
        self.handles.lock().unwrap().clone()
    }
}

/// What siblings are told, the one at `place` being hostile.
struct Told {
    /// How often each has run.
    ran: Vec<usize>,
    panic: Option<usize>,
}

impl Told {
    #[track_caller]
    fn each_once(&self) {
        assert_eq!(self.ran, [1; PLACES]);
    }
}

/// Siblings are told of one abort, by a handle that nobody else need hold. What `act` has not dropped is sound.
fn among_siblings(
    shape: Shape,
    place: usize,
    occasion: Occasion,
    act: impl FnOnce(&Inside, &Aborted) + Send + 'static,
) -> Told {
    let inside = Inside::default();
    let top = AbortHandle::new();
    if occasion == Occasion::AtOnce {
        top.abort("before");
    }
    *inside.handles.lock().unwrap() = shape.below(&top);
    inside.handles.lock().unwrap().push(top.clone());
    let top: AbortOnDrop = top.abort_on_drop();

    let counts: Vec<Count> = (0..PLACES).map(|_| Count::default()).collect();
    let (mut act, mut panic) = (Some(act), None);
    for (number, (handle, ran)) in inside.handles().iter().zip(&counts).enumerate() {
        let act = act.take_if(|_| number == place);
        let (seen, ran) = (inside.clone(), ran.clone());
        let panicked = panicked(|| {
            let guard = handle.on_abort(move |aborted| {
                ran.add();
                if let Some(act) = act {
                    act(&seen, aborted);
                }
            });
            inside.guards.lock().unwrap().push(guard);
        });
        panic = panic.or(panicked);
    }
    panic = panic.or(panicked(|| drop(top)));

    inside.handles().iter().for_each(is_sound);
    inside.guards.lock().unwrap().clear();
    inside.handles.lock().unwrap().clear();
    Told { ran: counts.iter().map(Count::get).collect(), panic }
}

/// Runs `f` on each occasion, for each place of each shape; it must leave nothing.
fn everywhere(f: impl Fn(Shape, usize, Occasion) + Send + 'static) {
    in_time(move || {
        each_place(|shape, place| {
            for occasion in Occasion::BOTH {
                leaves_nothing(|| f(shape, place, occasion));
            }
        });
    });
}

#[test]
fn a_callback_that_panics_at_any_place_keeps_no_sibling_from_running() {
    everywhere(|shape, place, occasion| {
        let panics = Panics::default();
        let told = among_siblings(shape, place, occasion, move |_, _| panics.panic(place));
        told.each_once();
        assert_eq!(told.panic, Some(place));
    });
}

#[test]
fn a_callback_may_come_back_in_by_every_method() {
    everywhere(|shape, place, occasion| {
        for (_, way_in) in WAYS_IN {
            let told = among_siblings(shape, place, occasion, move |inside, _| {
                inside.handles().iter().for_each(way_in);
            });
            told.each_once();
            assert_eq!(told.panic, None);
        }
    });
}

#[test]
fn a_callback_may_abort_again_and_another() {
    everywhere(|shape, place, occasion| {
        let other = AbortHandle::new();
        let passed_on = Count::default();
        let (counted, handle) = (passed_on.clone(), other.clone());
        other.child().on_abort(|_| unreachable!("its handle is gone")).detach();
        other.on_abort(move |aborted| _ = counted.add_all(aborted.to_string().len())).detach();
        let told = among_siblings(shape, place, occasion, move |inside, aborted| {
            assert!(inside.handles().iter().all(|handle| !handle.abort("again")));
            assert!(handle.abort_because("passed on", aborted.clone()));
        });
        told.each_once();
        assert_eq!(told.panic, None);
        assert_eq!(passed_on.get(), "passed on".len());
        is_sound(&other);
    });
}

#[test]
fn a_callback_may_register_and_wait_anew() {
    everywhere(|shape, place, occasion| {
        let late = Count::default();
        let counted = late.clone();
        let told = among_siblings(shape, place, occasion, move |inside, _| {
            for handle in inside.handles() {
                let late = counted.clone();
                handle.on_abort(move |_| _ = late.add()).detach();
                assert!(poll_once(handle.aborted()).is_ready());
                assert!(poll_once(handle.child().aborted()).is_ready());
            }
        });
        told.each_once();
        assert_eq!((told.panic, late.get()), (None, PLACES + 1));
    });
}

#[test]
fn a_callback_may_take_back_its_siblings() {
    everywhere(|shape, place, occasion| {
        let told = among_siblings(shape, place, occasion, |inside, _| {
            let guards = std::mem::take(&mut *inside.guards.lock().unwrap());
            drop(guards);
        });
        // Who comes later in the same abort may be taken back or not.
        assert!(told.ran.iter().all(|&ran| ran <= 1), "{:?}", told.ran);
        assert_eq!((told.ran[place], told.panic), (1, None));
        if occasion == Occasion::AtOnce {
            told.each_once();
        }
    });
}

#[test]
fn a_callback_may_drop_the_last_handles() {
    everywhere(|shape, place, occasion| {
        let told = among_siblings(shape, place, occasion, |inside, _| {
            let handles = std::mem::take(&mut *inside.handles.lock().unwrap());
            drop(handles);
            let guards = std::mem::take(&mut *inside.guards.lock().unwrap());
            guards.into_iter().for_each(OnAbort::detach);
        });
        told.each_once();
        assert_eq!(told.panic, None);
    });
}

#[test]
fn a_callback_that_panics_when_it_is_dropped_at_any_place_keeps_no_sibling_from_running() {
    everywhere(|shape, place, occasion| {
        let panics = Panics::default();
        let bomb = Bomb(panics, place);
        let told = among_siblings(shape, place, occasion, move |_, _| drop(bomb));
        told.each_once();
        assert_eq!(told.panic, Some(place));
    });
}

struct Bomb(Panics, usize);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.panic(self.1);
    }
}

#[test]
fn of_many_callbacks_that_panic_the_first_is_heard_and_all_run() {
    each_place(|shape, least| {
        leaves_nothing(|| {
            let (top, panics) = (AbortHandle::new(), Panics::default());
            let first = Arc::new(Mutex::new(None));
            let ran = Count::default();
            let handles = shape.below(&top);
            for (number, handle) in handles.iter().enumerate() {
                let (panics, first, ran) = (panics.clone(), first.clone(), ran.clone());
                let call = move |_: &Aborted| {
                    ran.add();
                    if number >= least {
                        first.lock().unwrap().get_or_insert(number);
                        panics.panic(number);
                    }
                };
                handle.on_abort(call).detach();
            }
            let panic = panicked(|| top.abort("now"));
            assert_eq!(panic, *first.lock().unwrap());
            assert_eq!((ran.get(), panics.begun()), (PLACES, PLACES - least));
            assert!(panic.is_some());
            handles.iter().for_each(is_sound);
        });
    });
}

/// A second panic that leaves a `Drop` while the first one unwinds would end the process.
#[test]
fn callbacks_that_panic_when_dropped_unrun_are_one_panic_and_all_are_dropped() {
    each_place(|shape, least| {
        leaves_nothing(|| {
            let (top, panics, drops) = (AbortHandle::new(), Panics::default(), Drops::default());
            let handles = shape.below(&top);
            for (number, handle) in handles.iter().enumerate() {
                let token = drops.token();
                let bomb = (number >= least).then(|| Bomb(panics.clone(), number));
                handle.on_abort(move |_| drop((token, bomb))).detach();
            }
            drop(top);
            // One by one, as values of a vector would be: each handle may have its own panic.
            let heard = handles.into_iter().filter_map(|handle| panicked_at_all(|| drop(handle)));
            assert!(heard.count() >= 1);
            assert_eq!((panics.begun(), drops.live()), (PLACES - least, 0));
        });
    });
}

/// Whether `f` panicked, with whatever.
fn panicked_at_all(f: impl FnOnce()) -> Option<()> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err().map(drop)
}
