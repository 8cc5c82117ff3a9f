//! The owner of the future that this thread is polling.
//!
//! Plain code has no argument by which it could be lent its owner. So the leaf, the user's own future, publishes
//! what it is lent for as long as it is polled, and whatever below asks finds it here. Without `std` there is no
//! place for it, and nobody is found.
//!
//! # Why this is sound
//!
//! What is lent lies on the stack of the poll, and a thread-local variable can hold no reference to that: it
//! holds a pointer. This file alone has `unsafe` for it, in one place, and that is right because:
//!
//! 1. The pointer is set by [`publish`] alone, to what it borrows until it returns; before it returns, or
//!    unwinds, it puts back what was there before. So, on each thread, what is there is either what nobody is
//!    lent or the argument of the innermost `publish` that runs on it.
//! 2. [`lent`] reads it on the same thread, and hands the reference to a closure that must take any lifetime,
//!    so that it can't be kept. It runs within that `publish`, whose argument is borrowed all the while.
//!
//! Both take it for granted that a thread runs one stack at a time. Whoever switches stacks in the midst of a
//! poll has to switch its thread-local variables, too, as loom and shuttle do.

#![cfg_attr(feature = "std", allow(unsafe_code, reason = "one dereference, argued for above"))]

use super::Lent;

#[cfg(feature = "std")]
mod published {
    use core::{cell::Cell, ptr};

    use super::Lent;

    pub(super) type Pointer = *const Lent<'static>;

    const NOBODY: Pointer = ptr::from_ref(Lent::ROOT);

    #[cfg(not(any(tenure_loom, tenure_shuttle)))]
    std::thread_local! { static CURRENT: Cell<Pointer> = const { Cell::new(NOBODY) } }
    #[cfg(tenure_loom)]
    loom::thread_local! { static CURRENT: Cell<Pointer> = Cell::new(NOBODY) }
    #[cfg(tenure_shuttle)]
    shuttle::thread_local! { static CURRENT: Cell<Pointer> = Cell::new(NOBODY) }

    #[inline]
    pub(super) fn get() -> Pointer {
        CURRENT.with(Cell::get)
    }

    /// Puts back what was there before, when it is dropped.
    pub(super) struct Published(Pointer);

    impl Published {
        #[inline]
        pub(super) fn new(lent: &Lent<'_>) -> Self {
            let lent = ptr::from_ref(lent).cast();
            Self(CURRENT.with(|current| current.replace(lent)))
        }
    }

    impl Drop for Published {
        #[inline]
        fn drop(&mut self) {
            CURRENT.with(|current| current.set(self.0));
        }
    }
}

/// Runs `f`, which finds `lent` if it asks.
#[inline]
pub(crate) fn publish<R>(lent: &Lent<'_>, f: impl FnOnce() -> R) -> R {
    #[cfg(feature = "std")]
    let _published = published::Published::new(lent);
    #[cfg(not(feature = "std"))]
    let _ = lent;
    f()
}

/// Hands `f` what is published, or what is lent where nobody is above.
#[inline]
pub(crate) fn lent<R>(f: impl for<'a> FnOnce(&'a Lent<'a>) -> R) -> R {
    #[cfg(feature = "std")]
    // SAFETY: it points to what nobody is lent, which is there for good, or to the argument of a `publish` that runs
    // on this thread, and so is borrowed until that returns, by 1; `f` returns before that, and keeps no reference,
    // by 2.
    let lent = unsafe { &*published::get() };
    #[cfg(not(feature = "std"))]
    let lent = Lent::ROOT;
    f(lent)
}
