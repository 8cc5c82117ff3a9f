//! Join and meet obey the laws of a lattice, in what they abort and when.

mod lattice_model;

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseResult};
use tenure::AbortHandle;

use lattice_model::{Node, build, lattice};

/// Three elements of a lattice, and aborts of any of it before and after a law's sides are made.
#[derive(Clone, Debug)]
struct Elements {
    lattice: Vec<Node>,
    picks: [Index; 3],
    before: Vec<Index>,
    after: Vec<Index>,
}

fn elements() -> impl Strategy<Value = Elements> {
    let aborts = |most| vec(any::<Index>(), 0..most);
    (lattice(10), any::<[Index; 3]>(), aborts(3), aborts(12))
        .prop_map(|(lattice, picks, before, after)| Elements { lattice, picks, before, after })
}

/// The two sides abort at the same step, and unless that was before they were made, for the same reason.
fn same(
    elements: &Elements,
    sides: impl Fn(&AbortHandle, &AbortHandle, &AbortHandle) -> (AbortHandle, AbortHandle),
) -> TestCaseResult {
    let Elements { lattice, picks, before, after } = elements;
    let (handles, _) = build(lattice)?;
    for pick in before {
        pick.get(&handles).abort("before");
    }
    let [a, b, c] = picks.each_ref().map(|pick| pick.get(&handles));
    let (left, right) = sides(a, b, c);
    prop_assert_eq!(left.is_aborted(), right.is_aborted(), "as made");
    let were_live = !left.is_aborted();
    for (step, pick) in after.iter().enumerate() {
        pick.get(&handles).abort(format!("step {step}"));
        prop_assert_eq!(left.is_aborted(), right.is_aborted(), "at step {}", step);
        if were_live {
            prop_assert_eq!(left.reason(), right.reason(), "at step {}", step);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn join_and_meet_are_associative(elements in elements()) {
        same(&elements, |a, b, c| (&(a | b) | c, a | &(b | c)))?;
        same(&elements, |a, b, c| (&(a & b) & c, a & &(b & c)))?;
        same(&elements, |a, b, c| (AbortHandle::any([a, b, c]), a | &(b | c)))?;
        same(&elements, |a, b, c| (AbortHandle::all([a, b, c]), a & &(b & c)))?;
    }

    #[test]
    fn join_and_meet_are_commutative(elements in elements()) {
        same(&elements, |a, b, _| (a | b, b | a))?;
        same(&elements, |a, b, _| (a & b, b & a))?;
    }

    #[test]
    fn join_and_meet_are_idempotent(elements in elements()) {
        same(&elements, |a, _, _| (a | a, a.clone()))?;
        same(&elements, |a, _, _| (a & a, a.clone()))?;
        same(&elements, |a, b, _| (AbortHandle::all([a, b, a]), a & b))?;
    }

    #[test]
    fn join_and_meet_absorb_each_other(elements in elements()) {
        same(&elements, |a, b, _| (a | &(a & b), a.clone()))?;
        same(&elements, |a, b, _| (a & &(a | b), a.clone()))?;
    }

    #[test]
    fn join_and_meet_distribute_over_each_other(elements in elements()) {
        same(&elements, |a, b, c| (a & &(b | c), &(a & b) | &(a & c)))?;
        same(&elements, |a, b, c| (a | &(b & c), &(a | b) & &(a | c)))?;
    }

    #[test]
    fn never_is_the_bottom(elements in elements()) {
        let never = AbortHandle::never();
        same(&elements, |a, _, _| (a | &never, a.clone()))?;
        same(&elements, |a, _, _| (&never & a, never.clone()))?;
    }
}
