//! What the models have in common.

use std::{
    any::type_name,
    sync::{
        Arc,
        atomic::{AtomicUsize as Count, Ordering::Relaxed},
    },
};

/// Runs `threads` in all orders, and says in how many.
pub(crate) fn model<F: Fn() + Send + Sync + 'static>(threads: F) {
    let orders = Arc::new(Count::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    let count = orders.clone();
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        threads();
    });
    let name = type_name::<F>().rsplit("::").nth(1).unwrap_or("?");
    std::println!("{name}: Completed in {} iterations", orders.load(Relaxed));
}
