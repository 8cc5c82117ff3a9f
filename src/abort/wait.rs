use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::FusedFuture;

use super::{AbortHandle, Aborted, node::Key};

/// Future that is ready once a handle is aborted; made by [`AbortHandle::aborted`].
///
/// # Cancel safety
///
/// Dropping it takes it out of the handle's list. It can be made anew at any time: an abort isn't
/// missed, since it never goes away.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct WaitAborted {
    handle: AbortHandle,
    key: Option<Key>,
    done: bool,
}

impl WaitAborted {
    pub(super) fn new(handle: AbortHandle) -> Self {
        Self { handle, key: None, done: false }
    }
}

impl Future for WaitAborted {
    type Output = Aborted;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Aborted> {
        let this = &mut *self;
        let aborted = ready!(this.handle.poll_aborted(cx, &mut this.key));
        // An aborted handle has no list to be taken out of.
        this.key = None;
        this.done = true;
        Poll::Ready(aborted)
    }
}

impl FusedFuture for WaitAborted {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl Drop for WaitAborted {
    #[inline]
    fn drop(&mut self) {
        if self.key.is_some() {
            self.handle.forget(&mut self.key);
        }
    }
}

impl fmt::Debug for WaitAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitAborted").field(&self.handle).finish()
    }
}
