//! The lattice may be as deep and as wide as memory allows, on the smallest of stacks.

mod support;

use std::thread;

use allocation_counter::{AllocationInfo, measure};
use support::Count;
use tenure::AbortHandle;

const MILLION: usize = 1_000_000;
const MANY: usize = 100_000;
const LAYERS: usize = 1_000;

/// Runs `f` on a small stack and sees to it that nothing is left of it.
fn leaves_nothing(f: impl FnOnce() + Send + 'static) {
    let run = || {
        let AllocationInfo { count_current, bytes_current, .. } = measure(f);
        assert_eq!((count_current, bytes_current), (0, 0));
    };
    thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
}

/// A child is on its parent's list only once it was asked.
#[derive(Clone, Copy)]
enum Handles {
    Unasked,
    Asked,
}

impl Handles {
    /// A chain of `n` below `top`, of which only the bottom is held.
    fn bottom_of(self, top: &AbortHandle, n: usize) -> AbortHandle {
        let bottom = (0..n).fold(top.clone(), |last, _| last.child());
        self.ask([&bottom]);
        bottom
    }

    /// A chain of `n` below `top`, all held.
    fn chain(self, top: &AbortHandle, n: usize) -> Vec<AbortHandle> {
        let mut last = top.clone();
        let links = (0..n).map(|_| {
            last = last.child();
            last.clone()
        });
        let links: Vec<_> = links.collect();
        // Whoever asks the bottom asks all above.
        self.ask(links.last());
        links
    }

    fn fan(self, top: &AbortHandle, n: usize) -> Vec<AbortHandle> {
        let children: Vec<_> = (0..n).map(|_| top.child()).collect();
        self.ask(&children);
        children
    }

    fn ask<'a>(self, handles: impl IntoIterator<Item = &'a AbortHandle>) {
        if let Self::Asked = self {
            assert!(!handles.into_iter().any(AbortHandle::is_aborted));
        }
    }
}

/// As `leaves_nothing`, with handles of either kind.
fn either_leaves_nothing(f: impl Fn(Handles) + Send + Copy + 'static) {
    for handles in [Handles::Unasked, Handles::Asked] {
        leaves_nothing(move || f(handles));
    }
}

/// Drops from the middle to both ends, with what lies on either side still there.
fn drop_from_the_middle(mut handles: Vec<AbortHandle>) {
    let mut above = handles.split_off(handles.len() / 2).into_iter();
    while let Some(below) = handles.pop() {
        drop(below);
        drop(above.next());
    }
}

#[test]
fn a_deep_chain_aborts_and_is_shown_at_its_ends_and_in_its_middle() {
    either_leaves_nothing(|handles| {
        let top = AbortHandle::new();
        let middle = handles.bottom_of(&top, MILLION / 2);
        let bottom = handles.bottom_of(&middle, MILLION / 2);
        for handle in [&top, &middle, &bottom] {
            assert_eq!(format!("{handle:?}"), r#"AbortHandle("live")"#);
        }
        assert!(top.abort("from the top"));
        for handle in [&top, &middle, &bottom] {
            assert!(format!("{handle:?}").contains("from the top"));
        }
    });
}

#[test]
fn a_deep_chain_aborts_from_its_middle_down() {
    either_leaves_nothing(|handles| {
        let top = AbortHandle::new();
        let links = handles.chain(&top, MILLION);
        assert!(links[MILLION / 2].abort("from the middle"));
        assert!(!top.is_aborted());
        let aborted = links.iter().filter(|handle| handle.is_aborted()).count();
        assert_eq!(aborted, MILLION / 2);
        drop_from_the_middle(links);
    });
}

#[test]
fn a_deep_chain_of_which_the_ends_are_held_is_dropped_from_either() {
    for top_first in [true, false] {
        either_leaves_nothing(move |handles| {
            let top = AbortHandle::new();
            let bottom = handles.bottom_of(&top, MILLION);
            drop(if top_first { [top, bottom] } else { [bottom, top] });
        });
    }
}

/// Whoever holds the middle keeps what is above it alive, and nothing of what is below.
#[test]
fn a_deep_chain_that_is_held_in_its_middle_lives_on_above_it() {
    either_leaves_nothing(|handles| {
        let top = AbortHandle::new();
        let middle = handles.bottom_of(&top, MILLION / 2);
        drop(middle.child());
        let below = measure(|| drop(handles.bottom_of(&middle, MILLION / 2)));
        assert_eq!((below.count_current, below.bytes_current), (0, 0));
        let bottom = handles.bottom_of(&middle, MILLION / 2);
        assert!(top.abort("from the top"));
        drop(top);
        assert!(middle.is_aborted() && bottom.is_aborted());
        drop(middle);
        assert!(bottom.is_aborted());
    });
}

#[test]
fn a_deep_chain_of_which_all_are_held_is_dropped_in_any_order() {
    either_leaves_nothing(|handles| drop(handles.chain(&AbortHandle::new(), MILLION)));
    either_leaves_nothing(|handles| {
        handles.chain(&AbortHandle::new(), MILLION).into_iter().rev().for_each(drop)
    });
    either_leaves_nothing(|handles| {
        drop_from_the_middle(handles.chain(&AbortHandle::new(), MILLION))
    });
}

#[test]
fn a_wide_fan_aborts() {
    either_leaves_nothing(|handles| {
        let top = AbortHandle::new();
        let children = handles.fan(&top, MILLION);
        assert!(top.abort("all"));
        assert!(children.iter().all(AbortHandle::is_aborted));
        assert!(format!("{top:?}{:?}", children[MILLION / 2]).contains("all"));
    });
}

#[test]
fn a_wide_fan_is_dropped_in_any_order() {
    either_leaves_nothing(|handles| {
        let top = AbortHandle::new();
        let children = handles.fan(&top, MILLION);
        drop((top, children));
    });
    either_leaves_nothing(|handles| {
        let top = AbortHandle::new();
        drop((handles.fan(&top, MILLION), top));
    });
    either_leaves_nothing(|handles| {
        let top = AbortHandle::new();
        let mut children = handles.fan(&top, MILLION);
        drop_from_the_middle(children.split_off(MILLION / 2));
        drop(top);
        drop_from_the_middle(children);
    });
}

fn unrelated(n: usize) -> Vec<AbortHandle> {
    (0..n).map(|_| AbortHandle::new()).collect()
}

#[test]
fn a_join_of_many_parents_aborts_once_with_the_first_of_them() {
    for first in [0, MANY / 2, MANY - 1] {
        leaves_nothing(move || {
            let (parents, told) = (unrelated(MANY), Count::default());
            let join = counted(AbortHandle::any(&parents), &told);
            assert!(parents[first].abort("first"));
            assert!(join.is_aborted());
            let aborted = parents.iter().filter(|parent| parent.abort("later")).count();
            assert_eq!((aborted, told.get()), (MANY - 1, 1));
            assert_eq!(join.reason(), Some("first".into()));
        });
    }
}

#[test]
fn a_meet_of_many_parents_aborts_once_with_the_last_of_them() {
    for last in [0, MANY / 2, MANY - 1] {
        leaves_nothing(move || {
            let (parents, told) = (unrelated(MANY), Count::default());
            let meet = counted(AbortHandle::all(&parents), &told);
            for (number, parent) in parents.iter().enumerate() {
                assert!(number == last || parent.abort("one of many"));
            }
            assert!(!meet.is_aborted());
            assert!(parents[last].abort("last"));
            assert_eq!((meet.reason(), told.get()), (Some("last".into()), 1));
        });
    }
}

#[test]
fn what_lies_below_many_parents_is_dropped_before_between_and_after_them() {
    leaves_nothing(|| {
        let parents = unrelated(MANY);
        drop((AbortHandle::any(&parents), AbortHandle::all(&parents)));
        let (join, meet) = (AbortHandle::any(&parents), AbortHandle::all(&parents));
        let child = join.child();
        drop((parents, join, meet, child));
        let mut parents = unrelated(MANY);
        let (join, meet) = (AbortHandle::any(&parents), AbortHandle::all(&parents));
        let child = meet.child();
        drop_from_the_middle(parents.split_off(MANY / 2));
        drop((join, meet));
        drop_from_the_middle(parents);
        drop(child);
    });
}

/// Layer below layer of two nodes, each made of both that lie above it: the paths double at each.
fn diamond(
    top: &AbortHandle,
    told: &Count,
    node: impl Fn(usize, &AbortHandle, &AbortHandle) -> AbortHandle,
) -> [AbortHandle; 2] {
    (0..LAYERS).fold([top.child(), top.child()], |[left, right], depth| {
        [(); 2].map(|()| counted(node(depth, &left, &right), told))
    })
}

#[test]
fn a_diamond_aborts_each_node_once() {
    let join = |_, left: &AbortHandle, right: &AbortHandle| left | right;
    let meet = |_, left: &AbortHandle, right: &AbortHandle| left & right;
    let mixed = |depth, left: &AbortHandle, right: &AbortHandle| {
        if depth % 2 == 0 { left | right } else { left & right }
    };
    for node in [join, meet, mixed] {
        leaves_nothing(move || {
            let (top, told) = (AbortHandle::new(), Count::default());
            let [left, right] = diamond(&top, &told, node);
            assert!(!left.is_aborted() && !right.is_aborted());
            assert!(top.abort("through the diamond"));
            assert!(left.is_aborted() && right.is_aborted());
            assert_eq!(told.get(), 2 * LAYERS);
        });
    }
}

#[test]
fn a_diamond_that_never_aborts_is_dropped_from_either_end() {
    for top_first in [true, false] {
        leaves_nothing(move || {
            let (top, told) = (AbortHandle::new(), Count::default());
            let [left, right] = diamond(&top, &told, |_, left, right| &(left | right) & left);
            drop(if top_first { [top, left, right] } else { [right, left, top] });
            assert_eq!(told.get(), 0);
        });
    }
}

/// Counts with the others when the handle aborts.
fn counted(handle: AbortHandle, told: &Count) -> AbortHandle {
    let told = told.clone();
    handle.on_abort(move |_| _ = told.add()).detach();
    handle
}

/// A supervisor that passes on what it was told as the cause of what it tells.
#[test]
fn a_long_chain_of_causes_is_dropped_and_compared() {
    leaves_nothing(|| {
        let chain = || {
            let mut last = AbortHandle::new();
            last.abort("first");
            for _ in 0..MILLION / 4 {
                let next = AbortHandle::new();
                next.abort_because("restarted", last.check().unwrap_err());
                last = next;
            }
            last.check().unwrap_err()
        };
        assert_eq!(chain(), chain());
    });
}
