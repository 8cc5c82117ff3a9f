//! What may be sent, shared and moved: every public type, decided when this file is compiled.
//!
//! Each test holds assertions that cost nothing when it runs; it is there so that its promise is
//! listed among those that were kept.

use std::{
    cell::Cell,
    fmt::{Debug, Display},
    future::{Future, Pending, Ready},
    marker::PhantomPinned,
    panic::{RefUnwindSafe, UnwindSafe},
    rc::Rc,
    time::Duration,
};

use futures::future::FusedFuture;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use tenure::{
    AbortHandle, AbortReason, Aborted, Backoff, Error, Lent, Limit, Owned, Owner, Scope,
    abort::{AbortOnDrop, Name, OnAbort, Position, WaitAborted},
    bracket::{Bracket, Exit, Held, bracket},
    future::{Flatten, FlattenInto, FromCall, FromFuture, FromTask},
    grace::{Grace, GraceState},
    limit::Limited,
    named::Named,
    operation::{Call, CallState, LeafState, Once, Operation, Task, TaskState},
    owner::{Checkpoint, Key, OwnerSleep},
    retry::{Always, BackoffState, Delays, Jitter, Retry, RetryState, Retrying, Silently},
    scope::{
        Alive, AnyError, Builder, CleanUp, Close, CloseWithin, Closed, Drain, Failure, FailureKind,
        InScope, JoinHandle, Kept, LocalNursery, Members, Nursed, Nursery, Progress, Reaper,
        Reaping, Report, Sent, StillOpen, TryInScope, TryScope,
    },
    time::{AlarmId, Instant, Pause, Sleep, TestClock, Timer, TimerHandle, Watch},
    timeout::{
        self, HandleRun, Idle, IdleRun, Overdue, Timed, TimedState, Timeout, TimeoutHandle,
        TimeoutState, Warn, WarnRun,
    },
    with_abort::{WithAbort, WithAbortState},
    with_timer::WithTimer,
    with_value::WithValue,
};

type Local = Rc<()>;
type Text = Result<String, String>;
type LocalText = Result<Rc<str>, String>;

/// The longest chain there is, over any operation.
type Chain<O> = InScope<
    Timeout<Limited<Retry<WithTimer<WithAbort<Named<Timeout<Kind<O>>>, AbortHandle>>, Backoff>>>,
>;
type Kind<O> = Grace<WithValue<InTime<O>>>;
type InTime<O> = Timed<Timed<Timed<O, TimeoutHandle>, Idle>, Warn<fn(&Overdue<'_>)>>;

#[test]
fn handles_go_to_any_thread() {
    assert_impl_all!(AbortHandle: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(AbortOnDrop: Send, Sync, Unpin, Debug);
    assert_impl_all!(OnAbort: Send, Sync, Unpin, Debug);
    assert_impl_all!(WaitAborted: Send, Sync, Unpin, FusedFuture, Debug);
    assert_impl_all!(Owner: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Limit: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(TimeoutHandle: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Scope: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Builder: Send, Sync, Unpin, Debug);
    assert_impl_all!(Reaper: Send, Sync, Unpin, Clone, Default, Debug);
    assert_impl_all!(Key<u8>: Send, Sync, Unpin, Debug);
    // It holds no value.
    assert_impl_all!(Key<Local>: Send, Sync, Unpin, Debug);
}

#[test]
fn what_waits_for_a_scope_goes_to_any_thread() {
    assert_impl_all!(Close: Send, Unpin, FusedFuture, Debug);
    assert_impl_all!(CloseWithin: Send, Unpin, FusedFuture, Debug);
    assert_impl_all!(Closed: Send, Unpin, FusedFuture, Debug);
    assert_impl_all!(Drain: Send, Unpin, FusedFuture, Debug);
    // It is never ready.
    assert_impl_all!(Reaping: Future<Output = std::convert::Infallible>, Send, Unpin, Debug);
    assert_impl_all!(Checkpoint: Send, Sync, Unpin, FusedFuture, Debug);
}

#[test]
fn what_a_scope_tells_goes_to_any_thread() {
    assert_impl_all!(Report: Send, Sync, Unpin, Clone, Debug, Display);
    assert_impl_all!(Members: Send, Sync, Unpin, Copy, Eq, Default, Debug);
    assert_impl_all!(CleanUp: Send, Sync, Unpin, Copy, Eq, Default, Debug);
    assert_impl_all!(Failure: Send, Sync, Unpin, Clone, Debug, Display);
    assert_impl_all!(FailureKind: Send, Sync, Unpin, Copy, Eq, Debug);
    assert_impl_all!(Alive: Send, Sync, Unpin, Clone, Eq, Debug, Display);
    assert_impl_all!(Progress: Send, Sync, Unpin, Copy, Eq, Debug);
    assert_impl_all!(Exit: Send, Sync, Unpin, Clone, Debug);
}

#[test]
fn a_handle_of_a_child_goes_where_its_value_may() {
    assert_impl_all!(JoinHandle<()>: Send, Sync, Unpin, FusedFuture, Debug);
    // Nobody is lent the value by it.
    assert_impl_all!(JoinHandle<Cell<u8>>: Send, Sync, FusedFuture);
    assert_not_impl_any!(JoinHandle<Local>: Send, Sync);
    // It can be polled wherever it lies, and asks nothing of its value.
    assert_impl_all!(JoinHandle<PhantomPinned>: Unpin, Debug);
    assert_not_impl_any!(JoinHandle<()>: Clone);
}

#[test]
fn a_nursery_goes_where_its_children_may() {
    assert_impl_all!(Nursery<'static>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Nursery<'static, String>: Send, Sync, Unpin, Clone, Debug);
    // It has no error, its scope has.
    assert_impl_all!(Nursery<'static, Local>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(LocalNursery<'static>: Unpin, Clone, Debug);
    assert_not_impl_any!(LocalNursery<'static>: Send, Sync);
    assert_impl_all!(AnyError: Send, Sync, Unpin, Debug);
    assert_impl_all!(Sent<'static, String>: Debug);
    assert_impl_all!(Kept<'static, String>: Debug);
}

type Failed = Error<String>;
type Body = Ready<Result<(), Failed>>;
type LocalBody = Ready<Result<Local, Failed>>;

/// What makes an error out of an abort, and stays on its thread.
struct LocalFailed(#[allow(dead_code, reason = "its type is what counts")] Local);

impl From<Aborted> for LocalFailed {
    fn from(_: Aborted) -> Self {
        Self(Local::default())
    }
}

impl Display for LocalFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

#[test]
fn a_scope_is_send_if_its_body_is() {
    type Scoped<F, E> = Nursed<F, Sent<'static, E>>;
    assert_impl_all!(Owned<Scoped<Body, AnyError>>: Send, FusedFuture, Debug);
    assert_impl_all!(TryScope<Scoped<Body, Failed>>: Send, FusedFuture, Debug);
    assert_not_impl_any!(Owned<Scoped<LocalBody, AnyError>>: Send, Sync);
    assert_not_impl_any!(TryScope<Scoped<LocalBody, Failed>>: Send, Sync);
    // What is returned counts, and so does the error.
    assert_not_impl_any!(Owned<Scoped<Pending<Local>, AnyError>>: Send, Sync);
    assert_not_impl_any!(TryScope<Scoped<Pending<Result<(), LocalFailed>>, LocalFailed>>: Send, Sync);

    type LocalScoped<F, E> = Nursed<F, Kept<'static, E>>;
    assert_impl_all!(Owned<LocalScoped<Body, AnyError>>: FusedFuture, Debug);
    assert_not_impl_any!(Owned<LocalScoped<Body, AnyError>>: Send, Sync, Unpin);
    assert_not_impl_any!(TryScope<LocalScoped<Body, Failed>>: Send, Sync, Unpin);

    // As all chains are, for it may be adapted.
    assert_not_impl_any!(Owned<Scoped<Body, AnyError>>: Unpin);
    assert_not_impl_any!(TryScope<Scoped<Body, Failed>>: Unpin);
}

/// Not by their types, which nobody can write down.
#[test]
fn scopes_and_brackets_that_borrow_can_be_spawned() {
    fn sent<F: Future + Send + FusedFuture + Debug>(future: F) {
        drop(future);
    }
    let outside = &String::from("outside");
    sent(tenure::scope(async |n| {
        let child = n.spawn(async { outside.len() });
        child.await
    }));
    sent(tenure::try_scope(async |n| {
        let child = n.try_spawn(async { outside.parse::<u8>().map_err(Error::Failed) });
        n.defer(|_| _ = outside.len());
        n.defer_async(|_| async { _ = outside.len() });
        n.on_close(|_| _ = outside.len());
        child.await.map_err(Error::<std::num::ParseIntError>::Aborted)
    }));
    sent(bracket(
        async { Ok::<_, String>(outside.len()) },
        async |held: Held<usize>| Ok(*held + outside.len()),
        async |_, _| _ = outside.len(),
    ));
}

#[test]
fn a_bracket_is_send_if_its_parts_and_what_it_holds_are() {
    type Parts = Bracket<Body, (), Body, Ready<()>>;
    assert_impl_all!(Parts: Operation, Send, Unpin, Debug);
    assert_impl_all!(Owned<Parts>: Send, FusedFuture, Debug);
    assert_not_impl_any!(Owned<Parts>: Unpin);
    assert_not_impl_any!(Bracket<Ready<Local>, (), Body, Ready<()>>: Send, Sync);
    assert_not_impl_any!(Bracket<Ready<()>, Local, Body, Ready<()>>: Send, Sync);
    assert_not_impl_any!(Bracket<Ready<()>, (), LocalBody, Ready<()>>: Send, Sync);
    assert_not_impl_any!(Bracket<Ready<()>, (), Pending<Local>, Ready<()>>: Send, Sync);
    assert_not_impl_any!(Bracket<Ready<()>, (), Body, Local>: Send, Sync);
    assert_not_impl_any!(Bracket<PhantomPinned, (), Body, ()>: Unpin);
    assert_not_impl_any!(Bracket<(), (), Body, PhantomPinned>: Unpin);

    assert_impl_all!(Held<()>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(Held<Local>: Send, Sync);
    // Whoever has it is lent the value.
    assert_impl_all!(Held<Cell<u8>>: Send);
    assert_not_impl_any!(Held<Cell<u8>>: Sync);
    // Nor does it ask anything of the value.
    assert_impl_all!(Held<PhantomPinned>: Debug);
}

#[test]
fn errors_go_to_any_thread() {
    assert_impl_all!(Aborted: std::error::Error, Send, Sync, Unpin, Clone);
    assert_impl_all!(AbortReason: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Error<std::io::Error>: std::error::Error, Send, Sync, Unpin);
    assert_impl_all!(Error<String>: Send, Sync, Unpin, Clone);
    assert_not_impl_any!(Error<Local>: Send, Sync);
    assert_impl_all!(Retrying<'static, String>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(Retrying<'static, Local>: Send, Sync);
    assert_impl_all!(StillOpen: std::error::Error, Send, Sync, Unpin, Clone);
    assert_impl_all!(Name: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Position: Send, Sync, Unpin, Copy, Debug);
    // They can be boxed as everybody does.
    assert_impl_all!(Box<dyn std::error::Error + Send + Sync>: From<Aborted>);
    assert_impl_all!(Box<dyn std::error::Error + Send + Sync>: From<Error<std::io::Error>>);
    assert_impl_all!(std::io::Error: From<Aborted>);
}

#[test]
fn policies_go_to_any_thread() {
    assert_impl_all!(Backoff: Send, Sync, Unpin, Copy, Debug, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(BackoffState: Send, Sync, Unpin, Debug);
    assert_impl_all!(Delays: Send, Sync, Unpin, Iterator<Item = Duration>, Debug);
    assert_impl_all!(Jitter: Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(Always: Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(Silently: Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(FromFuture: Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(FromCall: Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(FromTask: Send, Sync, Unpin, Copy, Debug);
}

#[test]
fn time_goes_to_any_thread() {
    assert_impl_all!(Instant: Send, Sync, Unpin, Copy, Ord, Debug);
    assert_impl_all!(AlarmId: Send, Sync, Unpin, Copy, Eq, Debug);
    assert_impl_all!(TimerHandle: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(dyn Timer: Send, Sync);
    assert_impl_all!(TestClock: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Pause: Send, Sync, Unpin, Debug);
    assert_impl_all!(Sleep: Send, Sync, Unpin, FusedFuture, Debug);
    assert_impl_all!(OwnerSleep: Send, Sync, Unpin, FusedFuture, Debug);
    assert_impl_all!(Watch<Ready<()>>: Send, Sync, FusedFuture, Debug);
    assert_not_impl_any!(Watch<Ready<Local>>: Send, Sync);
}

#[test]
fn what_looks_at_the_clock_goes_to_any_thread() {
    assert_impl_all!(TimeoutHandle: timeout::Timekeeper);
    assert_impl_all!(Idle: timeout::Timekeeper, Send, Sync, Unpin, Copy, Debug);
    assert_impl_all!(Warn<fn(&Overdue<'_>)>: timeout::Timekeeper, Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Overdue<'static>: Send, Sync, Unpin, Copy, Debug, Display);
    assert_impl_all!(HandleRun: Send, Unpin, Debug);
    assert_impl_all!(IdleRun: Send, Sync, Unpin, Debug);
    assert_impl_all!(WarnRun: Send, Sync, Unpin, Debug);
    // Whom it tells counts.
    assert_not_impl_any!(Warn<Local>: Send, Sync);
    assert_not_impl_any!(Timed<(), Warn<Local>>: Send, Sync);
}

#[test]
fn a_chain_is_send_if_what_it_runs_is() {
    assert_impl_all!(Owned<Once<Ready<()>>>: Send, FusedFuture, Debug);
    assert_not_impl_any!(Owned<Once<Ready<Local>>>: Send, Sync);
    assert_impl_all!(Owned<Timed<Once<Ready<()>>, Idle>>: Send, FusedFuture, Debug);
    assert_not_impl_any!(Owned<Timed<Once<Ready<Local>>, Idle>>: Send, Sync);
    assert_impl_all!(Owned<InTime<Once<Ready<()>>>>: Send, FusedFuture, Debug);
    assert_not_impl_any!(Owned<InTime<Once<Ready<Local>>>>: Send, Sync);
    assert_impl_all!(Flatten<Once<Ready<Text>>>: Send, FusedFuture, Debug);
    assert_not_impl_any!(Flatten<Once<Ready<LocalText>>>: Send, Sync);
    assert_impl_all!(FlattenInto<Once<Ready<Text>>, Error<String>>: Send, Debug);
    assert_not_impl_any!(FlattenInto<Once<Ready<LocalText>>, Error<String>>: Send, Sync);
    // An error that isn't `Send` is made only when it is handed out.
    assert_impl_all!(FlattenInto<Once<Ready<Text>>, Local>: Send);

    type Sent = Chain<Call<fn() -> Ready<Text>>>;
    assert_impl_all!(Owned<Sent>: Send, FusedFuture, Debug);
    assert_impl_all!(Owned<TryInScope<Sent>>: Send, FusedFuture, Debug);
    assert_impl_all!(Flatten<Sent>: Send, FusedFuture);
    assert_impl_all!(Owned<Chain<Task<fn(Owner) -> Ready<Text>>>>: Send, FusedFuture, Debug);

    // What a closure makes counts, also while nothing runs.
    assert_not_impl_any!(Owned<Chain<Call<fn() -> Ready<LocalText>>>>: Send, Sync);
    assert_not_impl_any!(Owned<TryInScope<Call<fn() -> Ready<LocalText>>>>: Send, Sync);
    assert_not_impl_any!(Owned<Chain<Task<fn(Owner) -> Ready<LocalText>>>>: Send, Sync);
}

#[test]
fn a_chain_is_never_unpin() {
    assert_not_impl_any!(Owned<Once<Ready<()>>>: Unpin);
    assert_not_impl_any!(Owned<Once<Pending<()>>>: Unpin);
    assert_not_impl_any!(Owned<Call<fn() -> Ready<()>>>: Unpin);
    assert_not_impl_any!(Owned<Task<fn(Owner) -> Ready<()>>>: Unpin);
    assert_not_impl_any!(Owned<Chain<Call<fn() -> Ready<Text>>>>: Unpin);
    assert_not_impl_any!(Owned<InTime<Once<Ready<()>>>>: Unpin);
    assert_not_impl_any!(Flatten<Once<Ready<Text>>>: Unpin);
    assert_not_impl_any!(FlattenInto<Once<Ready<Text>>, Error<String>>: Unpin);
}

#[test]
fn an_operation_is_what_its_parts_are() {
    assert_impl_all!(Once<Ready<()>>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(Once<PhantomPinned>: Unpin);
    assert_not_impl_any!(Once<Ready<Local>>: Send, Sync);
    assert_impl_all!(Call<fn() -> Ready<()>>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(Task<fn(Owner) -> Ready<()>>: Send, Sync, Unpin, Clone, Debug);
    assert_impl_all!(CallState<Ready<()>>: Send, Unpin, Debug);
    assert_impl_all!(TaskState<Ready<()>>: Send, Unpin, Debug);
    assert_not_impl_any!(CallState<PhantomPinned>: Unpin);
    assert_not_impl_any!(TaskState<PhantomPinned>: Unpin);
    assert_not_impl_any!(CallState<Local>: Send, Sync);
    assert_not_impl_any!(TaskState<Local>: Send, Sync);

    type Sent = Chain<()>;
    assert_impl_all!(Sent: Send, Unpin, Debug);
    assert_not_impl_any!(Chain<Local>: Send, Sync);
    assert_not_impl_any!(Chain<PhantomPinned>: Unpin);
    assert_impl_all!(TryInScope<()>: Send, Unpin, Debug);
    assert_not_impl_any!(TryInScope<Local>: Send, Sync);

    assert_impl_all!(Grace<()>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(Grace<Local>: Send, Sync);
    assert_impl_all!(WithValue<()>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(WithValue<Local>: Send, Sync);
    assert_not_impl_any!(Grace<PhantomPinned>: Unpin);
    assert_not_impl_any!(WithValue<PhantomPinned>: Unpin);

    assert_impl_all!(LeafState: Send, Unpin, Debug);
    assert_impl_all!(GraceState<()>: Send, Unpin, Debug);
    assert_not_impl_any!(GraceState<Local>: Send, Sync);
    assert_not_impl_any!(GraceState<PhantomPinned>: Unpin);
    assert_impl_all!(RetryState<(), BackoffState>: Send, Unpin, Debug);
    assert_impl_all!(TimeoutState<()>: Send, Unpin, Debug);
    assert_impl_all!(TimedState<(), HandleRun>: Send, Unpin, Debug);
    assert_impl_all!(TimedState<(), IdleRun>: Send, Sync, Unpin, Debug);
    assert_impl_all!(TimedState<(), WarnRun>: Send, Sync, Unpin, Debug);
    assert_not_impl_any!(TimedState<Local, IdleRun>: Send, Sync);
    assert_impl_all!(WithAbortState<()>: Send, Unpin, Debug);
    assert_not_impl_any!(RetryState<PhantomPinned, ()>: Unpin);
    assert_not_impl_any!(TimeoutState<PhantomPinned>: Unpin);
    assert_not_impl_any!(TimedState<PhantomPinned, ()>: Unpin);
    assert_not_impl_any!(WithAbortState<PhantomPinned>: Unpin);
}

/// It is made of references to what one poll has on its stack.
#[test]
fn what_is_lent_stays_with_its_poll() {
    assert_impl_all!(Lent<'static>: Unpin, Debug);
    assert_not_impl_any!(Lent<'static>: Clone, Send, Sync);
}
