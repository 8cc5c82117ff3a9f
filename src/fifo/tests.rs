//! The list against one in one piece.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

proptest! {
    /// A number is how many are pushed, or, below zero, how many are taken out.
    #[test]
    fn they_come_out_in_their_order(steps in proptest::collection::vec(-100..100_i32, 0..40)) {
        let mut fifo = Fifo::default();
        let mut list = VecDeque::new();
        let mut came = 0;
        for step in steps {
            for _ in 0..step {
                fifo.push(came);
                list.push_back(came);
                came += 1;
            }
            for _ in step..0 {
                prop_assert_eq!(fifo.pop(), list.pop_front());
            }
            prop_assert_eq!((fifo.len(), fifo.is_empty()), (list.len(), list.is_empty()));
        }
        prop_assert!(fifo.eq(list));
    }
}

#[test]
fn no_more_than_a_block_is_kept() {
    let mut fifo = Fifo::default();
    (0..1_000).for_each(|item| fifo.push(item));
    while fifo.pop().is_some() {}
    let others = fifo.others.unwrap();
    assert!(others.next.top.is_none() && others.full.top.is_none());
    assert!(others.front.capacity() + others.back.capacity() <= 2 * BLOCK);
}

#[test]
fn one_at_a_time_allocates_nothing() {
    let mut fifo = Fifo::default();
    for item in 0..3 {
        fifo.push(item);
        assert_eq!(fifo.pop(), Some(item));
    }
    assert!(fifo.others.is_none());
}
