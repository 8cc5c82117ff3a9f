//! A child is put on its parent's list when it is first asked. Whenever that is, it tells what it would have
//! told all along, and until then it costs the parent nothing.

mod lattice_model;

use allocation_counter::measure;
use proptest::{collection::vec, prelude::*, sample::Index};
use tenure::{AbortHandle, abort::Position};

use lattice_model::{Verdict, build_unasked, lattice};

proptest! {
    #[test]
    fn whoever_is_first_asked_in_the_end_tells_the_same(
        lattice in lattice(16),
        aborts in vec(any::<Index>(), 0..8),
        order in vec(any::<Index>(), 16),
    ) {
        let (handles, mut model) = build_unasked(&lattice)?;
        for (step, pick) in aborts.iter().enumerate() {
            let (place, reason) = (pick.index(handles.len()), format!("step {step}"));
            let first = model.abort(place, &reason);
            prop_assert_eq!(handles[place].abort(reason), first, "only the first call says so");
        }
        let mut unasked: Vec<_> = handles.into_iter().enumerate().collect();
        for pick in &order {
            if unasked.is_empty() {
                break;
            }
            let (place, handle) = unasked.swap_remove(pick.index(unasked.len()));
            let aborted = model.verdict(place).is_some();
            prop_assert_eq!(handle.is_aborted(), aborted, "at {}", place);
            prop_assert_eq!(Verdict::of(&handle), model.verdict(place).cloned(), "at {}", place);
        }
    }
}

#[test]
fn a_child_that_nobody_asks_costs_its_parent_nothing() {
    let top = AbortHandle::new();
    let alone = measure(|| drop(AbortHandle::new()));
    let children = measure(|| drop([(); 100].map(|()| top.child())));
    assert_eq!((children.count_total, children.bytes_total), (100, 100 * alone.bytes_total));
}

#[test]
fn a_child_that_is_asked_is_kept_in_its_parent_alone() {
    let top = AbortHandle::new();
    let only = top.child();
    let asked = measure(|| assert!(!only.is_aborted()));
    assert_eq!(asked.count_total, 0, "the first one has a place in the parent itself");
    let others: Vec<_> = (0..100).map(|_| top.child()).collect();
    let asked = measure(|| assert!(!others.iter().any(AbortHandle::is_aborted)));
    assert!(asked.bytes_current < 100 * 24, "{asked:?}");
    let again = measure(|| assert!(!others.iter().any(AbortHandle::is_aborted)));
    assert_eq!(again.count_total, 0);
}

#[test]
fn an_abort_above_comes_before_one_that_was_called_later() {
    let top = AbortHandle::new();
    let children = [top.child(), top.child().child()];
    assert!(top.abort("first"));
    let late = top.child();
    for child in children.iter().chain([&late]) {
        assert!(!child.abort("second"));
        let aborted = child.check().unwrap_err();
        assert_eq!((aborted.to_string().as_str(), aborted.position()), ("first", Position::Above));
    }
}

#[test]
fn an_abort_of_its_own_comes_before_one_above_that_was_called_later() {
    let top = AbortHandle::new();
    let (middle, unheard) = (top.child(), top.child());
    let bottom = middle.child();
    assert!(middle.abort("first"));
    assert!(top.abort("second"));
    let said = |handle: &AbortHandle| handle.check().unwrap_err().to_string();
    assert_eq!([&bottom, &middle, &unheard].map(said), ["first", "first", "second"]);
}
