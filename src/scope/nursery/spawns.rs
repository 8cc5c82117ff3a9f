use core::fmt;

use super::{
    JoinHandle, LocalNursery, Nursery, Takes,
    child::{Plain, Trying},
    local::spawn_kept,
    spawn_sent,
};
use crate::operation::Operation;

/// A nursery that a chain can be spawned in: see [`Owned::spawn_in`](crate::Owned::spawn_in). Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no nursery that this chain can be spawned in",
    label = "polls no children",
    note = "a nursery is what `tenure::scope(async |n| ..)` hands out; in a `Scope`, which runs nothing, `.in_scope(&scope)` puts what is spawned elsewhere"
)]
pub trait Spawns<O: Operation>: sealed::Spawns<O> {}

impl<O: Operation, N: sealed::Spawns<O>> Spawns<O> for N {}

/// As [`Spawns`], for a chain whose failure aborts its siblings.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no nursery that this chain can be spawned in",
    label = "polls no children",
    note = "a nursery is what `tenure::scope(async |n| ..)` hands out; in a `Scope`, which runs nothing, `.try_in_scope(&scope)` puts what is spawned elsewhere"
)]
pub trait TrySpawns<O: Operation, T>: sealed::TrySpawns<O, T> {}

impl<O: Operation, T, N: sealed::TrySpawns<O, T>> TrySpawns<O, T> for N {}

mod sealed {
    use super::*;

    pub trait Spawns<O: Operation> {
        fn spawn_operation(&self, op: O) -> JoinHandle<O::Output>;
    }

    pub trait TrySpawns<O: Operation, T> {
        fn try_spawn_operation(&self, op: O) -> JoinHandle<T>;
    }

    impl<'env, O, E> Spawns<O> for Nursery<'env, E>
    where
        O: Operation<Output: Send + 'env, State: Send> + Send + 'env,
    {
        fn spawn_operation(&self, op: O) -> JoinHandle<O::Output> {
            spawn_sent::<_, _, Plain, E>(self, op)
        }
    }

    impl<'env, O, E> Spawns<O> for LocalNursery<'env, E>
    where
        O: Operation<Output: 'env> + 'env,
    {
        fn spawn_operation(&self, op: O) -> JoinHandle<O::Output> {
            spawn_kept::<_, _, Plain, E>(self, op)
        }
    }

    impl<'env, O, T, X, E> TrySpawns<O, T> for Nursery<'env, E>
    where
        O: Operation<Output = Result<T, X>, State: Send> + Send + 'env,
        T: Send + 'env,
        X: fmt::Display,
        E: Takes<X>,
    {
        fn try_spawn_operation(&self, op: O) -> JoinHandle<T> {
            spawn_sent::<_, _, Trying, E>(self, op)
        }
    }

    impl<'env, O, T, X, E> TrySpawns<O, T> for LocalNursery<'env, E>
    where
        O: Operation<Output = Result<T, X>> + 'env,
        T: 'env,
        X: fmt::Display,
        E: Takes<X>,
    {
        fn try_spawn_operation(&self, op: O) -> JoinHandle<T> {
            spawn_kept::<_, _, Trying, E>(self, op)
        }
    }
}
