use std::{
    sync::{Arc, Mutex},
    task::{Wake, Waker},
};

/// A waker that runs `f` at each wake, wherever that comes from.
pub(crate) fn on_wake(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(f)))
}

/// As `on_wake`, at the first wake alone.
pub(crate) fn on_first_wake(f: impl FnOnce() + Send + 'static) -> Waker {
    let first = Mutex::new(Some(f));
    on_wake(move || {
        let f = first.lock().unwrap().take();
        if let Some(f) = f {
            f();
        }
    })
}

struct OnWake<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}
