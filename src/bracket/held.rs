use core::{
    fmt, mem,
    ops::{Deref, DerefMut},
    task::{Context, Poll, Waker},
};

use super::Exit;
use crate::{
    sync::{Arc, Mutex},
    wake::Panics,
};

/// What a [`bracket`](super::bracket()) has acquired, for as long as it is used.
///
/// It is given back when this is dropped: the release waits for that, so to give it away is to put the release off.
/// That is waited for within the bound of the release. Who keeps it for longer has it for good: it isn't released any
/// more, but dropped along with this, and the scopes around the bracket count it among those that overran.
///
/// ```
/// use tenure::bracket::bracket;
///
/// # smol::block_on(async {
/// let sum = bracket(
///     async { Ok::<_, ()>(vec![1]) },
///     async |mut numbers| {
///         numbers.push(2);
///         Ok(numbers.iter().sum::<i32>())
///     },
///     async |numbers, _| assert_eq!(numbers, [1, 2]),
/// );
/// assert_eq!(sum.await.unwrap(), Ok(3));
/// # });
/// ```
pub struct Held<R> {
    /// Always there, until it is dropped.
    value: Option<R>,
    place: Arc<Place<R>>,
}

/// Where it lies while nobody has it.
pub(super) struct Place<R>(Mutex<Lying<R>>);

struct Lying<R> {
    value: Option<R>,
    /// How the use has ended, for the release.
    exit: Option<Exit>,
    /// Who waits until it is given back.
    task: Option<Waker>,
}

impl<R> Place<R> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Lying { value: None, exit: None, task: None })))
    }

    /// Puts there what was acquired.
    pub(super) fn put(&self, value: R) {
        let mut value = Some(value);
        self.0.with(|lying| mem::swap(&mut lying.value, &mut value));
        drop(value);
    }

    /// Hands it out to be used.
    pub(super) fn hold(this: Arc<Self>) -> Held<R> {
        Held { value: this.0.with(|lying| lying.value.take()), place: this }
    }

    /// Ready when it has been given back, for the release.
    pub(super) fn poll_back(&self, exit: &Exit, cx: &Context<'_>) -> Poll<()> {
        let mut task = Some(cx.waker().clone());
        let mut exit = Some(exit.clone());
        let is_back = self.0.with(|lying| {
            mem::swap(&mut lying.task, &mut task);
            mem::swap(&mut lying.exit, &mut exit);
            lying.value.is_some()
        });
        drop((task, exit));
        if is_back { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Hands it out to be released.
    pub(super) fn take_for_release(&self) -> (R, Exit) {
        let taken = self.0.with(|lying| lying.value.take().zip(lying.exit.take()));
        taken.expect("it was given back before it is released")
    }
}

impl<R> Deref for Held<R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.value.as_ref().expect("it is there until it is dropped")
    }
}

impl<R> DerefMut for Held<R> {
    fn deref_mut(&mut self) -> &mut R {
        self.value.as_mut().expect("it is there until it is dropped")
    }
}

impl<R> Drop for Held<R> {
    fn drop(&mut self) {
        let mut value = self.value.take();
        let task = self.place.0.with(|lying| {
            mem::swap(&mut lying.value, &mut value);
            lying.task.take()
        });
        let mut panics = Panics::default();
        panics.wake_all(task);
        panics.resume();
    }
}

impl<R> fmt::Debug for Held<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
