//! What the users of p-queue rely on, on a clock that jumps. What it shares with p-limit is in `limit_from_p_limit.rs`.

mod executors;
mod support;
mod works;

use std::{
    future::{Future, pending},
    pin::Pin,
    time::Duration,
};

use futures::future::{join, join_all};
use futures_lite::future::yield_now;
use support::{ByHand, Count, CountingTimer, MILLISECOND, SECOND};
use tenure::{
    AbortHandle, AbortReason, Aborted, Limit, OwnedFuture,
    limit::{Builder, Rate},
    time::Instant,
    try_scope,
};
use works::{Works, drain, millis, starts};

fn counts(limit: &Limit) -> (usize, usize) {
    (limit.active(), limit.waiting())
}

fn fixed(amount: u64, per: u64) -> impl Fn(Builder) -> Builder {
    move |builder| builder.rate(Rate::fixed_window(amount, millis(per)))
}

fn sliding(amount: u64, per: u64) -> impl Fn(Builder) -> Builder {
    move |builder| builder.rate(Rate::sliding_window(amount, millis(per)))
}

const NOW: (u32, u32) = (0, 0);

#[test]
fn in_a_fixed_window_each_starts_as_soon_as_the_window_lets_it() {
    assert_eq!(starts(fixed(2, 1000), [NOW; 3]), [0, 0, 1000]);
    assert_eq!(starts(fixed(1, 500), [NOW, (250, 0)]), [0, 500]);
    // How long each takes doesn't matter.
    assert_eq!(starts(fixed(1, 500), [(0, 600); 2]), [0, 500]);
    assert_eq!(starts(fixed(2, 100), [(0, 50); 4]), [0, 0, 100, 100]);
    // One after the other, each awaited before the next comes.
    assert_eq!(starts(fixed(1, 100), [NOW, (0, 0), (100, 0), (200, 0)]), [0, 100, 200, 300]);
    assert_eq!(starts(fixed(1, 100), [NOW, (50, 0), (150, 0), (250, 0)]), [0, 100, 200, 300]);
    // In no time, any number.
    assert_eq!(starts(fixed(1, 0), [(0, 10); 3]), [0, 0, 0]);
}

#[test]
fn a_fixed_window_is_remembered_while_nothing_runs() {
    assert_eq!(starts(fixed(2, 1000), [NOW, (300, 0), (300, 0)]), [0, 300, 1000]);
    assert_eq!(starts(fixed(2, 200), [NOW, (120, 0), (120, 0)]), [0, 120, 200]);
}

#[test]
fn a_fixed_window_that_has_ended_is_forgotten() {
    assert_eq!(starts(fixed(2, 1000), [(0, 500), (0, 500), (1100, 0)]), [0, 0, 1100]);
    // The next begins with whoever comes, and not where the last one ended.
    let later = [NOW, (120, 0), (220, 0), (220, 0), (220, 0)];
    assert_eq!(starts(fixed(2, 200), later), [0, 120, 220, 220, 420]);
    assert_eq!(starts(fixed(1, 100), [NOW, (250, 0), (250, 0)]), [0, 250, 350]);
    // To the nanosecond: the window that ends now has ended.
    assert_eq!(starts(fixed(2, 200), [NOW, (199, 0), (200, 0), (200, 0)]), [0, 199, 200, 200]);
}

#[test]
fn a_window_and_a_number_of_permits_hold_together() {
    let five = |builder: Builder| fixed(10, 1000)(builder.concurrency(5));
    let expected = [0, 0, 0, 0, 0, 300, 300, 300, 300, 300, 1000, 1000, 1000];
    assert_eq!(starts(five, [(0, 300); 13]), expected);
    let one = |builder: Builder| fixed(2, 2000)(builder.concurrency(1));
    assert_eq!(starts(one, [(0, 100), (0, 100), (1000, 0)]), [0, 100, 2000]);
    let ten = |builder: Builder| fixed(2, 100)(builder.concurrency(10));
    assert_eq!(starts(ten, [(0, 50); 4]), [0, 0, 100, 100]);
}

#[test]
fn five_thousand_at_once_pass_a_thousand_a_window() {
    let works = Works::default();
    let limit = fixed(1000, 1000)(works.builder().concurrency(5000)).build();
    works.run(join_all((0..5000).map(|n| works.work(n, 0).limit(&limit))));
    let starts = works.starts();
    for (window, starts) in starts.chunks(1000).enumerate() {
        assert!(starts.iter().all(|at| *at == 1000 * window as u128), "window {window}");
    }
    assert_eq!(starts.len(), 5000);
}

#[test]
fn no_span_of_a_sliding_window_has_more() {
    assert_eq!(starts(sliding(2, 1000), [NOW; 6]), [0, 0, 1000, 1000, 2000, 2000]);
    assert_eq!(starts(sliding(3, 100), [NOW; 3]), [0; 3], "as many as may");
    // What began first stops to count first.
    assert_eq!(starts(sliding(2, 120), [NOW, (60, 0), (120, 0), (120, 0)]), [0, 60, 120, 180]);
    // No burst where two windows would meet.
    let at_the_border = [(0, 0), (90, 0), (100, 0), (100, 0)];
    assert_eq!(starts(sliding(2, 100), at_the_border), [0, 90, 100, 190]);
    assert_eq!(starts(fixed(2, 100), at_the_border), [0, 90, 100, 100]);
    // After a rest, as many at once again.
    assert_eq!(starts(sliding(2, 100), [NOW, NOW, (150, 0), (150, 0)]), [0, 0, 150, 150]);
    // One after the other, each awaited before the next comes.
    assert_eq!(starts(sliding(2, 100), [NOW, (0, 0), (0, 0), (100, 0)]), [0, 0, 100, 100]);
    // It is starts that count, also of what takes longer than the window.
    assert_eq!(starts(sliding(3, 100), [(0, 250); 6]), [0, 0, 0, 100, 100, 100]);
    let two = |builder: Builder| sliding(2, 100)(builder.concurrency(2));
    assert_eq!(starts(two, [(0, 150); 4]), [0, 0, 150, 150]);
    let one = |builder: Builder| sliding(3, 100)(builder.concurrency(1));
    assert_eq!(starts(one, [(0, 10); 6]), [0, 10, 20, 100, 110, 120]);

    for (jobs, amount, per) in [(30, 10, 100), (50, 5, 50), (12, 3, 100), (300, 5, 10)] {
        let works = Works::default();
        let limit = sliding(amount, per)(works.builder()).build();
        works.run(join_all((0..jobs).map(|n| works.work(n, 0).limit(&limit))));
        let starts = works.starts();
        let spans = starts.iter().zip(&starts[amount as usize..]);
        assert!(spans.clone().all(|(one, other)| other - one >= u128::from(per)), "{starts:?}");
        let last = (jobs as u64 - 1) / amount * per;
        assert_eq!(works.millis(), u128::from(last), "and none waits for longer than it must");
    }
}

#[test]
fn to_clear_gives_nothing_of_the_window_back() {
    for settings in [fixed(2, 100)(Limit::builder()), sliding(2, 100)(Limit::builder())] {
        let works = Works::default();
        let limit = settings.timer(&works.clock).build();
        let jobs = (0..4).map(|n| works.work(n, 0).limit(&limit));
        let (all, cleared) = works.run(join(join_all(jobs), async {
            yield_now().await;
            limit.clear("cleared")
        }));
        assert_eq!((all.iter().filter(|job| job.is_ok()).count(), cleared), (2, 2));
        works.run(join_all((4..6).map(|n| works.work(n, 0).limit(&limit))));
        assert_eq!(works.starts(), [0, 0, 100, 100]);
    }
}

#[test]
fn while_paused_windows_go_on_and_nobody_starts() {
    let two = |builder: Builder| fixed(2, 1000)(builder.concurrency(2));
    let works = Works::default();
    let limit = two(works.builder()).build();
    let jobs = (0..4).map(|n| works.work(n, 100).limit(&limit));
    works.run(join(join_all(jobs), async {
        works.sleep(600).await;
        limit.pause();
        works.sleep(900).await;
        limit.resume();
    }));
    assert_eq!(works.starts(), [0, 0, 1500, 1500]);

    // A job may do it: whoever comes behind waits, though there is room.
    let works = Works::default();
    let limit = fixed(1, 100)(works.builder()).build();
    let jobs = join(async { limit.pause() }.limit(&limit), works.work(1, 0).limit(&limit));
    let ((pauses, waits), ()) = works.run(join(jobs, async {
        works.sleep(300).await;
        assert_eq!((limit.waiting(), works.begun()), (1, vec![]));
        limit.resume();
    }));
    assert_eq!((pauses, waits), (Ok(()), Ok(1)));
    assert_eq!(works.millis(), 300);

    // Paused from the start: then as many as may.
    let works = Works::default();
    let limit = sliding(2, 100)(works.builder().paused()).build();
    let jobs = join_all((0..4).map(|n| works.work(n, 0).limit(&limit)));
    works.run(join(jobs, async {
        works.sleep(50).await;
        limit.resume();
    }));
    assert_eq!(works.starts(), [50, 50, 150, 150]);
}

#[test]
fn pausing_and_resuming_in_quick_turns_loses_nobody() {
    let works = Works::default();
    let limit = fixed(1, 100)(works.builder().paused()).build();
    let jobs = join_all((0..4).map(|n| works.work(n, 0).limit(&limit)));
    works.run(join(jobs, async {
        for _ in 0..3 {
            limit.resume();
            works.sleep(30).await;
            limit.pause();
            works.sleep(50).await;
        }
        limit.resume();
    }));
    // It is paused from 30 to 80, from 110 to 160 and from 190 to 240: over the end of the second window.
    assert_eq!(works.starts(), [0, 100, 240, 340]);
}

/// A job that brings about another one, and waits for it. One that waited so for a rate was once refused, as if it
/// waited for the permit that it holds itself.
#[test]
fn what_a_job_adds_is_counted_like_all_else() {
    type Job = Pin<Box<dyn Future<Output = Result<(), Aborted>> + Send>>;
    fn job(works: Works, limit: Limit, n: usize) -> Job {
        let own = limit.clone();
        let adds = async move {
            works.work(n, 0).await;
            if n < 4 {
                job(works, own, n + 1).await.unwrap();
            }
        };
        Box::pin(adds.limit(&limit))
    }
    let works = Works::default();
    let limit = fixed(2, 100)(works.builder()).build();
    works.run(job(works.clone(), limit, 0)).unwrap();
    assert_eq!(works.starts(), [0, 0, 100, 100, 200]);
}

#[test]
fn it_is_seen_when_a_window_lets_nobody_in() {
    for settings in [fixed(2, 1000)(Limit::builder()), sliding(2, 1000)(Limit::builder())] {
        let works = Works::default();
        let limit = settings.timer(&works.clock).build();
        let mut seen = Vec::new();
        for millis in [0, 0, 999, 1] {
            works.advance(millis);
            seen.push(limit.is_throttled());
            if millis == 0 {
                drop(limit.try_acquire());
            }
        }
        assert_eq!(seen, [false, false, true, false]);

        // Also while it is paused, and whoever waits.
        drop(limit.try_acquire());
        drop(limit.try_acquire());
        limit.pause();
        let waits = works.comes(0, &limit);
        assert!(limit.is_throttled());
        works.advance(1000);
        assert!(!limit.is_throttled());
        assert_eq!((waits.wakes(), limit.waiting()), (0, 1));

        // Who is turned away changes nothing, nor does another number of permits.
        limit.resume();
        drop(waits);
        drop(limit.try_acquire());
        drop(limit.try_acquire());
        limit.clear("cleared");
        limit.set_capacity(5);
        assert!(limit.is_throttled(), "what began counts, whoever is gone");
    }
}

#[test]
fn who_is_aborted_before_its_start_counts_for_nothing() {
    for settings in [fixed(1, 200)(Limit::builder()), sliding(1, 200)(Limit::builder())] {
        let works = Works::default();
        let limit = settings.concurrency(1).timer(&works.clock).build();
        let stop = AbortHandle::new();
        stop.abort("before");
        for n in 0..5 {
            let refused = ByHand::new(works.work(n, 0).limit(&limit).with_abort(&stop)).ready();
            assert_eq!(refused.unwrap_err().to_string(), "before");
        }
        assert_eq!((limit.left("calls"), limit.is_throttled()), (Some(1), false));

        // Nor who is aborted while it waits.
        let held = works.comes(5, &limit);
        let stop = AbortHandle::new();
        let mut row: Vec<_> = (6..11)
            .map(|n| ByHand::polled(works.work(n, 0).limit(&limit).with_abort(&stop)))
            .collect();
        let mut last = works.comes(11, &limit);
        stop.abort("waiting");
        assert!(row.iter_mut().all(|one| one.ready().is_err()));
        assert_eq!(counts(&limit), (1, 1));
        drop(held);
        works.advance(200);
        assert!(last.poll().is_pending());
        assert_eq!(works.begun(), [(5, 0), (11, 200)]);
    }
}

executors::on_every_executor! {
    async fn at_a_window_s_border_all_executors_agree(executor: Executor) {
        let works = Works::default();
        let limit = fixed(2, 100)(works.builder().concurrency(8)).build();
        let jobs: Vec<_> = (0..7).map(|n| works.work(n, 30).limit(&limit)).collect();
        executor.spawn(works.clock.watch(join_all(jobs))).await;
        assert_eq!(works.starts(), [0, 0, 100, 100, 200, 200, 300]);
        assert_eq!(works.millis(), 330);
    }

    async fn priorities_order_those_who_wait_and_nobody_else(executor: Executor) {
        let works = Works::default();
        let limit = works.limit(1);
        let priorities = [1, 0, 1, 1, 2, -1];
        let jobs: Vec<_> = priorities
            .into_iter()
            .enumerate()
            .map(|(n, priority)| works.work(n, 10).limit(limit.claim().priority(priority)))
            .collect();
        executor.spawn(works.clock.watch(join_all(jobs))).await;
        // Who came first was in before the others came.
        assert_eq!(works.order(), [0, 4, 2, 3, 1, 5]);
    }

    async fn a_limit_that_shrinks_while_all_run_is_kept_at_each_start(executor: Executor) {
        let works = Works::default();
        let limit = works.limit(5);
        let over = Count::default();
        let jobs: Vec<_> = (0..100_usize)
            .map(|n| {
                let (limit, over) = (limit.clone(), over.clone());
                let work = works.work(n, 30 + n as u32 * 37 % 171);
                let own = limit.clone();
                async move {
                    over.add_all(usize::from(own.active() > 5));
                    work.await;
                    if n % 30 == 0 {
                        own.set_capacity(own.capacity() - 1);
                    }
                }
                .limit(&limit)
            })
            .collect();
        executor.spawn(works.clock.watch(join_all(jobs))).await;
        assert_eq!((limit.capacity(), over.get(), works.begun().len()), (1, 0, 100));
        assert_eq!(*works.beside.all().last().unwrap(), 1);
        assert_eq!(works.most(), 5);
    }
}

#[test]
fn no_priority_is_zero() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let row = vec![
        works.comes(1, &limit),
        works.comes(2, limit.claim().priority(0)),
        works.comes(3, limit.claim().priority(1)),
        works.comes(4, &limit),
    ];
    drain(inside, row);
    assert_eq!(works.order(), [0, 3, 1, 2, 4]);
}

#[test]
fn who_waits_can_be_counted_by_priority() {
    let works = Works::default();
    let limit = works.builder().paused().build();
    let row = [1, 0, 1].map(|priority| works.comes(0, limit.claim().priority(priority)));
    let with = |priority| limit.queued().iter().filter(|one| one.priority == priority).count();
    assert_eq!((with(0), with(1), with(2)), (1, 2, 0));
    limit.clear("cleared");
    assert_eq!((with(0), with(1), limit.queued().len()), (0, 0, 0));
    drop(row);
}

#[test]
fn a_priority_can_be_changed_while_one_waits() {
    type Case = (usize, &'static [(usize, i32)], &'static [usize]);
    // How many at once, who is changed to what, and who begins in which order.
    let cases: [Case; 7] = [
        (1, &[(2, 1)], &[0, 2, 1]),
        (1, &[(1, -1)], &[0, 2, 3, 4, 5, 1]),
        (2, &[(3, 1)], &[0, 1, 3, 2]),
        (3, &[(4, 1)], &[0, 1, 2, 4, 3]),
        (2, &[(3, 1), (4, 2)], &[0, 1, 4, 3, 2]),
        // Who runs already, or is unknown, isn't changed.
        (1, &[(0, 5), (9, 5)], &[0, 1, 2]),
        // To and fro: back to its old place.
        (1, &[(2, 1), (2, 0)], &[0, 1, 2]),
    ];
    for (permits, changes, order) in cases {
        let works = Works::default();
        let limit = works.limit(permits);
        // Each takes a little longer than the one before, so that no two end at once.
        let jobs = (0..order.len())
            .map(|n| works.work(n, 400 + n as u32).limit(limit.claim().named(n.to_string())));
        works.run(join(join_all(jobs), async {
            works.sleep(1).await;
            for &(n, priority) in changes {
                let waits = permits <= n && n < order.len();
                assert_eq!(limit.set_priority(&n.to_string(), priority), usize::from(waits));
            }
        }));
        assert_eq!(works.order(), order, "{changes:?}");
    }
}

#[test]
fn a_priority_changed_while_a_rate_holds_all_back_counts_when_it_opens() {
    let works = Works::default();
    let limit = fixed(1, 500)(works.builder()).build();
    let names = [("first", 0), ("low", 0), ("high", 2), ("medium", 1)];
    let jobs = names.into_iter().enumerate().map(|(n, (name, priority))| {
        works.work(n, 0).limit(limit.claim().named(name).priority(priority))
    });
    works.run(join(join_all(jobs), async {
        works.sleep(1).await;
        assert!(limit.is_throttled());
        limit.set_priority("low", 3);
        assert!(limit.is_throttled(), "which is another matter");
    }));
    assert_eq!(works.begun(), [(0, 0), (1, 500), (2, 1000), (3, 1500)]);
}

#[test]
fn the_line_stays_in_order_however_it_is_left_and_entered() {
    let works = Works::default();
    let limit = works.limit(1);
    let claim = |name: &'static str, priority| limit.claim().named(name).priority(priority);
    let mut inside = works.comes(0, &limit);
    let enter = |inside: &mut ByHand<'_, _>, mut next: ByHand<'static, _>| {
        *inside = works.comes(99, &limit);
        assert!(next.poll().is_pending());
        assert!(next.wakes() > 0, "it is its turn");
        *inside = next;
    };
    // One leaves the line, then others come before, between and behind those who are left.
    let [second, third] = [works.comes(2, claim("same", 0)), works.comes(3, claim("low", -1))];
    let first = works.comes(1, claim("same", 1));
    enter(&mut inside, first);
    let urgent = works.comes(4, claim("urgent", 1));
    let same = works.comes(5, claim("same", 0));
    let lower = works.comes(6, claim("lower", -2));
    // Who is inside by that name is left alone.
    assert_eq!(limit.set_priority("same", 0), 2);
    assert_eq!(limit.set_priority("gone", 7), 0);
    drop(third);
    let line: Vec<_> = limit.queued().iter().map(|one| one.priority).collect();
    assert_eq!(line, [0, 1, 0, -2], "as they came");
    drain(inside, vec![second, urgent, same, lower]);
    assert_eq!(works.order(), [0, 1, 4, 2, 5, 6]);
}

#[test]
fn an_urgent_one_comes_before_what_is_left_of_a_long_line() {
    let works = Works::default();
    let limit = works.limit(1);
    let mut inside = works.comes(0, &limit);
    let mut row: Vec<_> = (1..=150).map(|n| works.comes(n, &limit)).collect();
    for _ in 0..120 {
        drop(inside);
        inside = row.remove(0);
        assert!(inside.poll().is_pending());
    }
    row.push(works.comes(999, limit.claim().priority(1)));
    assert_eq!(limit.waiting(), 31);
    drain(inside, row);
    let order = works.order();
    assert!(order[..121].iter().copied().eq(0..=120));
    assert_eq!(order[121], 999);
    assert!(order[122..].iter().copied().eq(121..=150));
}

#[test]
fn a_timeout_counts_from_the_start_and_not_the_wait() {
    // What the limit says for all, what this one says, how long it takes, and whether it makes it.
    let cases = [
        (300, None, 400, false),
        (300, None, 200, true),
        (300, Some(10), 100, false),
        (300, Some(500), 400, true),
        (200, Some(600), 400, true),
        (200, Some(50), 100, false),
    ];
    for (of_all, own, takes, makes_it) in cases {
        let works = Works::default();
        let limit = works.limit(1);
        let most = millis(own.unwrap_or(of_all));
        let before = works.work(0, 1000).limit(&limit);
        let job = works.work(1, takes).with_timeout(most).limit(&limit).with_timer(&works.clock);
        let (_, done) = works.run(join(before, job));
        assert_eq!(done.is_ok(), makes_it, "{most:?}, {takes}");
        assert_eq!(works.starts(), [0, 1000]);
        if let Err(late) = done {
            assert_eq!(late.reason(), &AbortReason::TimedOut { after: most });
        }
        let end = 1000 + most.min(millis(takes.into())).as_millis();
        assert_eq!((works.millis(), counts(&limit)), (end, (0, 0)), "the permit is back at once");
    }
}

#[test]
fn one_that_waits_can_be_aborted_alone() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let stop = AbortHandle::new();
    let keep = works.comes(1, limit.claim().named("same"));
    let gone = works.work(2, 0).limit(limit.claim().named("same")).with_abort(&stop);
    let mut gone = ByHand::polled(gone);
    let also_keep = works.comes(3, limit.claim().named("same"));
    assert_eq!(counts(&limit), (1, 3));

    stop.abort("for this reason");
    assert_eq!((gone.wakes(), keep.wakes(), also_keep.wakes()), (1, 0, 0));
    assert_eq!(gone.ready().unwrap_err().to_string(), "for this reason");
    assert_eq!((counts(&limit), gone.wakers()), ((1, 2), 0), "and nothing keeps its waker");
    drain(inside, vec![keep, also_keep]);
    assert_eq!(works.order(), [0, 1, 3]);
}

#[test]
fn to_abort_one_does_not_end_a_pause() {
    let works = Works::default();
    let limit = works.builder().concurrency(2).paused().build();
    let stop = AbortHandle::new();
    let mut gone = ByHand::polled(works.work(0, 0).limit(&limit).with_abort(&stop));
    let waits = works.comes(1, &limit);
    stop.abort("stop");
    assert!(gone.ready().is_err());
    assert_eq!((counts(&limit), limit.is_paused()), ((0, 1), true));
    assert_eq!((waits.wakes(), works.begun()), (0, vec![]));
}

#[test]
fn one_handle_aborts_who_runs_and_all_who_wait() {
    let works = Works::default();
    let limit = works.limit(1);
    let stop = AbortHandle::new();
    let job = || ByHand::polled(pending::<()>().limit(&limit).with_abort(&stop));
    let mut row: Vec<_> = (0..4).map(|_| job()).collect();
    stop.abort("all of you");
    for one in &mut row {
        assert_eq!(one.ready().unwrap_err().to_string(), "all of you");
        assert_eq!(one.wakers(), 0);
    }
    assert_eq!(counts(&limit), (0, 0));
}

#[test]
fn what_is_cleared_hears_nothing_of_a_later_abort() {
    let works = Works::default();
    let limit = works.limit(1);
    let stop = AbortHandle::new();
    let job = |n| ByHand::polled(works.work(n, 100).limit(&limit).with_abort(&stop));
    for _ in 0..5 {
        let (mut inside, mut waits) = (job(0), job(1));
        assert_eq!(limit.clear("cleared"), 1);
        assert_eq!(waits.ready().unwrap_err().to_string(), "cleared");
        assert_eq!((waits.wakers(), inside.wakes()), (0, 0));
        // The same handle serves those who come anew.
        drop(waits);
        let anew = job(2);
        assert_eq!(counts(&limit), (1, 1));
        drop(anew);
        works.advance(100);
        inside.ready().unwrap();
        assert_eq!(inside.wakers(), 0, "done");
    }
    let (mut inside, mut waits) = (job(3), job(4));
    limit.clear("cleared");
    stop.abort("later abort");
    assert_eq!(inside.ready().unwrap_err().to_string(), "later abort");
    // It is told what comes first in the order of polling: who is above.
    assert!(waits.ready().is_err());
    assert_eq!(counts(&limit), (0, 0));
}

#[test]
fn ten_thousand_who_wait_are_aborted_at_once() {
    let works = Works::default();
    let limit = works.limit(1);
    let stop = AbortHandle::new();
    let inside = works.comes(0, &limit);
    let mut row: Vec<_> = (0..10_000)
        .map(|_| ByHand::polled(pending::<()>().limit(&limit).with_abort(&stop)))
        .collect();
    assert_eq!(limit.waiting(), 10_000);
    stop.abort("stop");
    assert!(row.iter_mut().all(|one| one.wakes() == 1 && one.ready().is_err()));
    drop(inside);
    assert_eq!(counts(&limit), (0, 0));
}

#[test]
fn it_waits_until_it_is_resumed_and_starts_as_many_as_may() {
    let works = Works::default();
    let limit = works.builder().concurrency(2).paused().build();
    let mut row: Vec<_> = (0..5).map(|n| works.comes(n, &limit)).collect();
    assert_eq!((counts(&limit), limit.is_paused()), ((0, 5), true));
    let poll_woken = |row: &mut [ByHand<'_, _>]| {
        row.iter_mut().filter(|one| one.wakes() > 0).for_each(|one| drop(one.poll()));
    };
    limit.resume();
    poll_woken(&mut row);
    assert_eq!((counts(&limit), limit.is_paused()), ((2, 3), false));
    limit.resume();
    assert_eq!((counts(&limit), limit.is_paused()), ((2, 3), false), "twice is once");

    limit.pause();
    row.push(works.comes(5, &limit));
    assert_eq!((counts(&limit), limit.is_paused()), ((2, 4), true));
    drop(row.remove(0));
    assert_eq!(counts(&limit), (1, 4), "a permit is free, and nobody gets it");
    limit.resume();
    poll_woken(&mut row);
    assert_eq!(counts(&limit), (2, 3));
    assert_eq!(limit.clear("cleared"), 3);
    assert_eq!(counts(&limit), (2, 0));
    assert_eq!(works.order(), [0, 1, 2]);
}

#[test]
fn among_those_started_at_once_nobody_is_too_many() {
    let works = Works::default();
    let limit = works.builder().concurrency(2).paused().build();
    let stop = AbortHandle::new();
    stop.abort("before it starts");
    let jobs = [0, 1, 3].map(|n| works.work(n, 100).limit(&limit));
    let never = works.work(2, 0).limit(&limit).with_abort(&stop);
    let ((_, never), ()) = works.run(join(join(join_all(jobs), never), async {
        limit.resume();
        works.sleep(50).await;
        assert_eq!(works.order(), [0, 1]);
    }));
    assert_eq!(never.unwrap_err().to_string(), "before it starts");
    assert_eq!(works.begun(), [(0, 0), (1, 0), (3, 100)]);
}

#[test]
fn a_failure_ends_what_belongs_together_and_is_told_at_once() {
    let works = Works::default();
    let limit = works.limit(2);
    let (inside, own) = (works.clone(), limit.clone());
    let all = try_scope(async move |n| {
        let job = |number, millis, outcome: Result<(), &'static str>| {
            let work = inside.work(number, millis);
            async move {
                work.await;
                outcome
            }
        };
        job(0, 100, Err("first")).limit(&own).try_spawn_in(&n);
        job(1, 200, Err("second")).limit(&own).try_spawn_in(&n);
        let last = job(2, 10, Ok(())).limit(&own).try_spawn_in(&n);
        last.await?;
        Ok::<_, Failed>(())
    });
    assert_eq!(works.run(all), Err(Failed("first".into())));
    assert_eq!((works.millis(), counts(&limit)), (100, (0, 0)));

    // Who belongs to nobody fails alone.
    let alone = [(3, Err("broken")), (4, Ok(()))].map(|(n, outcome)| {
        let work = works.work(n, 10);
        async move {
            work.await;
            outcome
        }
        .limit(&limit)
    });
    let alone: Vec<_> = works.run(join_all(alone)).into_iter().map(Result::unwrap).collect();
    assert_eq!(alone, [Err("broken"), Ok(())]);
}

#[derive(Clone, Debug, PartialEq)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&'static str> for Failed {
    fn from(why: &'static str) -> Self {
        Self(why.into())
    }
}

impl From<Aborted> for Failed {
    fn from(aborted: Aborted) -> Self {
        Self(aborted.to_string())
    }
}

#[test]
fn who_runs_is_listed_where_it_is_tracked() {
    let works = Works::default();
    let limit = works.builder().concurrency(2).tracked().build();
    assert!(limit.running().is_empty());
    let names = ["a", "b", "c"];
    let jobs = names.into_iter().enumerate().map(|(n, name)| {
        works.work(n, 100 + 10 * n as u32).limit(limit.claim().named(name).priority(n as i32))
    });
    let list = || {
        let running = limit.running();
        let list = running.iter().map(|one| {
            (one.name.clone().unwrap().to_string(), one.priority, one.since - Instant::START)
        });
        list.collect::<Vec<(String, i32, Duration)>>()
    };
    works.run(join(join_all(jobs), async {
        works.sleep(5).await;
        let (a, b) = (("a".into(), 0, millis(0)), ("b".into(), 1, millis(0)));
        assert_eq!(list(), [a, b.clone()]);
        works.sleep(100).await;
        let c = ("c".into(), 2, millis(100));
        assert_eq!(list(), [b, c.clone()]);
        works.sleep(10).await;
        assert_eq!(list(), [c]);
        let taken = limit.running();
        assert_eq!(taken, limit.running(), "what is taken out is a copy");
    }));
    assert!(limit.running().is_empty());

    // Those without a name too.
    let job = works.comes(9, &limit);
    assert_eq!(limit.running()[0].name, None);
    drop(job);
}

#[test]
fn nothing_is_left_on_the_timer_when_all_is_done() {
    for rate in [Rate::fixed_window(2, SECOND), Rate::sliding_window(2, SECOND)] {
        let timer = CountingTimer::default();
        let limit = Limit::builder().concurrency(2).rate(rate).timer(timer.clone()).build();
        let mut row: Vec<_> =
            (0..3).map(|_| ByHand::new(async {}.limit(&limit).with_timer(timer.clone()))).collect();
        row[0].ready().unwrap();
        row[1].ready().unwrap();
        assert_eq!(timer.live(), 0, "nobody waits");
        assert!(row[2].poll().is_pending());
        assert_eq!(timer.live(), 1);
        timer.advance(SECOND);
        row[2].ready().unwrap();
        timer.advance(MILLISECOND);
        assert_eq!(timer.live(), 0);
    }
}
