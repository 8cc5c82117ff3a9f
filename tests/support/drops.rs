use std::future::Future;

use super::Count;

/// Counts how many of its tokens live and how many were dropped. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops {
    made: Count,
    dropped: Count,
}

/// Made by [`Drops::token`].
#[derive(Debug)]
pub(crate) struct Token {
    dropped: Count,
}

impl Drops {
    pub(crate) fn token(&self) -> Token {
        self.made.add();
        Token { dropped: self.dropped.clone() }
    }

    /// Counts when `future` is dropped.
    pub(crate) fn of<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let token = self.token();
        async move {
            let _token = token;
            future.await
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.made.get()
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped.get()
    }

    pub(crate) fn live(&self) -> usize {
        self.made() - self.dropped()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.dropped.add();
    }
}
