//! What more than one test needs: counts, and the means to poll by hand.

#![allow(dead_code, reason = "no test file needs all of it")]
#![allow(unused_imports, reason = "no test file needs all of it")]
#![allow(unused_macros, reason = "no test file needs all of it")]

mod by_hand;
mod count;
mod counting_timer;
mod on_wake;
mod receivers;

pub(crate) use by_hand::ByHand;
pub(crate) use count::{Count, OnDrop};
pub(crate) use counting_timer::CountingTimer;
pub(crate) use on_wake::on_wake;
pub(crate) use receivers::for_each_receiver;
