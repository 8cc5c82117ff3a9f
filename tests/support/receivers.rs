/// Runs `$check` three times, with `$work` each kind of receiver over the future that `$make`
/// makes: the future itself, a closure, a closure over its owner.
macro_rules! for_each_receiver {
    ($make:expr, |$work:ident| $check:expr) => {{
        let make = $make;
        {
            let $work = make();
            $check
        }
        {
            let $work = make.clone();
            $check
        }
        {
            let make = make.clone();
            let $work = move |_: tenure::Owner| make();
            $check
        }
    }};
}
pub(crate) use for_each_receiver;
