//! What more than one test needs, one concept a file.

#![allow(dead_code, reason = "no test file needs all of it")]
#![allow(unused_imports, reason = "no test file needs all of it")]
#![allow(unused_macros, reason = "no test file needs all of it")]

mod attempts;
mod by_hand;
mod count;
mod counting_timer;
mod drops;
mod durations;
mod log;
mod panics;
mod receivers;
mod wakers;

pub(crate) use attempts::{failing, hanging};
pub(crate) use by_hand::{ByHand, poll_once, poll_with};
pub(crate) use count::Count;
pub(crate) use counting_timer::CountingTimer;
pub(crate) use drops::{Drops, Token};
pub(crate) use durations::{CENTURY, LONG, MILLISECOND, NANOSECOND, SECOND};
pub(crate) use log::Log;
pub(crate) use panics::{message, panic_of, panic_quietly};
pub(crate) use receivers::for_each_receiver;
pub(crate) use wakers::{on_first_wake, on_wake};
