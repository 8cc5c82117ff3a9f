//! Scopes under loom: see tests/loom.rs.
//!
//! Who closes a scope sleeps by event-listener, of which loom knows nothing. It takes each call of that for one step,
//! together with a change of its own: see `RelayMutex` in src/sync.rs.
#![cfg(tenure_loom)]

mod under_loom;

use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Relaxed},
    },
    task::{Poll, Waker},
    time::Duration,
};

use loom::{
    alloc::Track,
    sync::{Mutex, atomic::AtomicUsize},
    thread,
};
use tenure::{
    AbortHandle, OwnedFuture, Scope,
    owner::Key,
    scope::{Builder, Close, Closed, Reaper, Report},
    time::{AlarmId, Instant, Timer},
};
use under_loom::{Counted, block_on, calls, join, join_all, model, pending_once, poll};

const SECOND: Duration = Duration::from_secs(1);

/// It is always the beginning: what has a bound has all the time that there is. Counts the alarms that are set.
#[derive(Clone, Default)]
struct Still(Counted);

impl Timer for Still {
    fn now(&self) -> Instant {
        Instant::START
    }

    fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
        self.0.add();
        AlarmId::new(0)
    }

    fn cancel(&self, _: Instant, _: AlarmId) {
        self.0.take();
    }
}

/// Sees to it that a scope that is leaked is noticed.
static TRACK: Key<Track<()>> = Key::new("track");

fn builder(name: &'static str) -> Builder {
    Scope::builder(name).timer(Still::default()).value(&TRACK, Track::new(()))
}

fn scope() -> Scope {
    builder("scope").build()
}

/// Hands `f` a clone of the scope on a thread of its own.
fn spawn<R: 'static>(scope: &Scope, f: impl FnOnce(Scope) -> R + 'static) -> thread::JoinHandle<R> {
    let scope = scope.clone();
    thread::spawn(move || f(scope))
}

/// Drops one of several handles. loom doesn't know their count: it takes them for dropped at this turn.
fn let_go<T>(turn: &AtomicUsize, value: T) {
    turn.fetch_add(1, AcqRel);
    drop(value);
}

/// Closes the scope, none of whose steps is to fail.
fn close(scope: &Scope) -> Report {
    let report = block_on(scope.close());
    assert_eq!(report.clean_up().panicked, 0, "{report}");
    report
}

/// Defers a step that finds nobody at work, and is counted.
fn defer(scope: &Scope, alive: &Counted) -> Counted {
    let (alive, ran) = (alive.clone(), Counted::default());
    let counted = ran.clone();
    scope.defer(move |_| {
        assert_eq!(alive.get(), 0, "cleaned up before all are gone");
        counted.add();
    });
    ran
}

// Members

#[test]
fn who_joins_while_a_scope_closes_is_waited_for_or_never_starts() {
    model(|| {
        let (scope, alive) = (scope(), Counted::default());
        let cleaned = defer(&scope, &alive);
        let at_work = alive.clone();
        let joining = spawn(&scope, move |scope| block_on(at_work.work().in_scope(&scope)).is_ok());
        let members = close(&scope).members();
        assert_eq!((alive.get(), scope.members(), cleaned.get()), (0, 0, 1));
        assert_eq!(members.ran, usize::from(join(joining)));
    });
}

#[test]
fn who_joins_while_a_scope_is_aborted_ends_or_never_starts() {
    model(|| {
        let scope = scope();
        let joining = spawn(&scope, |scope| block_on(pending::<()>().in_scope(&scope)));
        assert!(scope.abort("stop"));
        assert_eq!(join(joining).unwrap_err().to_string(), "stop (in `scope`)");
        let members = close(&scope).members();
        assert_eq!(members.aborted + members.never_started, 1);
    });
}

#[test]
fn a_scope_closes_once_its_last_member_has_ended() {
    model(|| {
        let (scope, alive) = (scope(), Counted::default());
        let cleaned = defer(&scope, &alive);
        let ending = [(); 2].map(|()| {
            let mut member = Box::pin(alive.work().in_scope(&scope));
            assert!(poll(member.as_mut(), Waker::noop()).is_pending());
            thread::spawn(move || block_on(member).unwrap())
        });
        assert_eq!(close(&scope).members().ran, 2);
        assert_eq!((alive.get(), scope.members(), cleaned.get()), (0, 0, 1));
        join_all(ending);
    });
}

#[test]
fn who_closes_a_scope_sees_what_its_members_have_done() {
    model(|| {
        let (scope, done) = (scope(), Arc::new(AtomicUsize::new(0)));
        let doing = done.clone();
        let member = async move { doing.store(1, Relaxed) }.in_scope(&scope);
        let ending = thread::spawn(move || block_on(member).unwrap());
        close(&scope);
        assert_eq!(done.load(Relaxed), 1);
        join(ending);
    });
}

#[test]
fn a_member_that_is_dropped_keeps_nobody_who_closes_waiting() {
    model(|| {
        let (scope, alive) = (scope(), Counted::default());
        let member = alive.work().in_scope(&scope);
        let dropping = thread::spawn(move || drop(member));
        assert_eq!(close(&scope).members().never_started, 1);
        join(dropping);
    });
}

// The last handle

#[test]
fn a_scope_is_cleaned_up_once_by_the_last_handle_or_the_last_member() {
    model(|| {
        let (scope, alive) = (scope(), Counted::default());
        let (cleaned, told) = (defer(&scope, &alive), Counted::default());
        let counted = told.clone();
        scope.on_close(move |_| counted.add());
        let member = alive.work().in_scope(&scope);
        let ending = thread::spawn(move || block_on(member).is_ok());
        drop(scope);
        join(ending);
        assert_eq!((cleaned.get(), told.get()), (1, 1));
    });
}

#[test]
fn a_scope_is_cleaned_up_once_by_who_closes_it_or_drops_it_last() {
    model(|| {
        let (scope, alive) = (scope(), Counted::default());
        let (cleaned, told) = (defer(&scope, &alive), Counted::default());
        let counted = told.clone();
        scope.on_close(move |_| counted.add());
        let turn = Arc::new(AtomicUsize::new(0));
        let other = turn.clone();
        let closing = spawn(&scope, move |scope| {
            let report = close(&scope);
            let_go(&other, scope);
            report
        });
        let_go(&turn, scope);
        assert_eq!(join(closing).clean_up().steps, 1);
        assert_eq!((cleaned.get(), told.get()), (1, 1));
    });
}

#[test]
fn what_is_left_to_a_reaper_is_cleaned_up() {
    model(|| {
        let (reaper, cleaned) = (Reaper::new(), Counted::default());
        let scope = builder("scope").reaper(&reaper).build();
        let counted = cleaned.clone();
        scope.defer_async(move |_| async move {
            pending_once().await;
            counted.add();
        });
        let mut closed = scope.closed();
        let dropping = thread::spawn(move || drop(scope));
        let mut reaping = pin!(reaper.run());
        let report = block_on(poll_fn(|cx| {
            assert!(reaping.as_mut().poll(cx).is_pending());
            Pin::new(&mut closed).poll(cx)
        }));
        assert_eq!((report.clean_up().skipped, cleaned.get()), (0, 1));
        join(dropping);
    });
}

// Closing

#[test]
fn two_who_close_a_scope_are_told_when_it_is_cleaned_up() {
    model(|| {
        let scope = scope();
        let cleaned = defer(&scope, &Counted::default());
        let counted = cleaned.clone();
        let closing = spawn(&scope, move |scope| {
            assert_eq!(close(&scope).clean_up().steps, 1);
            assert_eq!(counted.get(), 1);
        });
        assert_eq!(close(&scope).clean_up().steps, 1);
        assert_eq!(cleaned.get(), 1);
        join(closing);
    });
}

#[test]
fn a_clean_up_that_is_given_up_half_way_is_gone_on_with() {
    model(|| {
        let (scope, began, ended) = (scope(), Counted::default(), Counted::default());
        let (begins, ends) = (began.clone(), ended.clone());
        scope.defer_async(move |_| {
            begins.add();
            async move {
                pending_once().await;
                ends.add();
            }
        });
        let giving_up = spawn(&scope, |scope| {
            let mut close = scope.close();
            _ = poll(Pin::new(&mut close), &calls(|| {}));
        });
        assert_eq!(close(&scope).clean_up().steps, 1);
        assert_eq!((began.get(), ended.get()), (1, 1));
        join(giving_up);
    });
}

#[test]
fn who_waits_until_it_has_closed_finds_all_done() {
    model(|| {
        let (scope, told) = (scope(), Counted::default());
        let cleaned = defer(&scope, &Counted::default());
        let counted = told.clone();
        scope.on_close(move |report| {
            assert_eq!(report.clean_up().steps, 1);
            counted.add();
        });
        let closed = scope.closed();
        let waiting = thread::spawn(move || {
            assert_eq!(block_on(closed).clean_up().steps, 1);
            assert_eq!((cleaned.get(), told.get()), (1, 1));
        });
        close(&scope);
        join(waiting);
    });
}

#[test]
fn who_asks_to_be_told_while_it_closes_is_told_once() {
    model(|| {
        let (scope, told) = (scope(), Counted::default());
        let counted = told.clone();
        let asking = spawn(&scope, move |scope| scope.on_close(move |_| counted.add()));
        close(&scope);
        join(asking);
        assert_eq!(told.get(), 1);
    });
}

// Scopes in scopes

#[test]
fn a_scope_that_is_made_while_the_one_above_closes_is_closed_with_it() {
    model(|| {
        let (scope, alive) = (scope(), Counted::default());
        let at_work = alive.clone();
        let making = spawn(&scope, move |scope| {
            let child = scope.child("child");
            _ = block_on(at_work.work().in_scope(&child));
            child
        });
        close(&scope);
        assert_eq!((alive.get(), scope.members()), (0, 0));
        let late = alive.work().in_scope(&join(making));
        assert!(block_on(late).is_err());
    });
}

#[test]
fn a_scope_that_is_made_while_the_one_above_closes_leaves_no_alarm() {
    model(|| {
        let timer = Still::default();
        let scope = Scope::builder("scope").timer(timer.clone()).build();
        let making =
            spawn(&scope, |scope| Scope::builder("child").child_of(&scope).timeout(SECOND).build());
        close(&scope);
        let child = join(making);
        assert_eq!(timer.0.get(), 0);
        drop(child);
    });
}

#[test]
fn a_scope_that_is_made_while_the_one_above_closes_is_closed_by_that() {
    model(|| {
        let scope = scope();
        let making = spawn(&scope, |scope| {
            let child = scope.child("child");
            if !child.is_aborted() {
                // Nobody else closes it.
                block_on(child.closed());
            }
        });
        close(&scope);
        join(making);
    });
}

/// A scope, and one in it, whose clean-up is counted, and comes first.
fn cleans_up_after_its_child() -> (Scope, Scope, Counted) {
    let (scope, below) = (scope(), Counted::default());
    let child = scope.child("child");
    let (counted, seen) = (below.clone(), below.clone());
    child.defer(move |_| counted.add());
    scope.defer(move |_| assert_eq!(seen.get(), 1));
    (scope, child, below)
}

#[test]
fn a_scope_that_is_dropped_while_the_one_above_closes_cleans_up_before_it() {
    model(|| {
        let (scope, child, below) = cleans_up_after_its_child();
        let dropping = thread::spawn(move || drop(child));
        close(&scope);
        assert_eq!((scope.members(), below.get()), (0, 1));
        join(dropping);
    });
}

#[test]
fn a_scope_that_is_closed_while_the_one_above_closes_cleans_up_once() {
    model(|| {
        let (scope, child, below) = cleans_up_after_its_child();
        let closing = thread::spawn(move || close(&child).clean_up().steps);
        close(&scope);
        assert_eq!((scope.members(), below.get()), (0, 1));
        assert_eq!(join(closing), 1);
    });
}

#[test]
fn a_scope_dropped_while_who_cleans_it_up_gives_up_is_cleaned_up() {
    model(|| {
        let (scope, told) = (scope(), Counted::default());
        let child = scope.child("child");
        child.defer_async(|_| pending());
        let counted = told.clone();
        child.on_close(move |_| counted.add());
        let mut close = scope.close();
        assert!(poll(Pin::new(&mut close), &calls(|| {})).is_pending());
        let dropping = thread::spawn(move || drop(child));
        drop(close);
        join(dropping);
        // Until then somebody might close that again.
        drop(scope);
        assert_eq!(told.get(), 1);
    });
}

/// A scope whose close has begun, and a thread on which a scope in it is dropped and its last member goes. That one has
/// async clean-up, which is counted, and perhaps a reaper.
fn left_below(reaper: Option<&Reaper>) -> (Scope, Close, thread::JoinHandle<()>, Closed, Counted) {
    let (scope, cleaned) = (scope(), Counted::default());
    let mut child = Scope::builder("child").child_of(&scope);
    if let Some(reaper) = reaper {
        child = child.reaper(reaper);
    }
    let child = child.build();
    let counted = cleaned.clone();
    child.defer_async(move |_| async move {
        pending_once().await;
        counted.add();
    });
    let closed = child.closed();
    let member = Box::pin(pending::<()>().in_scope(&child));
    drop(child);
    let mut close = scope.close();
    assert!(poll(Pin::new(&mut close), Waker::noop()).is_pending());
    (scope, close, thread::spawn(move || drop(member)), closed, cleaned)
}

#[test]
fn what_is_left_below_is_cleaned_up_by_who_closes_the_scope() {
    model(|| {
        let (scope, close, leaving, closed, cleaned) = left_below(None);
        block_on(close);
        assert_eq!((scope.members(), cleaned.get()), (0, 1));
        assert_eq!(block_on(closed).clean_up().skipped, 0);
        join(leaving);
    });
}

#[test]
fn what_is_left_below_while_who_closes_the_scope_gives_up_is_cleaned_up_by_the_next() {
    model(|| {
        let (scope, given_up, leaving, closed, cleaned) = left_below(None);
        drop(given_up);
        close(&scope);
        assert_eq!((scope.members(), cleaned.get()), (0, 1));
        assert_eq!(block_on(closed).clean_up().skipped, 0);
        join(leaving);
    });
}

#[test]
fn what_is_left_below_while_who_closes_the_scope_gives_up_and_drops_it_is_skipped() {
    model(|| {
        let (scope, close, leaving, closed, cleaned) = left_below(None);
        drop(close);
        drop(scope);
        join(leaving);
        assert_eq!(cleaned.get(), 0);
        assert_eq!(block_on(closed).clean_up().skipped, 1);
    });
}

#[test]
fn what_is_left_below_while_one_of_two_who_close_the_scope_gives_up_is_cleaned_up() {
    model(|| {
        // Nobody runs it, for somebody closes the scope all the time.
        let reaper = Reaper::new();
        let (scope, close, leaving, closed, cleaned) = left_below(Some(&reaper));
        let mut other = scope.close();
        _ = poll(Pin::new(&mut other), Waker::noop());
        drop(other);
        block_on(close);
        assert_eq!((scope.members(), cleaned.get()), (0, 1));
        assert_eq!(block_on(closed).clean_up().skipped, 0);
        join(leaving);
    });
}

// Time to end

/// A future in the user's own that has time to end, and may be taken out by others.
type Below = Arc<Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>>;

#[test]
fn what_holds_the_end_up_and_is_dropped_elsewhere_holds_it_no_more() {
    model(|| {
        let graceful = async {
            _ = pending::<()>().with_grace(SECOND).with_timer(Still::default()).await;
        };
        let below: Below = Arc::new(Mutex::new(Some(Box::pin(graceful))));
        let polled = below.clone();
        let above = poll_fn(move |cx| match &mut *polled.lock().unwrap() {
            Some(below) => below.as_mut().poll(cx),
            None => Poll::Pending,
        });
        let handle = AbortHandle::new();
        let mut above = Box::pin(above.with_abort(&handle));
        assert!(poll(above.as_mut(), &calls(|| {})).is_pending());
        let dropping = thread::spawn(move || {
            let taken = below.lock().unwrap().take();
            drop(taken);
        });
        assert!(handle.abort("stop"));
        assert_eq!(block_on(above).unwrap_err().to_string(), "stop");
        join(dropping);
    });
}
