//! The lattice is sound whatever a waker does when it is cloned, woken or dropped: it may panic, come back in
//! by every method, poll, and drop what others wait with.

mod hostile;
mod support;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    task::Waker,
};

use hostile::{
    Hooked, Moment, PLACES, Panics, Shape, WAYS_IN, each_place, in_time, is_sound, leaves_nothing,
    panicked,
};
use support::{Count, on_wake, poll_once, poll_with};
use tenure::{AbortHandle, abort::WaitAborted};

/// When the hostile waker acts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Occasion {
    Registered,
    Woken,
    /// With the future that waits.
    Dropped,
    /// For the future was polled with another.
    Replaced,
}

impl Occasion {
    const ALL: [Self; 4] = [Self::Registered, Self::Woken, Self::Dropped, Self::Replaced];

    fn moment(self) -> Moment {
        match self {
            Self::Registered => Moment::Clone,
            Self::Woken => Moment::Wake,
            Self::Dropped | Self::Replaced => Moment::Drop,
        }
    }
}

/// What the hostile waker gets hold of.
#[derive(Clone)]
struct Inside {
    top: AbortHandle,
    handle: AbortHandle,
    /// Who waits, but for those that were dropped or are being polled.
    waiting: Arc<Mutex<Vec<Option<WaitAborted>>>>,
    /// How often each was woken.
    wakes: Arc<[Count]>,
}

impl Inside {
    /// Takes each waiter out, and back in if `f` gives it back.
    fn each(&self, f: impl Fn(usize, WaitAborted) -> Option<WaitAborted>) {
        let many = self.waiting.lock().unwrap().len();
        for number in 0..many {
            let waiter = self.waiting.lock().unwrap()[number].take();
            let kept = waiter.and_then(|waiter| f(number, waiter));
            self.waiting.lock().unwrap()[number] = kept;
        }
    }
}

/// A waker that counts its wakes.
fn adds_to(wakes: &Count) -> Waker {
    let wakes = wakes.clone();
    on_wake(move || _ = wakes.add())
}

/// Siblings wait, the one at `place` with a waker that acts, and all are aborted. Tells with which number
/// that waker panicked.
fn among_siblings(
    shape: Shape,
    place: usize,
    occasion: Occasion,
    act: impl Fn(&Inside) + Send + Sync + 'static,
) -> Option<usize> {
    let top = AbortHandle::new();
    let handles = shape.below(&top);
    let wakes: Arc<[Count]> = (0..PLACES).map(|_| Count::default()).collect();
    let inside = Inside {
        top: top.clone(),
        handle: handles[place].clone(),
        waiting: Arc::default(),
        wakes: wakes.clone(),
    };
    let seen = inside.clone();
    let odd = Hooked::new(occasion.moment(), move || act(&seen));
    let odd_waker = odd.waker();
    let mut asleep = [false; PLACES];
    let mut panic = None;

    for (number, handle) in handles.iter().enumerate() {
        let mut waiter = handle.aborted();
        asleep[number] = if number != place {
            poll_with(&mut waiter, &adds_to(&wakes[number])).is_pending()
        } else if occasion == Occasion::Registered {
            poll_armed(&odd, &mut waiter, &odd_waker, &mut panic)
        } else {
            poll_with(&mut waiter, &odd_waker).is_pending()
        };
        inside.waiting.lock().unwrap().push(Some(waiter));
    }

    let waiter = || inside.waiting.lock().unwrap()[place].take();
    match occasion {
        Occasion::Registered => _ = top.abort("now"),
        Occasion::Woken => panic = panicked(|| odd.armed(|| top.abort("now"))),
        Occasion::Dropped => {
            let waiter = waiter();
            panic = panicked(|| odd.armed(|| drop(waiter)));
            top.abort("now");
        }
        Occasion::Replaced => {
            let mut waiter = waiter().expect("nobody has dropped it");
            let even = adds_to(&wakes[place]);
            asleep[place] = poll_armed(&odd, &mut waiter, &even, &mut panic);
            inside.waiting.lock().unwrap()[place] = Some(waiter);
            top.abort("now");
        }
    }

    if matches!(occasion, Occasion::Dropped | Occasion::Replaced) {
        assert_eq!(odd.wakes(), 0, "a waker was woken after it was dropped");
    }
    let case = format!("number {place} of {shape:?}, {occasion:?}");
    for (number, wakes) in wakes.iter().enumerate() {
        let wakes = wakes.get() + if number == place { odd.wakes() } else { 0 };
        match &mut inside.waiting.lock().unwrap()[number] {
            Some(waiter) => {
                assert!(poll_once(waiter).is_ready(), "{case}: {number} isn't ready");
                assert_eq!(wakes, usize::from(asleep[number]), "{case}: wakes of {number}");
            }
            // Who is dropped while all are woken may have been woken before, or may yet be.
            None if occasion == Occasion::Woken => assert!(wakes <= 1, "{case}: of {number}"),
            None => assert_eq!(wakes, 0, "{case}: {number} was dropped before"),
        }
    }
    for handle in [&top, &handles[place], &handles[PLACES - 1]] {
        assert!(handle.is_aborted());
        is_sound(handle);
    }
    panic
}

/// Whether the waiter sleeps then; where the poll panics, after another one.
fn poll_armed(
    odd: &Hooked,
    waiter: &mut WaitAborted,
    waker: &Waker,
    panic: &mut Option<usize>,
) -> bool {
    let mut asleep = None;
    *panic = panicked(|| {
        asleep = Some(odd.armed(|| poll_with(&mut *waiter, waker)).is_pending());
    });
    asleep.unwrap_or_else(|| poll_with(waiter, waker).is_pending())
}

#[test]
fn a_waker_that_panics_at_any_moment_leaves_no_sibling_asleep() {
    in_time(|| {
        each_place(|shape, place| {
            for occasion in Occasion::ALL {
                leaves_nothing(|| {
                    let panics = Panics::default();
                    let panic = move |_: &Inside| panics.panic(place);
                    assert_eq!(among_siblings(shape, place, occasion, panic), Some(place));
                });
            }
        });
    });
}

#[test]
fn a_waker_may_come_back_in_by_every_method_at_any_moment() {
    in_time(|| {
        each_place(|shape, place| {
            for (&(_, way_in), occasion) in
                WAYS_IN.iter().flat_map(|way| Occasion::ALL.map(|occasion| (way, occasion)))
            {
                leaves_nothing(|| {
                    let act = move |inside: &Inside| {
                        way_in(&inside.top);
                        way_in(&inside.handle);
                    };
                    assert_eq!(among_siblings(shape, place, occasion, act), None);
                });
            }
        });
    });
}

/// As executors do that run a woken task within `wake`.
#[test]
fn a_waker_may_poll_at_any_moment_whoever_waits() {
    in_time(|| {
        each_place(|shape, place| {
            for occasion in Occasion::ALL {
                leaves_nothing(|| {
                    let act = |inside: &Inside| {
                        inside.each(|number, mut waiter| {
                            let waker = adds_to(&inside.wakes[number]);
                            let ready = poll_with(&mut waiter, &waker).is_ready();
                            assert_eq!(ready, inside.top.is_aborted());
                            Some(waiter)
                        });
                    };
                    assert_eq!(among_siblings(shape, place, occasion, act), None);
                });
            }
        });
    });
}

#[test]
fn a_waker_may_drop_at_any_moment_what_others_wait_with() {
    in_time(|| {
        each_place(|shape, place| {
            for occasion in Occasion::ALL {
                leaves_nothing(|| {
                    let act = |inside: &Inside| inside.each(|_, _| None);
                    assert_eq!(among_siblings(shape, place, occasion, act), None);
                });
            }
        });
    });
}

#[test]
fn of_many_wakers_that_panic_the_first_is_heard_and_all_are_woken() {
    each_place(|shape, least| {
        leaves_nothing(|| {
            let (top, panics) = (AbortHandle::new(), Panics::default());
            let first = Arc::new(Mutex::new(None));
            let wakers: Vec<_> = (0..PLACES)
                .map(|number| {
                    let (panics, first) = (panics.clone(), first.clone());
                    Hooked::new(Moment::Wake, move || {
                        if number >= least {
                            first.lock().unwrap().get_or_insert(number);
                            panics.panic(number);
                        }
                    })
                })
                .collect();
            let handles = shape.below(&top);
            let waiting: Vec<_> = (handles.iter().zip(&wakers))
                .map(|(handle, waker)| {
                    let mut waiter = handle.aborted();
                    assert!(poll_with(&mut waiter, &waker.waker()).is_pending());
                    waiter
                })
                .collect();

            let mut abort: Box<dyn FnOnce() -> bool + '_> = Box::new(|| top.abort("now"));
            for waker in &wakers {
                abort = Box::new(move || waker.armed(abort));
            }
            let panic = panicked(abort);
            assert_eq!(panic, *first.lock().unwrap());
            assert!(panic.is_some());
            assert_eq!(panics.begun(), PLACES - least);
            for (mut waiter, waker) in waiting.into_iter().zip(&wakers) {
                assert_eq!(waker.wakes(), 1);
                assert!(poll_once(&mut waiter).is_ready());
            }
            handles.iter().for_each(is_sound);
        });
    });
}

#[test]
fn whoever_is_woken_sees_all_below_aborted() {
    each_place(|shape, place| {
        let top = AbortHandle::new();
        let handles = shape.below(&top);
        let seen = handles.clone();
        let waker = Hooked::new(Moment::Wake, move || {
            assert!(seen.iter().all(AbortHandle::is_aborted));
        });
        let mut waiter = handles[place].aborted();
        assert!(poll_with(&mut waiter, &waker.waker()).is_pending());
        waker.armed(|| top.abort("now"));
        assert_eq!(waker.wakes(), 1);
    });
}

/// A method that is added to the handle is added here, or this fails.
#[test]
fn every_way_into_a_handle_is_tried() {
    let source = include_str!("../src/abort/handle.rs");
    let mut ways = BTreeSet::from(["Drop"]);
    for line in source.lines().map(str::trim_start) {
        let public = line.strip_prefix("pub ").map(|item| item.trim_start_matches("const "));
        if let Some(method) = public.and_then(|item| item.strip_prefix("fn ")) {
            ways.extend(method.split(['(', '<']).next());
        } else if let Some(derived) = line.strip_prefix("#[derive(") {
            ways.extend(derived.trim_end_matches(")]").split(", "));
        } else if line.starts_with("impl") && line.contains(" for ") {
            let (implemented, _) = line.split_once(" for ").expect("it was just found");
            let path = implemented.rsplit(' ').next().unwrap_or(implemented);
            ways.extend(path.rsplit("::").next());
        }
    }
    assert_eq!(ways, WAYS_IN.iter().map(|(name, _)| *name).collect());
}
