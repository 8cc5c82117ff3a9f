use tenure::AbortHandle;

use crate::support::poll_once;

type WayIn = fn(&AbortHandle);

/// How foreign code can use a handle: each public method and each trait of `AbortHandle` by its name.
/// That none is missing here is a test of its own.
pub(crate) const WAYS_IN: &[(&str, WayIn)] = &[
    ("new", |inside| drop(AbortHandle::new() | inside.clone())),
    ("named", |inside| drop(AbortHandle::named("inside") | inside.clone())),
    ("never", |inside| drop(AbortHandle::never() | inside.clone())),
    ("child", |inside| drop(inside.child().child())),
    ("named_child", |inside| drop(inside.named_child("inside").child())),
    ("join", |inside| drop(inside.join(&inside.child()))),
    ("meet", |inside| drop(inside.meet(&inside.child()))),
    ("any", |inside| drop(AbortHandle::any([inside, &AbortHandle::new(), inside]))),
    ("all", |inside| drop(AbortHandle::all([inside, &AbortHandle::new(), inside]))),
    ("abort", |inside| _ = inside.abort("inside")),
    ("abort_because", |inside| {
        let cause = AbortHandle::new();
        cause.abort("cause");
        inside.abort_because("inside", cause.check().unwrap_err());
    }),
    ("is_aborted", |inside| _ = inside.is_aborted()),
    ("reason", |inside| _ = inside.reason()),
    ("check", |inside| _ = inside.check()),
    ("aborted", |inside| {
        let mut waiting = inside.aborted();
        assert_eq!(poll_once(&mut waiting).is_ready(), inside.is_aborted());
        assert_eq!(poll_once(&mut waiting).is_ready(), inside.is_aborted());
    }),
    ("on_abort", |inside| {
        inside.on_abort(|_| {}).detach();
        drop(inside.on_abort(|_| {}));
    }),
    ("abort_on_drop", |inside| {
        drop(inside.clone().abort_on_drop().disarm());
        drop(inside.clone().abort_on_drop());
    }),
    ("Clone", |inside| drop(inside.clone())),
    ("Drop", |inside| [inside.child(), inside.child()].into_iter().for_each(drop)),
    ("Default", |inside| drop(AbortHandle::default() & inside.clone())),
    ("PartialEq", |inside| assert!(*inside == inside.clone() && *inside != inside.child())),
    ("Eq", |inside| assert!(inside.eq(inside))),
    ("BitOr", |inside| drop((inside | &inside.clone()) | inside.child())),
    ("BitAnd", |inside| drop((inside & &inside.clone()) & inside.child())),
    ("Debug", |inside| drop(format!("{inside:?}"))),
];
