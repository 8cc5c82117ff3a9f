//! Deadlines nest as their minimum, whatever kinds of them stand in whatever order, to the nanosecond.

mod support;

use std::{future::pending, sync::mpsc, time::Duration};

use proptest::prelude::*;
use tenure::{
    AbortReason, Owned, OwnedFuture, Owner,
    abort::{Name, Position},
    operation::Operation,
    time::{Instant, TestClock},
    timeout::TimeoutHandle,
};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Timeout,
    Deadline,
    Handle,
    /// One that never fires.
    Never,
    None,
}

/// One level of the nest, and how long it gives.
#[derive(Clone, Copy, Debug)]
struct Level {
    kind: Kind,
    after: Duration,
}

fn level() -> impl Strategy<Value = Level> {
    let kind = prop_oneof![
        3 => Just(Kind::Timeout),
        3 => Just(Kind::Deadline),
        3 => Just(Kind::Handle),
        1 => Just(Kind::Never),
        1 => Just(Kind::None),
    ];
    // Ties are as likely as not.
    let after = prop_oneof![(1..4_u64), (1..u64::from(u32::MAX))].prop_map(Duration::from_nanos);
    (kind, after).prop_map(|(kind, after)| Level { kind, after })
}

const NAMES: [&str; 4] = ["leaf", "inner", "middle", "outer"];

impl Level {
    fn end(self, begin: Instant) -> Option<Instant> {
        match self.kind {
            Kind::Timeout | Kind::Deadline | Kind::Handle => Some(begin + self.after),
            Kind::Never | Kind::None => None,
        }
    }

    fn reason(self, begin: Instant) -> AbortReason {
        match self.kind {
            Kind::Deadline => AbortReason::DeadlinePassed { at: begin + self.after },
            _ => AbortReason::TimedOut { after: self.after },
        }
    }
}

/// Puts the levels around a chain, the first one innermost, and runs it.
struct Nest {
    clock: TestClock,
    levels: [Level; 3],
}

/// Each adapter makes another type of the chain, so there is a function for each level.
macro_rules! put_around {
    ($self:ident, $level:literal, $next:ident, $chain:ident) => {{
        let Level { kind, after } = $self.levels[$level];
        let name = || Name::from(NAMES[$level + 1]);
        match kind {
            Kind::Timeout => $self.$next($chain.with_timeout(after).named(name())),
            Kind::Deadline => {
                let at = $self.clock.now() + after;
                $self.$next($chain.with_deadline(at).named(name()))
            }
            Kind::Handle => {
                let handle = TimeoutHandle::new(after);
                $self.$next($chain.with_timeout_handle(&handle).named(name()))
            }
            Kind::Never => $self.$next($chain.with_timeout(Duration::MAX).named(name())),
            Kind::None => $self.$next($chain.named(name())),
        }
    }};
}

impl Nest {
    fn run<O: Operation>(&self, chain: Owned<O>) -> Result<O::Output, tenure::Aborted> {
        put_around!(self, 0, second, chain)
    }

    fn second<O: Operation>(&self, chain: Owned<O>) -> Result<O::Output, tenure::Aborted> {
        put_around!(self, 1, third, chain)
    }

    fn third<O: Operation>(&self, chain: Owned<O>) -> Result<O::Output, tenure::Aborted> {
        put_around!(self, 2, end, chain)
    }

    fn end<O: Operation>(&self, chain: Owned<O>) -> Result<O::Output, tenure::Aborted> {
        smol::block_on(self.clock.watch(chain.with_timer(&self.clock)))
    }
}

proptest! {
    #[test]
    fn the_earliest_ends_it_and_of_those_the_outermost(
        begin in 0..u64::from(u32::MAX),
        levels in [level(), level(), level()],
        asks in any::<bool>(),
    ) {
        let clock = TestClock::new();
        clock.advance(Duration::from_nanos(begin));
        let begin = clock.now();
        let (tell, told) = mpsc::channel();
        let leaf = move |owner: Owner| {
            tell.send((owner.deadline(), owner.remaining())).unwrap();
            async move {
                if !asks {
                    // So that there is an end where there is no deadline.
                    return;
                }
                pending::<()>().await;
            }
        };
        let nest = Nest { clock: clock.clone(), levels };
        let earliest = levels.iter().filter_map(|level| level.end(begin)).min();
        if earliest.is_none() && asks {
            // It would wait for ever.
            return Ok(());
        }
        let outcome = nest.run(leaf.named(NAMES[0]));

        // What is within knows of it.
        let remaining = earliest.map(|at| at - begin);
        prop_assert_eq!(told.recv().unwrap(), (earliest, remaining));
        let Some(at) = earliest.filter(|_| asks) else {
            prop_assert!(outcome.is_ok());
            prop_assert_eq!(clock.now(), begin);
            return Ok(());
        };

        let aborted = outcome.unwrap_err();
        prop_assert_eq!(clock.now(), at);
        let outermost = levels.iter().rposition(|level| level.end(begin) == Some(at)).unwrap();
        let level = levels[outermost];
        prop_assert_eq!(aborted.reason(), &level.reason(begin));
        prop_assert_eq!(aborted.origin(), Some(NAMES[outermost]));
        let position = match level.kind {
            Kind::Deadline => Position::Above,
            _ => Position::Below,
        };
        prop_assert_eq!(aborted.position(), position);
    }
}
