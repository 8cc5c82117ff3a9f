use super::{Lent, Link, Standing};
use crate::{
    owner::{core::Core, deadline::TimeLimit},
    time::{Instant, TimerHandle},
};

/// What time it has, and by which timer.
impl<'a> Lent<'a> {
    /// As `standing`, and it is over, too, where the deadline has passed. It reads the clock where there is one.
    pub(crate) fn standing_now(&self) -> Standing {
        let has_passed = || {
            let now = self.timer()?.now();
            Some(self.deadline_since(Some(now))? <= now)
        };
        match self.standing() {
            Standing::Live if self.has_deadline() && has_passed().unwrap_or(false) => {
                Standing::Over
            }
            standing => standing,
        }
    }

    /// Whether, since the poll began, an owner above was aborted or the deadline has passed. It reads
    /// the clock where there is a deadline.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self.standing_now(), Standing::Live)
    }

    /// Whether there is one above, which may be on another timer.
    #[inline]
    pub(crate) fn has_deadline(&self) -> bool {
        self.links().any(|link| match link {
            Link::Deadline(..) => true,
            Link::Member(scope) => scope.deadline.is_some(),
            Link::Grace(reprieve) | Link::Shield(reprieve) => reprieve.is_bound(),
            _ => false,
        })
    }

    /// The earliest deadline above, on this owner's [`timer`](Self::timer). Those above a change of
    /// timer don't count: their instants mean nothing here.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline_since(None)
    }

    /// As `deadline`, where the caller has just asked the clock.
    pub(crate) fn deadline_since(&self, now: Option<Instant>) -> Option<Instant> {
        self.limit_since(now).map(|limit| limit.at)
    }

    /// The earliest deadline above, and whose it is. Of two that are the same, the outer one.
    #[inline]
    pub(crate) fn limit_since(&self, now: Option<Instant>) -> Option<TimeLimit<'a>> {
        // Asked at each first `Pending`, and mostly there is none.
        if self.has_deadline() { self.find_limit(now, false) } else { None }
    }

    /// The earliest deadline above in the same chain, where the caller may have just asked the clock. What is above
    /// the user's own future rings for that, but perhaps nobody polls what is in it: it may block the thread. Nor does
    /// a nursery poll its children when what is above it has moved.
    #[inline]
    pub(crate) fn deadline_in_chain(&self, now: Option<Instant>) -> Option<Instant> {
        if self.has_deadline() { self.find_limit(now, true).map(|limit| limit.at) } else { None }
    }

    fn find_limit(&self, now: Option<Instant>, in_chain: bool) -> Option<TimeLimit<'a>> {
        let timer = self.timer()?;
        let mut now = now;
        let mut earliest: Option<TimeLimit<'a>> = None;
        let mut note = |at, name| {
            if at != Instant::NEVER && earliest.is_none_or(|earliest| at <= earliest.at) {
                earliest = Some(TimeLimit { at, name });
            }
        };
        let mut name = None;
        let mut lent = Some(self);
        while let Some(Lent { up, link }) = lent {
            match link {
                Link::Name(below) => name = Some(*below),
                Link::Deadline(deadline, end) => {
                    let at = deadline.fix(*end, || *now.get_or_insert_with(|| timer.now()));
                    note(at, name.or_else(|| up.and_then(Lent::name)));
                }
                Link::Timer(_) | Link::Member(_) => {
                    if let Link::Member(Core { deadline: Some(at), timer: own, name, .. }) = link {
                        if own.as_ref().is_some_and(|own| own.is_same(timer)) {
                            note(*at, name.as_ref());
                        }
                    }
                    let above = up.and_then(|up| up.timer());
                    if !above.is_some_and(|above| above.is_same(timer)) {
                        break;
                    }
                }
                Link::Grace(reprieve) | Link::Shield(reprieve) => {
                    let until = reprieve.until(|| *now.get_or_insert_with(|| timer.now()));
                    if let Some(until) = until {
                        note(until, name.or_else(|| up.and_then(Lent::name)));
                        break;
                    }
                }
                Link::Leaf(leaf) if in_chain || leaf.is_ending() => break,
                Link::Child(_) if in_chain => break,
                Link::CleanUp(_) => break,
                _ => {}
            }
            lent = *up;
        }
        earliest
    }

    /// The nearest timer above; with `std`, the process's own where none was given.
    #[inline]
    #[must_use]
    pub fn timer(&self) -> Option<&'a TimerHandle> {
        let given = self.links().find_map(|link| match link {
            Link::Timer(timer) => Some(*timer),
            Link::Member(scope) | Link::CleanUp(scope) => scope.timer.as_ref(),
            _ => None,
        });
        given.or(TimerHandle::system())
    }
}
