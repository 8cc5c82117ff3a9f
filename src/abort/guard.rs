use alloc::boxed::Box;

use super::{
    AbortHandle, AbortReason, Aborted,
    node::{Key, Node},
};

/// Guard of a callback; made by [`AbortHandle::on_abort`].
///
/// ```
/// use tenure::AbortHandle;
///
/// let handle = AbortHandle::new();
/// let guard = handle.on_abort(|_| unreachable!("it was taken back"));
/// drop(guard);
/// handle.abort("now");
/// ```
///
/// # Drop
///
/// Takes the callback back, unless it has run. One that is running just then, on another thread,
/// isn't waited for.
#[must_use = "the callback is taken back when the guard is dropped"]
#[derive(Debug)]
pub struct OnAbort {
    handle: AbortHandle,
    key: Option<Key>,
}

impl OnAbort {
    pub(super) fn new(handle: AbortHandle, f: impl FnOnce(&Aborted) + Send + 'static) -> Self {
        let key = handle.node().and_then(|node| Node::call(node, Box::new(f)));
        Self { handle, key }
    }

    /// Leaves the callback in place for as long as the handle's node lives.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let handle = AbortHandle::new();
    /// let child = AbortHandle::new();
    /// let below = child.clone();
    /// handle.on_abort(move |_| { below.abort("passed on"); }).detach();
    /// handle.abort("now");
    /// assert!(child.is_aborted());
    /// ```
    pub fn detach(mut self) {
        self.key = None;
    }
}

impl Drop for OnAbort {
    fn drop(&mut self) {
        self.handle.forget(&mut self.key);
    }
}

/// Guard that aborts a handle; made by [`AbortHandle::abort_on_drop`].
///
/// ```
/// use tenure::AbortHandle;
///
/// let guard = AbortHandle::new().abort_on_drop();
/// let below = guard.handle().child();
/// drop(guard);
/// assert_eq!(below.check().unwrap_err().to_string(), "its owner has ended");
/// ```
///
/// # Drop
///
/// Aborts the handle with [`AbortReason::ScopeEnded`].
#[must_use = "the handle is aborted when the guard is dropped"]
#[derive(Debug)]
pub struct AbortOnDrop {
    handle: AbortHandle,
}

impl AbortOnDrop {
    pub(super) fn new(handle: AbortHandle) -> Self {
        Self { handle }
    }

    /// The handle that is going to be aborted.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let handle = AbortHandle::new();
    /// let guard = handle.clone().abort_on_drop();
    /// assert_eq!(guard.handle(), &handle);
    /// ```
    #[must_use]
    pub fn handle(&self) -> &AbortHandle {
        &self.handle
    }

    /// Gives the handle back and aborts nothing.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let handle = AbortHandle::new().abort_on_drop().disarm();
    /// assert!(!handle.is_aborted());
    /// ```
    pub fn disarm(mut self) -> AbortHandle {
        core::mem::replace(&mut self.handle, AbortHandle::never())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.handle.abort(AbortReason::ScopeEnded);
    }
}
