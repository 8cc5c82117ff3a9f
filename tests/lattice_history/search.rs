//! Looks for an order of steps that explains a history.

use std::collections::HashSet;

use super::{Event, Spec};

/// Sees to it that there is one, or tells how far the best goes.
///
/// As Wing and Gong do it, and Lowe: depth first, what was seen before what may happen unseen, and no
/// state a second time.
pub(crate) fn explain(spec: &Spec, history: &[Event]) -> Result<(), usize> {
    let mut met = HashSet::new();
    let mut open = vec![(0, spec.start())];
    let mut explained = 0;
    while let Some((place, state)) = open.pop() {
        let Some(event) = history.get(place) else {
            return Ok(());
        };
        explained = explained.max(place);
        if !met.insert((place, state.clone())) {
            continue;
        }
        open.extend(spec.steps(&state).into_iter().map(|next| (place, next)));
        open.extend(spec.observe(state, event).map(|next| (place + 1, next)));
    }
    Err(explained)
}
