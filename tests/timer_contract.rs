//! What `Timer` asks of whoever implements it, seen alarm by alarm. Real time is its subject, so a few
//! milliseconds are waited for.

#[allow(dead_code, unused_imports, unused_macros, reason = "nothing here runs as a task")]
mod executors;
mod support;
mod timers;

use std::{
    future::pending,
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    task::{Wake, Waker},
    time::Duration,
};

use support::{
    ByHand, CENTURY, LONG, MILLISECOND, NANOSECOND, on_first_wake, on_wake, panic_quietly,
    poll_with,
};
use tenure::{
    AbortHandle, OwnedFuture,
    time::{AlarmId, Instant, Sleep, Timer, TimerHandle},
};
use timers::{
    async_io::AsyncIoTimer,
    board::{BoardAlarm, Registers},
    chip, current_thread, multi_thread, on_a_thread_of_its_own,
    tokio::TokioTimer,
};

const SOON: Duration = Duration::from_millis(2);

/// A waker that tells of each wake. When none of its clones is left, the receiver hears of that.
fn bell() -> (Waker, Receiver<()>) {
    let (tell, told) = mpsc::channel();
    (on_wake(move || tell.send(()).unwrap_or(())), told)
}

#[track_caller]
fn assert_rings(told: &Receiver<()>) {
    assert_eq!(told.recv_timeout(LONG), Ok(()));
}

/// No waker is left, and it has not been woken since.
#[track_caller]
fn assert_let_go(told: &Receiver<()>) {
    assert_eq!(told.try_recv(), Err(TryRecvError::Disconnected));
}

/// As `assert_let_go`, where another thread may still be at it.
#[track_caller]
fn assert_is_let_go(told: &Receiver<()>) {
    assert_eq!(told.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
}

/// No waker is left in the end, whether it was woken or not.
#[track_caller]
fn assert_ends(told: &Receiver<()>) {
    let end = iter::repeat_with(|| told.recv_timeout(LONG)).find_map(Result::err);
    assert_eq!(end, Some(RecvTimeoutError::Disconnected));
}

/// Sets an alarm that it keeps: here, and in `sleep`.
fn set(timer: &TimerHandle, after: Duration, waker: &Waker) -> Sleep {
    let mut sleep = timer.sleep(after);
    if poll_with(&mut sleep, waker).is_ready() {
        waker.wake_by_ref();
    }
    sleep
}

timers::by_every_timer! {
    fn what_is_aborted_or_dropped_lets_go_of_all_its_wakers(given: Given) {
        let stop = AbortHandle::new();
        let long = || given.timer.sleep(LONG).with_timeout(LONG).with_timer(&given.timer);
        let mut aborted = ByHand::polled(long().with_abort(&stop));
        let dropped = ByHand::polled(long());
        assert!(aborted.wakers() > 0 && dropped.wakers() > 0);

        stop.abort("enough");
        assert_eq!(aborted.wakes(), 1);
        assert!(aborted.ready().is_err());
        assert_eq!(aborted.wakers(), 0);

        let task = dropped.task();
        drop(dropped);
        assert_eq!(task.wakers(), 0);
    }

    fn an_alarm_wakes_the_task_that_has_it_now(given: Given) {
        let ((here, woken_here), (there, woken_there)) = (bell(), bell());
        let mut sleep = set(&given.timer, 5 * MILLISECOND, &here);
        drop(here);
        // Ready where the machine took that long.
        if poll_with(&mut sleep, &there).is_pending() {
            given.let_pass();
            assert_rings(&woken_there);
            // It may have rung in the very moment in which it went elsewhere.
            assert_ends(&woken_here);
        }
    }

    fn a_waker_that_panics_keeps_no_other_asleep(given: Given) {
        let bells: Vec<_> = (0..10).map(|_| bell()).collect();
        let panics = on_wake(|| panic_quietly());
        let at = given.timer.now() + 5 * MILLISECOND;
        let mut sleeps = Vec::new();
        for (n, (waker, _)) in (0..).zip(&bells) {
            // At the same instant as the others, before it, and after it.
            let mut panicking = given.timer.sleep_until(at + n % 3 * MILLISECOND);
            let mut sleep = given.timer.sleep_until(at + MILLISECOND);
            let _ = poll_with(&mut panicking, &panics);
            if poll_with(&mut sleep, waker).is_ready() {
                waker.wake_by_ref();
            }
            sleeps.extend([panicking, sleep]);
        }
        given.let_pass();
        bells.iter().for_each(|(_, told)| assert_rings(told));

        // Nor does it end the timer.
        let (waker, told) = bell();
        let _next = set(&given.timer, SOON, &waker);
        given.let_pass();
        assert_rings(&told);
    }

    fn what_is_far_away_does_not_overflow(given: Given) {
        let now = given.timer.now();
        let ends = [CENTURY, 5 * CENTURY, 100 * CENTURY, Duration::MAX].map(|far| now + far);
        let ends = [&ends[..], &[Instant::NEVER, Instant::from_nanos(u64::MAX - 1)]].concat();
        let (far, woken) = bell();
        let mut sleeps: Vec<_> = ends.iter().map(|at| given.timer.sleep_until(*at)).collect();
        assert!(sleeps.iter_mut().all(|sleep| poll_with(sleep, &far).is_pending()));
        let long = pending::<()>().with_timeout(Duration::MAX).with_timer(&given.timer);
        let mut chain = Box::pin(long);
        assert!(poll_with(chain.as_mut(), &far).is_pending());

        let (soon, told) = bell();
        let _sleep = set(&given.timer, SOON, &soon);
        given.let_pass();
        assert_rings(&told);
        assert_eq!(woken.try_recv(), Err(TryRecvError::Empty));
        drop((sleeps, chain, far));
        assert_let_go(&woken);
    }

    fn a_waker_may_come_back_in(given: Given) {
        let (waker, told) = bell();
        let timer = given.timer.clone();
        let cancelled_within = set(&timer, LONG, Waker::noop());
        let comes_back = on_first_wake(move || {
            drop(cancelled_within);
            // It must outlive this call.
            std::mem::forget(set(&timer, MILLISECOND, &waker));
        });
        let _sleep = set(&given.timer, SOON, &comes_back);
        given.let_pass();
        given.let_pass();
        assert_rings(&told);
    }
}

/// A waker that does nothing, until it is dropped.
fn on_drop(f: impl FnOnce() + Send + 'static) -> Waker {
    struct OnDrop<F: FnOnce()>(Mutex<Option<F>>);
    impl<F: FnOnce()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            let f = self.0.get_mut().unwrap().take().expect("dropped once");
            f();
        }
    }
    impl<F: FnOnce() + Send> Wake for OnDrop<F> {
        fn wake(self: Arc<Self>) {}
    }
    Waker::from(Arc::new(OnDrop(Mutex::new(Some(f)))))
}

/// Makes a test of each function for each of the timers that are written to be copied.
macro_rules! by_every_timer_of_ones_own {
    ($($(#[$attr:meta])* fn $name:ident($timer:ident: &'static dyn Timer) $body:block)+) => {
        $($(#[$attr])* mod $name {
            use super::*;

            fn test($timer: &'static dyn Timer) $body

            #[test]
            fn by_tokios_current_thread() {
                on_a_thread_of_its_own(|| test(leak(TokioTimer::new(current_thread()))));
            }

            #[test]
            fn by_tokios_multi_thread() {
                on_a_thread_of_its_own(|| test(leak(TokioTimer::new(multi_thread()))));
            }

            #[test]
            fn by_async_ios() {
                on_a_thread_of_its_own(|| test(leak(AsyncIoTimer::new())));
            }

            #[test]
            fn by_the_boards() {
                on_a_thread_of_its_own(|| test(chip::alarm()));
            }
        })+
    };
}

fn leak(timer: impl Timer + 'static) -> &'static dyn Timer {
    Box::leak(Box::new(timer))
}

by_every_timer_of_ones_own! {
    fn an_alarm_rings_once_and_not_early_and_leaves_nothing_behind(timer: &'static dyn Timer) {
        for after in [Duration::ZERO, NANOSECOND, Duration::from_micros(300), SOON] {
            let (waker, told) = bell();
            let at = timer.now() + after;
            timer.wake_at(at, waker);
            assert_rings(&told);
            assert!(timer.now() >= at);
            // Nobody cancels it.
            assert_is_let_go(&told);
        }
    }

    fn what_has_passed_rings_at_once(timer: &'static dyn Timer) {
        for at in [Instant::START, Instant::from_nanos(1), timer.now()] {
            let (waker, told) = bell();
            let alarm = timer.wake_at(at, waker);
            assert_rings(&told);
            assert_is_let_go(&told);
            timer.cancel(at, alarm); // has rung: no error
        }
    }

    fn an_earlier_alarm_does_not_wait_for_a_later_one(timer: &'static dyn Timer) {
        let ((later, not_told), (earlier, told)) = (bell(), bell());
        let at = timer.now() + LONG;
        let alarm = timer.wake_at(at, later);
        timer.wake_at(timer.now() + SOON, earlier);
        assert_rings(&told);
        assert_eq!(not_told.try_recv(), Err(TryRecvError::Empty));
        timer.cancel(at, alarm);
        assert_let_go(&not_told);
    }

    fn of_two_at_one_instant_the_right_one_is_cancelled(timer: &'static dyn Timer) {
        let at = timer.now() + 5 * MILLISECOND;
        let bells = [bell(), bell(), bell()];
        let alarms = bells.each_ref().map(|(waker, _)| timer.wake_at(at, waker.clone()));
        timer.cancel(at, alarms[1]);
        let in_time = timer.now() < at;
        let [first, second, third] = bells.map(|(_, told)| told);
        assert_rings(&first);
        assert_rings(&third);
        assert!(!in_time || second.try_recv() == Err(TryRecvError::Disconnected));
    }

    fn to_cancel_what_was_never_set_is_no_error(timer: &'static dyn Timer) {
        let (waker, told) = bell();
        let at = timer.now() + SOON;
        let alarm = timer.wake_at(at, waker);
        timer.cancel(Instant::NEVER, AlarmId::new(u64::MAX));
        timer.cancel(at, AlarmId::new(u64::MAX));
        assert_rings(&told);
        timer.cancel(at, alarm);
        timer.cancel(at, alarm);
    }

    fn a_waker_may_come_back_in_as_it_is_dropped(timer: &'static dyn Timer) {
        let (at, (tell, told)) = (timer.now() + LONG, mpsc::channel());
        let other = timer.wake_at(at, Waker::noop().clone());
        let alarm = timer.wake_at(at, on_drop(move || {
            timer.cancel(at, other);
            timer.cancel(at, timer.wake_at(at, Waker::noop().clone()));
            tell.send(()).unwrap();
        }));
        timer.cancel(at, alarm);
        assert_rings(&told);
    }

    fn alarms_set_and_cancelled_on_many_threads_ring_or_are_let_go(timer: &'static dyn Timer) {
        std::thread::scope(|threads| {
            for thread in 0..4 {
                threads.spawn(move || {
                    for n in 0..100_u64 {
                        let ((waker, told), (dropped, not_told)) = (bell(), bell());
                        let at = timer.now() + Duration::from_micros((n * 37 + thread) % 500);
                        timer.wake_at(at, waker);
                        let alarm = timer.wake_at(at, dropped);
                        assert_rings(&told);
                        assert_is_let_go(&told);
                        // Whether it has rung or not.
                        timer.cancel(at, alarm);
                        assert_ends(&not_told);
                    }
                });
            }
        });
    }
}

/// Between a look at the counter and the register, the counter goes on; one that is past never comes again.
#[test]
fn a_board_misses_nothing_that_becomes_due_while_it_tells_its_chip() {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static ALARM: BoardAlarm = BoardAlarm::new(Registers {
        count: || COUNT.load(Ordering::SeqCst),
        // So long did it take.
        compare: |at| COUNT.store(at, Ordering::SeqCst),
        interrupt: || {},
    });
    // In ticks of a microsecond; the second comes between two.
    for nanos in [1_000, 1_500, 9_000, 9_000] {
        let (waker, told) = bell();
        ALARM.wake_at(Instant::from_nanos(nanos), waker);
        ALARM.on_alarm();
        assert_rings(&told);
        assert!(ALARM.now() >= Instant::from_nanos(nanos));
    }
}
