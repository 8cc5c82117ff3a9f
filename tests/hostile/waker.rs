use std::{
    mem::ManuallyDrop,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{RawWaker, RawWakerVTable, Waker},
};

use crate::support::Count;

/// What is done to a waker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    Clone,
    Wake,
    Drop,
}

/// A waker that runs foreign code at one moment of its life, while it is armed, and counts its wakes.
pub(crate) struct Hooked(Arc<Hook>);

struct Hook {
    moment: Moment,
    act: Box<dyn Fn() + Send + Sync>,
    armed: AtomicBool,
    wakes: Count,
}

impl Hooked {
    pub(crate) fn new(moment: Moment, act: impl Fn() + Send + Sync + 'static) -> Self {
        let (armed, wakes) = (AtomicBool::new(false), Count::default());
        Self(Arc::new(Hook { moment, act: Box::new(act), armed, wakes }))
    }

    #[allow(unsafe_code)]
    pub(crate) fn waker(&self) -> Waker {
        // SAFETY: the table takes the pointer for the `Arc<Hook>` that it is, and counts its clones.
        unsafe { Waker::from_raw(raw(self.0.clone())) }
    }

    /// Acts from now on, at each such moment.
    pub(crate) fn arm(&self) {
        self.0.armed.store(true, SeqCst);
    }

    /// Acts while `f` runs.
    pub(crate) fn armed<R>(&self, f: impl FnOnce() -> R) -> R {
        self.arm();
        let disarm = Disarm(&self.0);
        let done = f();
        drop(disarm);
        done
    }

    pub(crate) fn wakes(&self) -> usize {
        self.0.wakes.get()
    }
}

/// Also where the act panics.
struct Disarm<'a>(&'a Hook);

impl Drop for Disarm<'_> {
    fn drop(&mut self) {
        self.0.armed.store(false, SeqCst);
    }
}

impl Hook {
    fn at(&self, moment: Moment) {
        if moment == Moment::Wake {
            self.wakes.add();
        }
        if moment == self.moment && self.armed.load(SeqCst) {
            (self.act)();
        }
    }
}

fn raw(hook: Arc<Hook>) -> RawWaker {
    RawWaker::new(Arc::into_raw(hook).cast(), &TABLE)
}

/// Whatever the act does, each call leaves the count of the `Arc` as a waker must.
#[allow(unsafe_code)]
static TABLE: RawWakerVTable = {
    /// SAFETY: `data` is of `raw`, and stands for one count of its `Arc`.
    unsafe fn owned(data: *const ()) -> Arc<Hook> {
        unsafe { Arc::from_raw(data.cast()) }
    }
    RawWakerVTable::new(
        // SAFETY: the pointer is of `raw`; the count that it stands for isn't given up.
        |data| unsafe {
            let hook = ManuallyDrop::new(owned(data));
            hook.at(Moment::Clone);
            raw(Arc::clone(&hook))
        },
        // SAFETY: the pointer is of `raw`, and the caller gives up its count.
        |data| unsafe { owned(data).at(Moment::Wake) },
        // SAFETY: the pointer is of `raw`; the count that it stands for isn't given up.
        |data| unsafe { ManuallyDrop::new(owned(data)).at(Moment::Wake) },
        // SAFETY: the pointer is of `raw`, and the caller gives up its count.
        |data| unsafe { owned(data).at(Moment::Drop) },
    )
};
