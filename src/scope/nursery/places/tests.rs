//! The places against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

proptest! {
    /// Half of the steps insert, the others remove what stands, or stood, at some key.
    #[test]
    fn each_stands_where_it_was_put(steps in proptest::collection::vec(any::<(bool, u32)>(), 0..400)) {
        let mut places = Places::default();
        let mut map = BTreeMap::new();
        for (step, (inserts, number)) in (0_u32..).zip(steps) {
            if inserts {
                let key = places.next_key();
                places.insert(step);
                prop_assert_eq!(map.insert(key, step), None);
            } else {
                let key = number % (places.end() + 1);
                prop_assert_eq!(places.remove(key), map.remove(&key));
            }
            prop_assert_eq!(places.len(), map.len());
            prop_assert!(map.keys().all(|key| *key < places.end()));
            // What is vacant is used again.
            prop_assert_eq!(places.next_key() == places.end(), map.len() == places.end() as usize);
        }
        for key in 0..places.end() {
            prop_assert_eq!(places.get_mut(key).map(|value| *value), map.get(&key).copied());
        }
    }
}

#[test]
fn what_is_left_is_small_where_many_were() {
    for last_first in [true, false] {
        let mut places = Places::default();
        (0..10_000).for_each(|value| places.insert(value));
        for key in 1..10_000 {
            let key = if last_first { 10_000 - key } else { key };
            assert_eq!(places.remove(key), Some(key));
        }
        assert_eq!((places.len(), places.end()), (1, 1));
        assert!(places.more.is_empty() && places.more.capacity() <= BLOCK);
        assert_eq!(places.remove(0), Some(0));
        assert_eq!(places.end(), 0);
    }
}
