//! Values that are passed down to all that an owner owns.

use alloc::{boxed::Box, vec::Vec};
use core::{any::Any, fmt, marker::PhantomData, ptr, sync::atomic::AtomicBool};

#[cfg(feature = "std")]
use super::Lent;
use crate::sync::Arc;

/// Names a value that an owner passes down to all that it owns: the number of a request, say, for a log.
///
/// Make it a `static`. The value is given by [`with_value`](crate::OwnedFuture::with_value) to what stands before
/// it, or to a scope by [`Builder::value`](crate::scope::Builder::value); the nearest one counts. To give one costs
/// a reference, however many there are already.
///
/// ```
/// use tenure::{OwnedFuture, owner::Key};
///
/// static REQUEST: Key<u32> = Key::new("request");
///
/// async fn log(what: &str) -> String {
///     format!("request {}: {what}", REQUEST.get().unwrap_or(0)) // nobody had to pass it on
/// }
///
/// async fn handle() -> String {
///     log("done").await
/// }
///
/// assert_eq!(smol::block_on(handle().with_value(&REQUEST, 7)).unwrap(), "request 7: done");
/// assert_eq!(smol::block_on(handle()), "request 0: done");
/// ```
pub struct Key<T> {
    name: &'static str,
    /// Known by its address, it has to have one of its own: with this in it, a `const` can't be given for it.
    _has_a_place: AtomicBool,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Key<T> {
    /// A key, with a name for `Debug`.
    ///
    /// ```
    /// # use tenure::owner::Key;
    /// static REQUEST: Key<u32> = Key::new("request");
    /// assert_eq!(format!("{REQUEST:?}"), "Key(\"request\")");
    /// ```
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, _has_a_place: AtomicBool::new(false), value: PhantomData }
    }

    /// The value that the future which calls this was given, from anywhere in plain code.
    ///
    /// `None` where it was given none, or belongs to no owner. Without `std` there is no way to find it: ask an
    /// [`Owner`](crate::Owner) for its [`value`](crate::Owner::value).
    ///
    /// ```
    /// use tenure::{OwnedFuture, owner::Key};
    ///
    /// static USER: Key<String> = Key::new("user");
    ///
    /// let asks = async { USER.get() };
    /// assert_eq!(smol::block_on(asks.with_value(&USER, "ada".to_owned())).unwrap().as_deref(), Some("ada"));
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|value| value.cloned())
    }

    /// Hands `f` the value, as [`get`](Self::get) finds it, without cloning it.
    ///
    /// ```
    /// use tenure::{OwnedFuture, owner::Key};
    ///
    /// static USER: Key<String> = Key::new("user");
    ///
    /// let asks = async { USER.with(|user| user.map_or(0, String::len)) };
    /// assert_eq!(smol::block_on(asks.with_value(&USER, "ada".to_owned())).unwrap(), 3);
    /// ```
    #[cfg(feature = "std")]
    pub fn with<R>(&'static self, f: impl FnOnce(Option<&T>) -> R) -> R {
        Lent::current(|lent| f(lent.value(|value| value.of(self))))
    }

    fn place(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// A value, under the key that it was given for.
#[derive(Clone)]
pub(crate) struct Value {
    key: usize,
    value: Arc<dyn Any + Send + Sync>,
}

impl Value {
    pub(crate) fn new<T: Send + Sync + 'static>(key: &'static Key<T>, value: T) -> Self {
        let value: Box<dyn Any + Send + Sync> = Box::new(value);
        Self { key: key.place(), value: Arc::from(value) }
    }

    fn of<T: Send + Sync + 'static>(&self, key: &'static Key<T>) -> Option<&T> {
        if self.key == key.place() { self.value.downcast_ref() } else { None }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").finish_non_exhaustive()
    }
}

/// A list of values, the nearest first. Lists share what they have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(Option<Arc<Entry>>);

#[derive(Debug)]
struct Entry {
    value: Value,
    next: Values,
}

impl Values {
    pub(crate) fn with(self, value: Value) -> Self {
        Self(Some(Arc::new(Entry { value, next: self })))
    }

    /// These, and then those of `inherited`.
    pub(crate) fn after(&self, inherited: &Self) -> Self {
        let own: Vec<_> = self.iter().collect();
        own.into_iter().rev().fold(inherited.clone(), |values, value| values.with(value.clone()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Value> {
        core::iter::successors(self.0.as_deref(), |entry| entry.next.0.as_deref())
            .map(|entry| &entry.value)
    }

    pub(super) fn get<T: Send + Sync + 'static>(&self, key: &'static Key<T>) -> Option<&T> {
        self.iter().find_map(|value| value.of(key))
    }
}

/// One by one: a list may be long, and the stack short.
impl Drop for Entry {
    fn drop(&mut self) {
        let mut next = self.next.0.take();
        while let Some(entry) = next {
            next = Arc::into_inner(entry).and_then(|mut entry| entry.next.0.take());
        }
    }
}
