use core::{
    fmt,
    ops::{BitAnd, BitOr},
    task::{Context, Poll},
};

use super::{
    AbortOnDrop, AbortReason, Aborted, Name, OnAbort, WaitAborted,
    node::{Key, Node},
};
use crate::{sync::Arc, wake::Panics};

/// A node in the lattice of aborts. Clones are the same node.
///
/// See the [module](crate::abort) for how handles are combined.
///
/// ```
/// use tenure::abort::AbortHandle;
///
/// let parent = AbortHandle::new();
/// let child = parent.child();
///
/// child.abort("only this one");
/// assert!(child.is_aborted());
/// assert!(!parent.is_aborted()); // an abort goes down, never up
/// ```
///
/// # Drop
///
/// Dropping a handle aborts nothing: for that there is [`abort_on_drop`](AbortHandle::abort_on_drop).
/// A child keeps its parents' nodes alive, so it still hears of an abort above them; a parent knows
/// its children weakly and forgets each one that is dropped.
#[derive(Clone)]
pub struct AbortHandle {
    node: Option<Arc<Node>>,
}

impl AbortHandle {
    /// A handle with nothing above it.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// assert!(!AbortHandle::new().is_aborted());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { node: Some(Node::root()) }
    }

    /// A handle with nothing above it, whose aborts name it as their origin.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let handle = AbortHandle::named("shutdown");
    /// handle.abort("got SIGTERM");
    /// assert_eq!(handle.check().unwrap_err().to_string(), "got SIGTERM (in `shutdown`)");
    /// ```
    #[must_use]
    pub fn named(name: impl Into<Name>) -> Self {
        Self { node: Some(Node::named(name.into())) }
    }

    /// The handle that never aborts, the bottom of the lattice. It allocates nothing.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let never = AbortHandle::never();
    /// assert!(!never.abort("in vain"));
    /// assert!(!never.is_aborted());
    /// ```
    #[must_use]
    pub const fn never() -> Self {
        Self { node: None }
    }

    /// A handle that aborts with this one, and can be aborted alone.
    ///
    /// It costs one allocation, and this handle nothing: the child is put on its list only when it is
    /// first asked or waited for. So short children, made on many threads, don't meet at the parent.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let parent = AbortHandle::new();
    /// let child = parent.child();
    /// parent.abort("both");
    /// assert!(child.is_aborted());
    /// ```
    #[must_use]
    pub fn child(&self) -> Self {
        let node = match &self.node {
            Some(parent) => Node::child(parent.clone()),
            None => Node::root(),
        };
        Self { node: Some(node) }
    }

    /// As [`child`](Self::child), whose own aborts name it as their origin.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let shutdown = AbortHandle::new();
    /// let request = shutdown.named_child("request");
    /// request.abort("too large");
    /// assert_eq!(request.check().unwrap_err().to_string(), "too large (in `request`)");
    /// ```
    #[must_use]
    pub fn named_child(&self, name: impl Into<Name>) -> Self {
        let node = match &self.node {
            Some(parent) => Node::named_child(parent.clone(), name.into()),
            None => Node::named(name.into()),
        };
        Self { node: Some(node) }
    }

    /// A handle that aborts as soon as this one or `other` does.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let (a, b) = (AbortHandle::new(), AbortHandle::new());
    /// let either = a.join(&b); // or &a | &b
    /// b.abort("b");
    /// assert!(either.is_aborted() && !a.is_aborted());
    /// ```
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self::any([self, other])
    }

    /// A handle that aborts once this one and `other` have, with the reason of the later; of `other`
    /// where both have by now.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let (a, b) = (AbortHandle::new(), AbortHandle::new());
    /// let both = a.meet(&b); // or &a & &b
    /// b.abort("b");
    /// assert!(!both.is_aborted());
    /// a.abort("a");
    /// assert!(both.is_aborted());
    /// ```
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self::all([self, other])
    }

    /// A handle that aborts as soon as one of `handles` does. Of none it is one that never aborts
    /// from above.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let handles = [AbortHandle::new(), AbortHandle::new()];
    /// let any = AbortHandle::any(&handles);
    /// handles[1].abort("one is enough");
    /// assert!(any.is_aborted());
    /// ```
    #[must_use]
    pub fn any<'a>(handles: impl IntoIterator<Item = &'a Self>) -> Self {
        let parents = handles.into_iter().filter_map(|handle| handle.node.clone());
        Self { node: Some(Node::join(parents.collect())) }
    }

    /// A handle that aborts once all of `handles` have, with the reason of the last to do so; of the last
    /// given where all have by now. Of none it is aborted at once: work for nobody need not be done.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let clients = [AbortHandle::new(), AbortHandle::new()];
    /// let nobody_left = AbortHandle::all(&clients);
    /// clients[0].abort("left");
    /// assert!(!nobody_left.is_aborted());
    /// clients[1].abort("left too");
    /// assert!(nobody_left.is_aborted());
    /// ```
    #[must_use]
    pub fn all<'a>(handles: impl IntoIterator<Item = &'a Self>) -> Self {
        let parents: Option<_> = handles.into_iter().map(|handle| handle.node.clone()).collect();
        Self { node: Some(parents.map_or_else(Node::root, Node::meet)) }
    }

    /// Aborts this handle and all below it, and tells whether it was this call that did.
    ///
    /// When it returns, everything below reports the abort, and whoever waited for it was woken. The
    /// callbacks and then the wakers run here, after the last node below has been marked, with no lock held.
    ///
    /// Where another call aborts a handle below at the same moment, it is that call which tells what lies
    /// below that handle: this one may return before it has.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let handle = AbortHandle::new();
    /// assert!(handle.abort("user hit stop"));
    /// assert!(!handle.abort("too late"));
    /// ```
    ///
    /// # Panics
    ///
    /// If a waker or a callback panics, the others still run; the first panic then goes on.
    pub fn abort(&self, reason: impl Into<AbortReason>) -> bool {
        self.node.as_ref().is_some_and(|node| node.abort(reason.into(), None))
    }

    /// As [`abort`](Self::abort), with the earlier abort that led to it.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let (upstream, job) = (AbortHandle::new(), AbortHandle::new());
    /// upstream.abort("link is down");
    /// job.abort_because("nothing to read from", upstream.check().unwrap_err());
    /// assert_eq!(job.check().unwrap_err().cause().unwrap().to_string(), "link is down");
    /// ```
    pub fn abort_because(&self, reason: impl Into<AbortReason>, cause: Aborted) -> bool {
        self.node.as_ref().is_some_and(|node| node.abort(reason.into(), Some(cause)))
    }

    /// Passes on an abort that reached the owner of this handle from elsewhere.
    pub(crate) fn pass_on(&self, aborted: Aborted) -> bool {
        self.node.as_ref().is_some_and(|node| node.pass_on(aborted))
    }

    /// Whether this handle was aborted. One atomic load; the first time that a [`child`](Self::child) is
    /// asked, it is also put on the lists of those above.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let handle = AbortHandle::new();
    /// handle.abort("now");
    /// assert!(handle.is_aborted());
    /// ```
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.node.as_ref().is_some_and(Node::is_aborted)
    }

    /// Why this handle was aborted, if it was.
    ///
    /// ```
    /// use tenure::{AbortHandle, AbortReason};
    ///
    /// let handle = AbortHandle::new();
    /// assert_eq!(handle.reason(), None);
    /// handle.abort(AbortReason::OverBudget { budget: "tokens".into() });
    /// assert_eq!(handle.reason().unwrap().to_string(), "the budget `tokens` is used up");
    /// ```
    #[must_use]
    pub fn reason(&self) -> Option<AbortReason> {
        self.aborted_now().map(AbortReason::from)
    }

    /// `Ok` while this handle is live: for loops that don't await, with `?`.
    ///
    /// ```
    /// use tenure::abort::{AbortHandle, Aborted};
    ///
    /// fn sum(numbers: &[u64], abort: &AbortHandle) -> Result<u64, Aborted> {
    ///     let mut sum = 0;
    ///     for number in numbers {
    ///         abort.check()?;
    ///         sum += number;
    ///     }
    ///     Ok(sum)
    /// }
    /// assert_eq!(sum(&[1, 2, 3], &AbortHandle::never()).unwrap(), 6);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Aborted`], with the reason that won.
    pub fn check(&self) -> Result<(), Aborted> {
        self.aborted_now().map_or(Ok(()), Err)
    }

    fn aborted_now(&self) -> Option<Aborted> {
        self.node.as_ref().and_then(Node::verdict)
    }

    /// A future that is ready once this handle is aborted.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let handle = AbortHandle::new();
    /// let waiting = handle.aborted();
    /// handle.abort("done for");
    /// assert_eq!(smol::block_on(waiting).to_string(), "done for");
    /// ```
    pub fn aborted(&self) -> WaitAborted {
        WaitAborted::new(self.clone())
    }

    /// Calls `f` when this handle is aborted; at once, in this very call, if it already is.
    ///
    /// `f` runs on the thread that aborts, so it should be short. It may abort, drop and register as
    /// it likes. Dropping the guard takes the callback back. A callback that holds a clone of this very
    /// handle keeps the two alive until then, or until the abort.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tenure::abort::AbortHandle;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let handle = AbortHandle::new();
    /// let guard = handle.on_abort(move |aborted| tell.send(aborted.to_string()).unwrap());
    /// handle.abort("bye");
    /// assert_eq!(told.recv().unwrap(), "bye");
    /// # drop(guard);
    /// ```
    ///
    /// # Panics
    ///
    /// If the handle is aborted already and `f` panics.
    pub fn on_abort(&self, f: impl FnOnce(&Aborted) + Send + 'static) -> OnAbort {
        OnAbort::new(self.clone(), f)
    }

    /// A guard that aborts this handle, with [`AbortReason::ScopeEnded`], when it is dropped.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let handle = AbortHandle::new();
    /// let guard = handle.clone().abort_on_drop();
    /// drop(guard);
    /// assert!(handle.is_aborted());
    ///
    /// let guard = AbortHandle::new().abort_on_drop();
    /// let handle = guard.disarm();
    /// assert!(!handle.is_aborted());
    /// ```
    pub fn abort_on_drop(self) -> AbortOnDrop {
        AbortOnDrop::new(self)
    }

    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    /// Ready if aborted, else sees to it that `cx` is woken by the abort. `key` is the caller's
    /// place among those who wait: to be given back with [`forget`](Self::forget).
    pub(crate) fn poll_aborted(
        &self,
        cx: &mut Context<'_>,
        key: &mut Option<Key>,
    ) -> Poll<Aborted> {
        match &self.node {
            Some(node) => Node::poll_aborted(node, cx, key),
            None => Poll::Pending,
        }
    }

    /// Lets its aborts name it as their origin from now on.
    pub(crate) fn set_name(&self, name: Name) {
        if let Some(node) = &self.node {
            node.set_name(name);
        }
    }

    /// Whether an abort would be noticed by anybody but whoever has this very handle.
    pub(crate) fn is_watched(&self) -> bool {
        self.node.as_ref().is_some_and(Node::is_watched)
    }

    pub(crate) fn forget(&self, key: &mut Option<Key>) {
        if let (Some(node), Some(key)) = (&self.node, key.take()) {
            let link = node.unlink_call(key);
            let mut panics = Panics::default();
            panics.run(|| drop(link));
            panics.resume();
        }
    }
}

/// As [`AbortHandle::new`].
impl Default for AbortHandle {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the two are the same node.
impl PartialEq for AbortHandle {
    fn eq(&self, other: &Self) -> bool {
        match (&self.node, &other.node) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Eq for AbortHandle {}

/// As [`AbortHandle::join`].
impl BitOr for &AbortHandle {
    type Output = AbortHandle;

    fn bitor(self, other: Self) -> AbortHandle {
        self.join(other)
    }
}

/// As [`AbortHandle::join`].
impl BitOr for AbortHandle {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.join(&other)
    }
}

/// As [`AbortHandle::meet`].
impl BitAnd for &AbortHandle {
    type Output = AbortHandle;

    fn bitand(self, other: Self) -> AbortHandle {
        self.meet(other)
    }
}

/// As [`AbortHandle::meet`].
impl BitAnd for AbortHandle {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.meet(&other)
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_tuple("AbortHandle");
        match (&self.node, self.aborted_now()) {
            (None, _) => f.field(&"never"),
            (_, None) => f.field(&"live"),
            (_, Some(aborted)) => f.field(&aborted),
        };
        f.finish()
    }
}
