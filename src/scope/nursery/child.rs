//! A child of a nursery: an operation of any type, and what is made of its result.

use alloc::{
    boxed::Box,
    string::{String, ToString},
};
use core::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::join::{JoinHandle, Slot};
use crate::{
    abort::{Aborted, Name, Position},
    operation::Operation,
    owner::{Lent, core::Core},
    sync::Arc,
    wake::Panics,
};

/// A child, whatever it runs; `E` is the error of its nursery.
///
/// Once it has ended, unless it has failed, it is dropped in place, and only its name is left. So to drop that runs
/// nothing foreign.
pub trait Child<E> {
    /// Drives it on.
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        at: At<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Ended<E>>;

    /// Ends it along with its nursery, and tells its handle.
    fn poll_abort(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()>;

    /// Drops what is left of it, and then tells its handle that it has come to nothing, unless that has aborted it
    /// before.
    fn tell(self: Pin<&mut Self>, aborted: &Aborted);

    fn name(&self) -> Option<&Name>;

    /// Whether it fails alone.
    fn is_background(&self) -> bool;
}

/// Where a child is to be found.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) key: u32,
}

/// How a child has ended by itself.
#[derive(Debug)]
pub enum Ended<E> {
    Ran,
    /// Its handle has aborted it.
    Aborted,
    /// As `Aborted`, before its first poll.
    NeverStarted,
    /// Its error, and what that displays.
    Failed(E, String),
}

/// What is made of the result of a child.
pub(super) trait Kind<T, E> {
    type Value;
    const IS_BACKGROUND: bool;

    /// What its handle is given, or the failure.
    #[allow(clippy::type_complexity, reason = "the handle's result, or the nursery's error")]
    fn sort(result: Result<T, Aborted>) -> Result<Result<Self::Value, Aborted>, (E, String)>;
}

/// The handle is given what the child came to.
pub(super) struct Plain;

/// As `Plain`, and it fails alone.
pub(super) struct Background;

/// Its error is the failure of the nursery.
pub(super) struct Trying;

impl<T, E> Kind<T, E> for Plain {
    type Value = T;
    const IS_BACKGROUND: bool = false;

    #[inline]
    fn sort(result: Result<T, Aborted>) -> Result<Result<T, Aborted>, (E, String)> {
        Ok(result)
    }
}

impl<T, E> Kind<T, E> for Background {
    type Value = T;
    const IS_BACKGROUND: bool = true;

    #[inline]
    fn sort(result: Result<T, Aborted>) -> Result<Result<T, Aborted>, (E, String)> {
        Ok(result)
    }
}

impl<T, X: fmt::Display, E: Takes<X>> Kind<Result<T, X>, E> for Trying {
    type Value = T;
    const IS_BACKGROUND: bool = false;

    fn sort(result: Result<Result<T, X>, Aborted>) -> Result<Result<T, Aborted>, (E, String)> {
        match result {
            Ok(Ok(value)) => Ok(Ok(value)),
            Ok(Err(error)) => {
                let text = error.to_string();
                Err((E::take(error), text))
            }
            Err(aborted) if aborted.position() == Position::Below => {
                let text = aborted.to_string();
                Err((E::take_aborted(aborted), text))
            }
            Err(aborted) => Ok(Err(aborted)),
        }
    }
}

/// The error of a nursery that takes the error `X` of its children. Sealed.
///
/// That of [`try_scope`](crate::try_scope) takes what converts into it; that of [`scope`](crate::scope()) takes any
/// error that can be displayed, tells it to the siblings, and keeps the text.
#[diagnostic::on_unimplemented(
    message = "the error `{X}` of the child can't become the error of the nursery, `{Self}`",
    note = "implement `From<{X}>` for `{Self}`, as for the `?` operator"
)]
pub trait Takes<X>: sealed::Takes<X> {}

impl<X, E: sealed::Takes<X>> Takes<X> for E {}

pub(super) mod sealed {
    use super::{Aborted, AnyError};

    pub trait Takes<X>: Sized {
        fn take(error: X) -> Self;
        fn take_aborted(aborted: Aborted) -> Self;
    }

    impl<X> Takes<X> for AnyError {
        fn take(_: X) -> Self {
            Self(())
        }

        fn take_aborted(_: Aborted) -> Self {
            Self(())
        }
    }

    impl<X: Into<E>, E: From<Aborted>> Takes<X> for E {
        fn take(error: X) -> Self {
            error.into()
        }

        fn take_aborted(aborted: Aborted) -> Self {
            aborted.into()
        }
    }
}

/// The error of a nursery made by [`scope`](crate::scope()): any will do, and none is kept but for its text.
#[derive(Debug)]
pub struct AnyError(());

/// An operation that a nursery runs.
#[pin_project]
pub(super) struct Spawned<O: Operation, V, K> {
    // Dropped in this order: what runs, then what it was given to run with.
    #[pin]
    state: O::State,
    #[pin]
    op: Op<O>,
    /// Until the handle is gone.
    slot: Option<Arc<Slot<V>>>,
    kind: PhantomData<fn() -> K>,
}

#[pin_project(project = OpProj)]
enum Op<O> {
    /// Until it has ended: whoever is told of that finds it gone.
    There(#[pin] O),
    Gone,
    /// It has panicked while it was dropped, and had this name.
    Was(Box<Name>),
}

impl<O: Operation, V, K> Spawned<O, V, K> {
    pub(super) fn new<E>(op: O) -> (Self, JoinHandle<V>)
    where
        K: Kind<O::Output, E, Value = V>,
    {
        let (slot, handle) = Slot::new();
        let (state, kind) = (O::State::default(), PhantomData);
        (Self { state, op: Op::There(op), slot: Some(slot), kind }, handle)
    }
}

impl<O: Operation> Op<O> {
    fn as_pin_mut(self: Pin<&mut Self>) -> Option<Pin<&mut O>> {
        match self.project() {
            OpProj::There(op) => Some(op),
            OpProj::Gone | OpProj::Was(_) => None,
        }
    }

    fn name(&self) -> Option<&Name> {
        match self {
            Self::There(op) => op.name(),
            Self::Gone => None,
            Self::Was(name) => Some(name),
        }
    }

    /// Drops it. Where that panics, its name is kept.
    #[inline]
    fn drop_in_place(mut self: Pin<&mut Self>) {
        if !matches!(*self, Self::There(_)) || !mem::needs_drop::<O>() {
            return;
        }
        let mut keep = Keep { name: self.name().cloned(), op: self.as_mut() };
        keep.op.set(Self::Gone);
        let name = keep.name.take();
        mem::forget(keep);
        drop(name);
    }
}

/// Is dropped by a panic.
struct Keep<'a, O> {
    name: Option<Name>,
    op: Pin<&'a mut Op<O>>,
}

impl<O> Drop for Keep<'_, O> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.op.set(Op::Was(Box::new(name)));
        }
    }
}

/// Drops what a child has run, and then hands over what that came to.
#[inline]
fn hand_over<O: Operation, V>(op: Pin<&mut Op<O>>, slot: Arc<Slot<V>>, result: Result<V, Aborted>) {
    let mut panics = Panics::default();
    panics.run(|| op.drop_in_place());
    Slot::fill(slot, result);
    panics.resume();
}

impl<O, V, K, E> Child<E> for Spawned<O, V, K>
where
    O: Operation,
    K: Kind<O::Output, E, Value = V>,
{
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        at: At<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Ended<E>> {
        let mut this = self.as_mut().project();
        let op = this.op.as_mut().as_pin_mut().expect("it is polled until it has ended");
        if let Some(aborted) = this.slot.as_ref().and_then(|slot| slot.aborted()) {
            let has_begun = this.slot.as_ref().is_some_and(|slot| slot.has_begun());
            if self.as_mut().poll_abort(cx, lent, &aborted).is_pending() {
                // It has begun, be it to end.
                if let Some(slot) = self.project().slot {
                    slot.introduce(at);
                }
                return Poll::Pending;
            }
            return Poll::Ready(if has_begun { Ended::Aborted } else { Ended::NeverStarted });
        }
        let polled = op.poll(this.state, cx, lent);
        Slot::give_up(this.slot);
        let Poll::Ready(result) = polled else {
            if this.slot.as_ref().is_some_and(|slot| slot.introduce(at)) {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        };
        Poll::Ready(match K::sort(result) {
            Ok(result) => {
                match this.slot.take() {
                    Some(slot) => hand_over(this.op, slot, result),
                    None => {
                        drop(result);
                        this.op.drop_in_place();
                    }
                }
                Ended::Ran
            }
            Err((error, text)) => Ended::Failed(error, text),
        })
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let mut this = self.project();
        let own = this.slot.as_ref().and_then(|slot| slot.aborted());
        let why = own.as_ref().unwrap_or(aborted);
        if let Some(op) = this.op.as_mut().as_pin_mut() {
            ready!(op.poll_abort(this.state, cx, lent, why));
        }
        match this.slot.take().filter(|slot| !Slot::is_alone(slot)) {
            Some(slot) => hand_over(this.op, slot, Err(why.clone())),
            None => this.op.drop_in_place(),
        }
        Poll::Ready(())
    }

    fn tell(self: Pin<&mut Self>, aborted: &Aborted) {
        let mut this = self.project();
        let slot = this.slot.take().filter(|slot| !Slot::is_alone(slot));
        let mut panics = Panics::default();
        panics.run(|| this.state.set(O::State::default()));
        panics.run(|| this.op.drop_in_place());
        if let Some(slot) = slot {
            let why = slot.aborted().unwrap_or_else(|| aborted.clone());
            Slot::fill(slot, Err(why));
        }
        panics.resume();
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }

    fn is_background(&self) -> bool {
        K::IS_BACKGROUND
    }
}
