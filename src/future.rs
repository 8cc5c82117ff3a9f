//! What users chain on: [`OwnedFuture`] on any future or closure, [`Owned`] from then on.

mod flatten;
mod owned;
mod receiver;

pub use flatten::{Error, Flatten, FlattenInto};
pub use owned::Owned;
pub use receiver::{FromCall, FromFuture, FromTask, OwnedFuture};
