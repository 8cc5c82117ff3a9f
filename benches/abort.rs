//! What the lattice of abort handles costs, against the crates that do a part of the same.
//!
//! `cargo bench --bench abort` prints what [`SideBySide`] says, in a few minutes; `-- --quick` takes one at
//! most, `-- --check` fails if a figure is SHORT.
//!
//! Each peer is used as its docs advise. Not all do what ours does: futures' `AbortHandle` ends one
//! future and has no children, a `StopToken` can't be stopped alone, and an `Event` is a list of who waits,
//! beside a flag that its user keeps. So some figures are held against those that do the same, too.
//!
//! What takes less than a nanosecond is the loop around it as much as the thing itself, one cycle or two
//! as the code happens to lie: an `Event` is an empty pointer until somebody listens, a flag is one load.

mod runs;
mod side_by_side;

use std::{
    future::{Future, pending},
    process::ExitCode,
    sync::Arc,
};

use event_listener::Event;
use futures::future::{AbortHandle as FuturesHandle, Abortable};
use runs::{
    Fan, Stop, answer, counting_waker, late_answer, owning, pending_once, ready_at_once,
    run_until_stopped, until_stopped, waiting,
};
use side_by_side::{Bar, Contest, SideBySide, bytes_each, each, of_many, on_two_threads};
use stop_token::{StopSource, future::FutureExt as _};
use tenure::{AbortHandle, OwnedFuture};
use tokio_util::sync::CancellationToken;

const TENURE: &str = "tenure";
const TOKIO: &str = "tokio-util";
const FUTURES: &str = "futures";
const STOP: &str = "stop-token";
const EVENT: &str = "event-listener";
const EVENT_ON_STACK: &str = "event-listener, on the stack";

/// Nanoseconds that the goals give to it that plain code finds its owner, beyond what they give to the rest.
const AMBIENT: f64 = 3.0;

/// What ours is to take at most, over what the peer took that was the fastest when this goal was set. No
/// matter on what machine: both were on the same. Where ours is to be no slower than a peer, whatever that
/// takes, it is 1 over 1; twice as fast, 1 over 2.
const BARS: &[Bar] = &[
    Bar::new("root, ns", 30.0, EVENT, 0.3),
    Bar::new("root, ns", 30.0, FUTURES, 10.7).among("of those that can be shared", SHARED),
    Bar::new("child, ns", 40.0, STOP, 8.8),
    Bar::new("child, ns", 40.0, TOKIO, 48.0).among("of trees", TREES),
    Bar::new("is aborted?, ns", 1.0, FUTURES, 0.3),
    Bar::new("run a ready future, borrowed, ns", 2.0 + AMBIENT, EVENT, 0.6),
    Bar::new("run a ready future, owned, ns", 1.0, TOKIO, 1.0).among("of trees", TREES),
    Bar::new("pending once, borrowed, ns", 50.0 + AMBIENT, FUTURES, 17.6),
    Bar::new("pending once, owned, ns", 1.0, TOKIO, 1.0).among("of trees", TREES),
    Bar::new("abort 1k, ns each", 1.0, TOKIO, 1.0).among("of trees", TREES),
    Bar::new("abort 100k, ns each", 1.0, TOKIO, 1.0).among("of trees", TREES),
    Bar::new("abort 1M, ns each", 1.0, TOKIO, 1.0).among("of trees", TREES),
    Bar::new("abort and end 1k, ns each", 60.0, FUTURES, 35.0),
    Bar::new("abort and end 1k, ns each", 60.0, TOKIO, 139.0).among("of trees", TREES),
    Bar::new("abort and end 100k, ns each", 80.0, FUTURES, 45.0),
    Bar::new("abort and end 100k, ns each", 80.0, TOKIO, 198.0).among("of trees", TREES),
    Bar::new("abort and end 1M, ns each", 130.0, FUTURES, 91.0),
    Bar::new("abort and end 1M, ns each", 130.0, TOKIO, 247.0).among("of trees", TREES),
    Bar::new("a chain of 1M, ns a level", 1.0, TOKIO, 1.0),
    Bar::new("child, made on two threads, ns", 1.0, TOKIO, 2.0).among("of trees", TREES),
    Bar::new("a child, bytes", 80.0, FUTURES, 56.0).among("of those with a state", STATES),
    Bar::new("a child, bytes", 1.0, TOKIO, 1.0).among("of trees", TREES),
    Bar::new("a child that is waited for, bytes", 80.0, FUTURES, 56.0),
    Bar::new("a child that is waited for, bytes", 80.0, TOKIO, 192.0).among("of trees", TREES),
];

/// What is something as soon as it is made.
const SHARED: &[&str] = &[TOKIO, FUTURES, STOP];
/// What can be aborted alone.
const STATES: &[&str] = &[TOKIO, FUTURES];
/// What has children that can be aborted alone.
const TREES: &[&str] = &[TOKIO];

fn main() -> ExitCode {
    let mut bench = SideBySide::new(BARS);
    root(&mut bench);
    child(&mut bench);
    is_aborted(&mut bench);
    ready_borrowed(&mut bench);
    ready_owned(&mut bench);
    pending_borrowed(&mut bench);
    pending_owned(&mut bench);
    fan_out(&mut bench, 1_000, ["abort 1k, ns each", "abort and end 1k, ns each"]);
    fan_out(&mut bench, 100_000, ["abort 100k, ns each", "abort and end 100k, ns each"]);
    fan_out(&mut bench, 1_000_000, ["abort 1M, ns each", "abort and end 1M, ns each"]);
    depth(&mut bench);
    two_threads(&mut bench);
    bytes(&mut bench);
    bytes_waited_for(&mut bench);
    bench.finish()
}

/// Made and dropped.
fn root(bench: &mut SideBySide) {
    bench.run(
        Contest::new("root, ns")
            .subject(TENURE, each(AbortHandle::new))
            .subject(TOKIO, each(CancellationToken::new))
            .subject(FUTURES, each(FuturesHandle::new_pair))
            .subject(STOP, each(StopSource::new))
            .subject(EVENT, each(Event::<()>::new)),
    );
}

/// Made and dropped, of a root that lives long.
fn child(bench: &mut SideBySide) {
    let (handle, token, source, stop) = roots();
    bench.run(
        Contest::new("child, ns")
            .subject(TENURE, each(|| handle.child()))
            .subject(TOKIO, each(|| token.child_token()))
            .subject(STOP, each(|| source.token()))
            .subject(EVENT, each(|| stop.event.listen())),
    );
}

fn is_aborted(bench: &mut SideBySide) {
    let (handle, token, ..) = roots();
    let (futures, _registration) = FuturesHandle::new_pair();
    bench.run(
        Contest::new("is aborted?, ns")
            .subject(TENURE, each(|| handle.is_aborted()))
            .subject(TOKIO, each(|| token.is_cancelled()))
            .subject(FUTURES, each(|| futures.is_aborted())),
    );
}

/// The future refers to what aborts it, with the peers that let it. The others have one form only.
fn ready_borrowed(bench: &mut SideBySide) {
    let (handle, token, source, stop) = roots();
    bench.run(
        Contest::new("run a ready future, borrowed, ns")
            .subject(TENURE, each(ready_at_once(|| answer().with_abort(&handle))))
            .subject(TOKIO, each(ready_at_once(|| token.run_until_cancelled(answer()))))
            .subject(FUTURES, each(ready_at_once(|| abortable(answer()))))
            .subject(STOP, each(ready_at_once(|| answer().timeout_at(source.token()))))
            .subject(EVENT, each(ready_at_once(|| until_stopped(&*stop, answer())))),
    );
}

/// The future has what aborts it, and can go anywhere.
fn ready_owned(bench: &mut SideBySide) {
    let (handle, token, source, stop) = roots();
    bench.run(
        Contest::new("run a ready future, owned, ns")
            .subject(TENURE, each(ready_at_once(|| owning(answer(), &handle))))
            .subject(
                TOKIO,
                each(ready_at_once(|| token.clone().run_until_cancelled_owned(answer()))),
            )
            .subject(FUTURES, each(ready_at_once(|| abortable(answer()))))
            .subject(STOP, each(ready_at_once(|| answer().timeout_at(source.token()))))
            .subject(EVENT, each(ready_at_once(|| until_stopped(stop.clone(), answer())))),
    );
}

/// As `ready_borrowed`, where the future has to wait.
fn pending_borrowed(bench: &mut SideBySide) {
    let (handle, token, source, stop) = roots();
    bench.run(
        Contest::new("pending once, borrowed, ns")
            .subject(TENURE, each(pending_once(|| late_answer().with_abort(&handle))))
            .subject(TOKIO, each(pending_once(|| token.run_until_cancelled(late_answer()))))
            .subject(FUTURES, each(pending_once(|| abortable(late_answer()))))
            .subject(STOP, each(pending_once(|| late_answer().timeout_at(source.token()))))
            .subject(EVENT, each(pending_once(|| until_stopped(&*stop, late_answer()))))
            .subject(
                EVENT_ON_STACK,
                each(pending_once(|| run_until_stopped(&*stop, late_answer()))),
            ),
    );
}

/// As `ready_owned`, where the future has to wait.
fn pending_owned(bench: &mut SideBySide) {
    let (handle, token, source, stop) = roots();
    bench.run(
        Contest::new("pending once, owned, ns")
            .subject(TENURE, each(pending_once(|| owning(late_answer(), &handle))))
            .subject(
                TOKIO,
                each(pending_once(|| token.clone().run_until_cancelled_owned(late_answer()))),
            )
            .subject(FUTURES, each(pending_once(|| abortable(late_answer()))))
            .subject(STOP, each(pending_once(|| late_answer().timeout_at(source.token()))))
            .subject(EVENT, each(pending_once(|| until_stopped(stop.clone(), late_answer()))))
            .subject(
                EVENT_ON_STACK,
                each(pending_once(|| run_until_stopped(stop.clone(), late_answer()))),
            ),
    );
}

/// A root is aborted: `n` lie below it, and a task of its own waits for each. With futures, its user has a
/// list. First the abort alone, until all are woken; then until each task was polled to its end and
/// dropped, too.
fn fan_out(bench: &mut SideBySide, n: usize, [alone, and_end]: [&'static str; 2]) {
    let ours = || {
        let root = AbortHandle::new();
        let waiting: Vec<_> = (0..n).map(|_| root.child().aborted()).collect();
        Fan::new(waiting, move || assert!(root.abort("all")))
    };
    let tokio = || {
        let root = CancellationToken::new();
        let waiting: Vec<_> = (0..n).map(|_| root.child_token().cancelled_owned()).collect();
        Fan::new(waiting, move || root.cancel())
    };
    let futures = || {
        let (handles, waiting): (Vec<_>, Vec<_>) = (0..n)
            .map(|_| futures::future::abortable(pending::<()>()))
            .map(|(waiting, handle)| (handle, waiting))
            .unzip();
        Fan::new(waiting, move || handles.iter().for_each(FuturesHandle::abort))
    };
    let stop_token = || {
        let mut source = Some(StopSource::new());
        let waiting: Vec<_> = (0..n).map(|_| source.as_ref().unwrap().token()).collect();
        Fan::new(waiting, move || drop(source.take()))
    };
    let event = || {
        let stop = Stop::default();
        let waiting: Vec<_> = (0..n).map(|_| stop.event.listen()).collect();
        Fan::new(waiting, move || stop.stop())
    };
    bench.run(
        Contest::new(alone)
            .subject(TENURE, of_many(n, ours, Fan::abort, Fan::check))
            .subject(TOKIO, of_many(n, tokio, Fan::abort, Fan::check))
            .subject(FUTURES, of_many(n, futures, Fan::abort, Fan::check))
            .subject(STOP, of_many(n, stop_token, Fan::abort, Fan::check))
            .subject(EVENT, of_many(n, event, Fan::abort, Fan::check)),
    );
    bench.run(
        Contest::new(and_end)
            .subject(TENURE, of_many(n, ours, Fan::run_out, Fan::check))
            .subject(TOKIO, of_many(n, tokio, Fan::run_out, Fan::check))
            .subject(FUTURES, of_many(n, futures, Fan::run_out, Fan::check))
            .subject(STOP, of_many(n, stop_token, Fan::run_out, Fan::check))
            .subject(EVENT, of_many(n, event, Fan::run_out, Fan::check)),
    );
}

/// A root is aborted: below it is a chain, and somebody waits at its end.
fn depth(bench: &mut SideBySide) {
    const N: usize = 1_000_000;
    let ours = || {
        let mut chain = vec![AbortHandle::new()];
        for level in 0..N {
            chain.push(chain[level].child());
        }
        Fan::new([chain[N].aborted()], move || assert!(chain[0].abort("all")))
    };
    let tokio = || {
        let mut chain = vec![CancellationToken::new()];
        for level in 0..N {
            chain.push(chain[level].child_token());
        }
        Fan::new([chain[N].clone().cancelled_owned()], move || chain[0].cancel())
    };
    bench.run(
        Contest::new("a chain of 1M, ns a level")
            .subject(TENURE, of_many(N, ours, Fan::abort, Fan::check))
            .subject(TOKIO, of_many(N, tokio, Fan::abort, Fan::check)),
    );
}

/// Made and dropped, of a root that both threads have.
fn two_threads(bench: &mut SideBySide) {
    let (handle, token, source, stop) = roots();
    bench.run(
        Contest::new("child, made on two threads, ns")
            .subject(TENURE, on_two_threads(|| handle.child()))
            .subject(TOKIO, on_two_threads(|| token.child_token()))
            .subject(STOP, on_two_threads(|| source.token()))
            .subject(EVENT, on_two_threads(|| stop.event.listen())),
    );
}

/// All that is requested for it, and its handle. A listener is in a box by itself.
fn bytes(bench: &mut SideBySide) {
    const N: usize = 100_000;
    let (handle, token, source, stop) = roots();
    bench.run(
        Contest::new("a child, bytes")
            .subject(TENURE, bytes_each(N, || Box::new(handle.child())))
            .subject(TOKIO, bytes_each(N, || Box::new(token.child_token())))
            .subject(FUTURES, bytes_each(N, || Box::new(FuturesHandle::new_pair().0)))
            .subject(STOP, bytes_each(N, || Box::new(source.token())))
            .subject(EVENT, bytes_each(N, || stop.event.listen()))
            .exact(),
    );
}

/// All that is requested for it and for the future that waits, and has its handle.
fn bytes_waited_for(bench: &mut SideBySide) {
    const N: usize = 100_000;
    let (handle, token, source, stop) = roots();
    let (waker, _) = counting_waker();
    bench.run(
        Contest::new("a child that is waited for, bytes")
            .subject(TENURE, bytes_each(N, || waiting(handle.child().aborted(), &waker)))
            .subject(
                TOKIO,
                bytes_each(N, || waiting(token.child_token().cancelled_owned(), &waker)),
            )
            .subject(FUTURES, bytes_each(N, || waiting(abortable(pending::<()>()), &waker)))
            .subject(STOP, bytes_each(N, || waiting(source.token(), &waker)))
            .subject(EVENT, bytes_each(N, || waiting(stop.event.listen(), &waker)))
            .exact(),
    );
}

/// One of each that has any below it.
fn roots() -> (AbortHandle, CancellationToken, StopSource, Arc<Stop>) {
    Default::default()
}

/// Under a handle of its own, which goes at once: that costs the same then as later.
fn abortable<F: Future>(future: F) -> Abortable<F> {
    let (_handle, registration) = FuturesHandle::new_pair();
    Abortable::new(future, registration)
}
