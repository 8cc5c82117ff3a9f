use alloc::boxed::Box;
use core::{fmt, future::Future, panic::Location, pin::Pin, time::Duration};

use super::{CLEAN_UP, Report, Scope};
use crate::{
    abort::Aborted,
    owner::core::{Deferred, Later, Now, Step},
};

/// What is put off until all that it owns has ended.
impl Scope {
    /// Defers clean-up until all members have ended: the last deferred runs first.
    ///
    /// `f` is told why the scope was aborted, if it was. If it panics, the rest still runs. Let it hold
    /// no clone of this very scope: that would keep the scope alive until it is closed. Its panic isn't
    /// resumed but told, in the [`Report`]. On a scope that has closed it runs at the next
    /// `close()`, or when the last clone is dropped.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("temporary");
    /// scope.defer(|aborted| println!("cleaning up: {aborted:?}"));
    /// assert_eq!(smol::block_on(scope.close()).clean_up().steps, 1);
    /// ```
    #[track_caller]
    pub fn defer(&self, f: impl FnOnce(Option<Aborted>) + Send + 'static) {
        self.push(Box::pin(Now::new(f)));
    }

    /// As [`defer`](Scope::defer), for clean-up that can fail: the report tells what the error displays, and no other
    /// piece is stopped.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("temporary");
    /// scope.try_defer(|_| std::fs::remove_file("/no/such/file"));
    /// let report = smol::block_on(scope.close());
    /// assert!(report.failures()[0].what().contains("No such file"));
    /// ```
    #[track_caller]
    pub fn try_defer<E: fmt::Display>(
        &self,
        f: impl FnOnce(Option<Aborted>) -> Result<(), E> + Send + 'static,
    ) {
        self.push(Box::pin(Now::new(f)));
    }

    /// Defers async clean-up, in the same order as [`defer`](Scope::defer). It is polled by
    /// [`close`](Scope::close) and ended after 10 seconds, on the scope's timer. Without the `std` feature
    /// and without a timer, nobody could tell when those are over: it is ended at its first `Pending`, and
    /// counted in [`CleanUp::overran`](super::CleanUp::overran).
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("connection");
    /// scope.defer_async(|_| async { /* say goodbye */ });
    /// assert_eq!(smol::block_on(scope.close()).clean_up().steps, 1);
    /// ```
    #[track_caller]
    pub fn defer_async<F, Fut>(&self, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.defer_async_within(CLEAN_UP, f);
    }

    /// As [`defer_async`](Scope::defer_async), with a bound of its own. What overran is in the
    /// [`Report`].
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("connection");
    /// scope.defer_async_within(Duration::from_millis(1), |_| pending());
    /// assert_eq!(smol::block_on(scope.close()).clean_up().overran, 1);
    /// ```
    #[track_caller]
    pub fn defer_async_within<F, Fut>(&self, bound: Duration, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.push(Box::pin(Later::new(bound, f)));
    }

    /// As [`defer_async`](Scope::defer_async), for clean-up that can fail: the report tells what the error displays,
    /// and no other piece is stopped.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("connection");
    /// scope.try_defer_async(|_| async { Err("not connected any more") });
    /// let report = smol::block_on(scope.close());
    /// assert_eq!(report.failures()[0].what(), "not connected any more");
    /// ```
    #[track_caller]
    pub fn try_defer_async<F, Fut, E>(&self, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.push(Box::pin(Later::new(CLEAN_UP, f)));
    }

    /// Calls `f` with the report when the scope has closed, whoever closes it: also where that is nobody, and its last
    /// clone and its last member were dropped. At once where it has. A panic of `f` goes no further. As for
    /// [`defer`](Scope::defer), let it hold no clone of this very scope.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tenure::Scope;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let scope = Scope::new("connection");
    /// scope.defer_async(|_| async { unreachable!("nobody polls it") });
    /// scope.on_close(move |report| tell.send(report.to_string()).unwrap());
    /// drop(scope);
    /// assert_eq!(told.recv().unwrap(), "`connection` closed: its owner has ended (in `connection`); clean-up: 1 skipped");
    /// ```
    pub fn on_close(&self, f: impl FnOnce(&Report) + Send + 'static) {
        let core = self.core();
        if let Some(tasks) = core.tasks() {
            tasks.on_close(core, Box::new(move |core| f(&Report::of(core))));
        }
    }

    #[track_caller]
    fn push(&self, step: Pin<Box<dyn Step + Send>>) {
        let deferral = Deferred { step, at: Location::caller() };
        if let Some(tasks) = self.core().tasks() {
            tasks.defer(deferral);
        }
    }
}
