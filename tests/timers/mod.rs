//! Every timer that a chain may be given: the process's own, Tokio's on a runtime of each flavour,
//! async-io's, a board's alarm, and the clock for tests.
//!
//! `tokio`, `async_io` and `board` are written to be copied into a program. See examples/timers.rs, too.

#![allow(dead_code, reason = "no test file needs all of it")]
#![allow(unused_imports, reason = "no test file needs all of it")]
#![allow(unused_macros, reason = "no test file needs all of it")]

pub(crate) mod async_io;
pub(crate) mod board;
pub(crate) mod chip;
mod given;
pub(crate) mod tokio;

use std::{
    future::{Future, pending},
    panic::resume_unwind,
    pin::pin,
    sync::{
        OnceLock,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
};

use ::tokio::runtime::{Builder, Handle, Runtime};
use futures::{
    channel::oneshot,
    future::{Either, select},
};

pub(crate) use given::Given;

use crate::support::LONG;

/// A runtime that has nothing to do but to tell the time, on its one worker.
pub(crate) fn multi_thread() -> Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let made = || Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    RUNTIME.get_or_init(made).handle().clone()
}

/// Likewise, on a thread that is inside its `block_on` for ever.
pub(crate) fn current_thread() -> Handle {
    static HANDLE: OnceLock<Handle> = OnceLock::new();
    let made = || {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(pending::<()>()));
        handle
    };
    HANDLE.get_or_init(made).clone()
}

/// Fails a promise that hangs, by none of the timers.
pub(crate) async fn in_time(promise: impl Future<Output = ()>) {
    let (done, is_done) = mpsc::channel::<()>();
    let (tell, hangs) = oneshot::channel();
    thread::spawn(move || {
        let waited = is_done.recv_timeout(LONG);
        // A receiver that is gone doesn't want to know.
        tell.send(waited == Err(RecvTimeoutError::Timeout)).unwrap_or(());
    });
    let promise = pin!(promise);
    let ended = matches!(select(promise, hangs).await, Either::Left(_));
    assert!(ended, "it hangs");
    drop(done);
}

/// Fails a test that hangs, be it on a lock. What it waits for may take up to `LONG`.
pub(crate) fn on_a_thread_of_its_own(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _done = done;
        test();
    });
    let waited = is_done.recv_timeout(2 * LONG);
    assert_eq!(waited, Err(RecvTimeoutError::Disconnected), "it hangs");
    if let Err(panic) = thread.join() {
        resume_unwind(panic);
    }
}

/// Makes a test of each function for each timer.
macro_rules! by_every_timer {
    ($($(#[$attr:meta])* fn $name:ident($given:ident: Given) $body:block)+) => {
        $($(#[$attr])* mod $name {
            #[allow(unused_imports)]
            use super::*;
            use $crate::timers::{Given, on_a_thread_of_its_own};

            fn test($given: Given) $body

            #[test]
            fn by_the_default() {
                on_a_thread_of_its_own(|| test(Given::the_default()));
            }

            #[test]
            fn by_tokios_current_thread() {
                on_a_thread_of_its_own(|| test(Given::tokios_current_thread()));
            }

            #[test]
            fn by_tokios_multi_thread() {
                on_a_thread_of_its_own(|| test(Given::tokios_multi_thread()));
            }

            #[test]
            fn by_async_ios() {
                on_a_thread_of_its_own(|| test(Given::async_ios()));
            }

            #[test]
            fn by_the_boards() {
                on_a_thread_of_its_own(|| test(Given::the_boards()));
            }

            #[test]
            fn by_the_test_clock() {
                on_a_thread_of_its_own(|| test(Given::the_test_clock()));
            }
        })+
    };
}
pub(crate) use by_every_timer;

/// Makes a test of each function for each timer on each executor: `promise::by_timer::on_executor`.
macro_rules! by_every_timer_on_every_executor {
    ($(
        $(#[$attr:meta])* async fn $name:ident($executor:ident: Executor, $given:ident: Given) $body:block
    )+) => {
        $($(#[$attr])* mod $name {
            use super::*;
            use $crate::{executors::{self, Executor}, timers::{Given, in_time}};

            async fn promise($executor: &Executor, $given: Given) $body

            executors::on_every_executor! {
                async fn by_the_default(executor: Executor) {
                    in_time(promise(&executor, Given::the_default())).await;
                }

                async fn by_tokios_current_thread(executor: Executor) {
                    in_time(promise(&executor, Given::tokios_current_thread())).await;
                }

                async fn by_tokios_multi_thread(executor: Executor) {
                    in_time(promise(&executor, Given::tokios_multi_thread())).await;
                }

                async fn by_async_ios(executor: Executor) {
                    in_time(promise(&executor, Given::async_ios())).await;
                }

                async fn by_the_boards(executor: Executor) {
                    in_time(promise(&executor, Given::the_boards())).await;
                }

                async fn by_the_test_clock(executor: Executor) {
                    in_time(promise(&executor, Given::the_test_clock())).await;
                }
            }
        })+
    };
}
pub(crate) use by_every_timer_on_every_executor;
