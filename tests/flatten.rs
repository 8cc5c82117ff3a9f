//! One `Result` for both kinds of failure, and what its errors say.

mod support;

use std::{error::Error as _, fmt, future::pending, io, time::Duration};

use support::SECOND;
use tenure::{
    AbortHandle, AbortReason, Aborted, Backoff, Error, Limit, OwnedFuture, Scope, bracket,
    limit::Refusal,
    owner::Key,
    time::{Instant, TestClock},
};

static KEY: Key<u8> = Key::new("key");

/// An error with a source of its own.
#[derive(Clone, Debug, PartialEq)]
struct Broken(Cause);

#[derive(Clone, Debug, PartialEq)]
struct Cause;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fell down")
    }
}

impl std::error::Error for Cause {}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

async fn works() -> Result<u32, Broken> {
    Ok(7)
}

async fn breaks() -> Result<u32, Broken> {
    Err(Broken(Cause))
}

fn stopped() -> AbortHandle {
    let stop = AbortHandle::named("button");
    stop.abort("user hit stop");
    stop
}

fn aborted() -> Aborted {
    stopped().check().unwrap_err()
}

#[test]
fn flatten_tells_a_value_a_failure_and_an_abort_apart() {
    assert_eq!(smol::block_on(works().with_timeout(SECOND).flatten()).unwrap(), 7);
    let failed = smol::block_on(breaks().with_timeout(SECOND).flatten());
    assert!(matches!(failed, Err(Error::Failed(Broken(Cause)))));
    let aborted = smol::block_on(works().with_abort(&stopped()).flatten());
    assert!(matches!(aborted, Err(Error::Aborted(aborted))
        if aborted.reason() == &AbortReason::Requested("user hit stop".into())));
}

#[test]
fn flatten_ends_a_long_chain_with_one_layer() {
    let (scope, limit) = (Scope::new("scope"), Limit::new(1));
    let seven: Result<u32, Error<Broken>> = smol::block_on(
        works
            .with_timeout(SECOND)
            .retry(Backoff::exponential())
            .with_grace(SECOND)
            .shielded(SECOND)
            .with_value(&KEY, 7)
            .limit(&limit)
            .with_timeout(SECOND)
            .in_scope(&scope)
            .try_in_scope(&scope)
            .flatten(),
    );
    assert_eq!(seven.unwrap(), 7);
}

#[test]
fn a_scope_and_a_bracket_are_chains_that_can_be_flattened() {
    let seven = tenure::scope(async |n| n.try_spawn(works()).await.map_err(Error::Aborted));
    assert_eq!(smol::block_on(seven.flatten_into::<Error<Broken>>()).unwrap(), 7);
    let broken = tenure::scope(async |_| breaks().await).named("scope").flatten();
    assert!(matches!(smol::block_on(broken), Err(Error::Failed(Broken(Cause)))));

    let held = || bracket(works(), async |held| Ok(*held), async |_, _| {});
    assert_eq!(smol::block_on(held().flatten()).unwrap(), 7);
    let aborted = smol::block_on(held().with_abort(&stopped()).flatten());
    assert!(matches!(aborted, Err(Error::Aborted(_))));
}

/// A `try_scope` has one layer by itself, and two where it is adapted.
#[test]
fn a_scope_that_is_tried_has_one_layer_in_the_end() {
    let tried = || {
        tenure::try_scope(async |n| {
            n.try_spawn(breaks().with_timeout(SECOND).flatten()).await?;
            Ok::<_, Error<Broken>>(7)
        })
    };
    let failed: Result<u32, Error<Broken>> = smol::block_on(tried());
    assert!(matches!(failed, Err(Error::Failed(Broken(Cause)))));
    let failed: Result<u32, Error<Broken>> =
        smol::block_on(tried().with_timeout(SECOND).with_grace(SECOND).flatten_into());
    assert!(matches!(failed, Err(Error::Failed(Broken(Cause)))));
    let aborted: Result<u32, Error<Broken>> =
        smol::block_on(tried().with_abort(&stopped()).flatten_into());
    assert!(matches!(aborted, Err(Error::Aborted(_))));
}

#[test]
fn an_error_displays_what_it_holds_and_its_source_is_the_source_of_that() {
    let failed = Error::Failed(Broken(Cause));
    assert_eq!(failed.to_string(), "broken");
    assert_eq!(failed.source().unwrap().to_string(), "fell down");

    let outer: Error<Broken> = aborted().into();
    assert_eq!(outer.to_string(), "user hit stop (in `button`)");
    assert!(outer.source().is_none());

    let job = AbortHandle::new();
    job.abort_because("nothing to read from", aborted());
    let outer = Error::<Broken>::from(job.check().unwrap_err());
    assert_eq!(outer.to_string(), "nothing to read from");
    assert_eq!(outer.source().unwrap().to_string(), "user hit stop (in `button`)");
}

#[test]
fn flatten_into_an_enum_of_ones_own() {
    #[derive(Debug)]
    enum App {
        Broken(Broken),
        Aborted(Aborted),
    }
    impl From<Broken> for App {
        fn from(broken: Broken) -> Self {
            Self::Broken(broken)
        }
    }
    impl From<Aborted> for App {
        fn from(aborted: Aborted) -> Self {
            Self::Aborted(aborted)
        }
    }

    let into = smol::block_on(works().with_timeout(SECOND).flatten_into::<App>());
    assert_eq!(into.unwrap(), 7);
    let into: Result<u32, App> = smol::block_on(breaks().with_timeout(SECOND).flatten_into());
    assert!(matches!(into, Err(App::Broken(Broken(Cause)))));
    let into: Result<u32, App> = smol::block_on(works().with_abort(&stopped()).flatten_into());
    assert!(matches!(into, Err(App::Aborted(aborted)) if aborted.origin() == Some("button")));
}

#[test]
fn flatten_into_a_boxed_error_keeps_its_type() {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;

    let failed = smol::block_on(breaks().with_timeout(SECOND).flatten_into::<Boxed>());
    assert_eq!(*failed.unwrap_err().downcast::<Broken>().unwrap(), Broken(Cause));
    let into = smol::block_on(works().with_abort(&stopped()).flatten_into::<Boxed>());
    let aborted = into.unwrap_err().downcast::<Aborted>().unwrap();
    assert_eq!(aborted.reason(), &"user hit stop".into());
}

#[test]
fn flatten_into_an_io_error() {
    let clock = TestClock::new();
    let read = async { Err::<(), _>(io::Error::from(io::ErrorKind::UnexpectedEof)) };
    let failed = smol::block_on(read.with_timeout(SECOND).flatten_into::<io::Error>());
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

    let stuck = pending::<io::Result<()>>().with_timeout(SECOND).with_timer(&clock);
    let late: io::Result<()> = smol::block_on(clock.watch(stuck.flatten_into()));
    let late = late.unwrap_err();
    assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    assert_eq!(late.to_string(), "timed out after 1s");
    // The abort itself is inside.
    let inner = late.get_ref().unwrap().downcast_ref::<Aborted>().unwrap();
    assert_eq!(inner.reason(), &AbortReason::TimedOut { after: SECOND });
}

#[test]
fn the_kind_of_an_io_error_is_timed_out_or_other_and_never_interrupted() {
    let reasons = [
        ("requested".into(), io::ErrorKind::Other),
        (AbortReason::TimedOut { after: SECOND }, io::ErrorKind::TimedOut),
        (AbortReason::DeadlinePassed { at: Instant::START }, io::ErrorKind::TimedOut),
        (AbortReason::SiblingFailed { who: None, error: "down".into() }, io::ErrorKind::Other),
        (AbortReason::RaceLost { winner: "first".into() }, io::ErrorKind::Other),
        (AbortReason::ScopeEnded, io::ErrorKind::Other),
        (AbortReason::OverBudget { budget: "retries".into() }, io::ErrorKind::Other),
        (AbortReason::Rejected { why: Refusal::QueueFull { most: 1 } }, io::ErrorKind::Other),
        (AbortReason::Panicked { who: None, message: "oops".into() }, io::ErrorKind::Other),
        (AbortReason::NoTimer, io::ErrorKind::Other),
    ];
    for (reason, kind) in reasons {
        let handle = AbortHandle::new();
        handle.abort(reason.clone());
        let aborted = handle.check().unwrap_err();
        assert_eq!(aborted.is_timeout(), kind == io::ErrorKind::TimedOut);
        assert_eq!(io::Error::from(aborted).kind(), kind, "{reason:?}");
    }
}

#[test]
fn a_flattened_chain_knows_that_it_is_done() {
    use futures::future::FusedFuture;

    let mut flat = Box::pin(works().with_timeout(SECOND).flatten());
    assert!(!flat.is_terminated());
    assert!(smol::block_on(&mut flat).is_ok() && flat.is_terminated());
    let mut into =
        Box::pin(works().with_timeout(SECOND).flatten_into::<Box<dyn std::error::Error>>());
    assert!(!into.is_terminated());
    assert!(smol::block_on(&mut into).is_ok() && into.is_terminated());
}

/// Flattened, it is a plain future again, which an attempt of a retry may be.
#[test]
fn a_flattened_chain_can_be_chained_on() {
    let again = (|| breaks().with_timeout(SECOND).flatten())
        .retry(Backoff::fixed(Duration::ZERO).attempts(2))
        .flatten();
    assert!(matches!(smol::block_on(again), Err(Error::Failed(Error::Failed(Broken(Cause))))));
}
