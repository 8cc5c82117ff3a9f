use std::{
    sync::{Arc, Mutex},
    task::{Wake, Waker},
};

/// A waker that runs `f` at its first wake, wherever that comes from.
pub(crate) fn on_wake(f: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(Mutex::new(Some(f)))))
}

struct OnWake<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        let f = self.0.lock().unwrap().take();
        if let Some(f) = f {
            f();
        }
    }
}
