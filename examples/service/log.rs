//! What the service says, and remembers that it has said.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use tenure::owner::Key;

/// Which connection it is that something is done for. Whoever works for one finds it: nobody has to pass it on.
pub(crate) static CONNECTION: Key<u32> = Key::new("connection");

#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    began: Instant,
}

impl Default for Log {
    fn default() -> Self {
        Self { lines: Arc::default(), began: Instant::now() }
    }
}

impl Log {
    pub(crate) fn say(&self, line: impl Into<String>) {
        let line = match CONNECTION.get() {
            Some(number) => format!("[{number}] {}", line.into()),
            None => line.into(),
        };
        println!("{:>6} ms  {line}", self.began.elapsed().as_millis());
        self.lines.lock().expect("nobody panics while it is held").push(line);
    }

    /// All that was said so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics while it is held").clone()
    }
}
