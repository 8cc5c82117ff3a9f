//! What is shared between tasks and threads: `Arc`, atomics and one lock, for each kind of target.
//!
//! | target | `Arc`, atomics | lock |
//! |---|---|---|
//! | with `std` | `alloc`, `core` | `std::sync::Mutex`, poison recovered |
//! | without, compare-and-swap | `alloc`, `core` | a critical section |
//! | without, none (thumbv6m) | `portable-atomic` | a critical section |
//! | `--cfg tenure_loom`, for tests/loom.rs | `alloc`, `loom` | `loom::sync::Mutex` |
//! | `--cfg tenure_shuttle`, for tests/shuttle.rs and tests/linearizable.rs | `alloc`, `shuttle` | `shuttle::sync::Mutex` |
//!
//! The lock hands its content to a closure and to nothing else: no guard can be kept while foreign
//! code runs. Nothing that a user wrote (a waker, a callback, a `Drop`) is ever called inside.

#[cfg(target_has_atomic = "ptr")]
pub(crate) use alloc::{
    sync::{Arc, Weak},
    task::Wake,
};
#[cfg(target_has_atomic = "ptr")]
pub(crate) use core::sync::atomic as static_atomic;

#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use portable_atomic as static_atomic;
#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use portable_atomic_util::{Arc, Weak, task::Wake};

#[cfg(tenure_loom)]
pub(crate) use loom::sync::atomic;
#[cfg(tenure_shuttle)]
pub(crate) use shuttle::sync::atomic;
/// In a `static` these are named `static_atomic`: loom's can't stand there.
#[cfg(not(any(tenure_loom, tenure_shuttle)))]
pub(crate) use static_atomic as atomic;

#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) use atomic::AtomicU64;

/// What the timer needs of one, where the target has none.
#[cfg(all(feature = "std", not(target_has_atomic = "64")))]
#[derive(Debug)]
pub(crate) struct AtomicU64(Mutex<u64>);

#[cfg(all(feature = "std", not(target_has_atomic = "64")))]
impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn load(&self, _: atomic::Ordering) -> u64 {
        self.0.with(|value| *value)
    }

    pub(crate) fn store(&self, new: u64, _: atomic::Ordering) {
        self.0.with(|value| *value = new);
    }

    pub(crate) fn fetch_min(&self, other: u64, _: atomic::Ordering) -> u64 {
        self.0.with(|value| core::mem::replace(value, other.min(*value)))
    }

    pub(crate) fn fetch_max(&self, other: u64, _: atomic::Ordering) -> u64 {
        self.0.with(|value| core::mem::replace(value, other.max(*value)))
    }
}

/// Lets `Waker::from` take an `Arc` of the type; being woken calls a function with `&Arc` of it. Where two are named,
/// the first one is called by whoever gives its waker up, with that `Arc` itself.
///
/// A macro, because the two `Wake` differ: only `alloc`'s `Arc` can be a method's receiver. That also
/// forbids `self: &Arc<Self>` everywhere else in the crate.
macro_rules! impl_wake {
    ($woken:ty, $call:path) => {
        impl $crate::sync::Wake for $woken {
            #[cfg(target_has_atomic = "ptr")]
            fn wake(self: $crate::sync::Arc<Self>) {
                $call(&self);
            }

            #[cfg(not(target_has_atomic = "ptr"))]
            fn wake(this: $crate::sync::Arc<Self>) {
                $call(&this);
            }
        }
    };
    ($woken:ty, $by_value:path, $by_ref:path) => {
        impl $crate::sync::Wake for $woken {
            #[cfg(target_has_atomic = "ptr")]
            fn wake(self: $crate::sync::Arc<Self>) {
                $by_value(self);
            }

            #[cfg(target_has_atomic = "ptr")]
            fn wake_by_ref(self: &$crate::sync::Arc<Self>) {
                $by_ref(self);
            }

            #[cfg(not(target_has_atomic = "ptr"))]
            fn wake(this: $crate::sync::Arc<Self>) {
                $by_value(this);
            }

            #[cfg(not(target_has_atomic = "ptr"))]
            fn wake_by_ref(this: &$crate::sync::Arc<Self>) {
                $by_ref(this);
            }
        }
    };
}
pub(crate) use impl_wake;

/// Runs `f` with nobody else at it: what locks by spinning, where there is no `std`, never has to.
/// With `std` nothing spins.
#[cfg(not(any(tenure_loom, tenure_shuttle)))]
fn unrivalled<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(feature = "std")]
    return f();
    #[cfg(not(feature = "std"))]
    critical_section::with(|_| f())
}

#[cfg(tenure_loom)]
use loom::sync as lock;
#[cfg(tenure_shuttle)]
use shuttle::sync as lock;
#[cfg(all(feature = "std", not(any(tenure_loom, tenure_shuttle))))]
use std::sync as lock;

#[cfg(feature = "std")]
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(lock::Mutex<T>);

#[cfg(feature = "std")]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(lock::Mutex::new(value))
    }

    /// Runs `f`, which must be our own code alone, with the content to itself.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // Our own code doesn't panic half-way through a change, so a poisoned lock is a sound one.
        let mut content = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        f(&mut content)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A lock that is also taken where event-listener calls back, with its own lock held. Of that one neither loom nor
/// shuttle knows: a thread that they switched out there would keep all the others waiting for ever.
#[cfg(not(any(tenure_loom, tenure_shuttle)))]
pub(crate) use Mutex as RelayMutex;

#[cfg(not(any(tenure_loom, tenure_shuttle)))]
impl<T> RelayMutex<T> {
    /// As `with`, from within `unrivalled`.
    pub(crate) fn with_unseen<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(f)
    }

    /// Runs `f`, which calls event-listener and our own code alone.
    pub(crate) fn unrivalled<R>(&self, f: impl FnOnce() -> R) -> R {
        unrivalled(f)
    }
}

#[cfg(any(tenure_loom, tenure_shuttle))]
#[derive(Debug, Default)]
pub(crate) struct RelayMutex<T> {
    /// Changed before each call of event-listener: there another thread may come in, and loom takes the whole of
    /// the call for a part of that change.
    turn: atomic::AtomicUsize,
    content: std::sync::Mutex<T>,
}

#[cfg(any(tenure_loom, tenure_shuttle))]
impl<T> RelayMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { turn: atomic::AtomicUsize::new(0), content: value.into() }
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.unrivalled(|| self.with_unseen(f))
    }

    pub(crate) fn with_unseen<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.content.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(crate) fn unrivalled<R>(&self, f: impl FnOnce() -> R) -> R {
        // AcqRel: as event-listener's lock, or the fence of who finds nobody listening.
        self.turn.fetch_add(1, atomic::Ordering::AcqRel);
        f()
    }
}

#[cfg(not(feature = "std"))]
#[derive(Debug)]
pub(crate) struct Mutex<T>(critical_section::Mutex<core::cell::RefCell<T>>);

#[cfg(not(feature = "std"))]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(critical_section::Mutex::new(core::cell::RefCell::new(value)))
    }

    /// Runs `f`, which must be our own code alone, with the content to itself.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        critical_section::with(|section| f(&mut self.0.borrow_ref_mut(section)))
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().get_mut()
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().into_inner()
    }
}

#[cfg(not(feature = "std"))]
impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
