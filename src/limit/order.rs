/// Who of those who wait is let in first.
///
/// ```
/// use tenure::{Limit, limit::Order};
///
/// let newest_first = Limit::builder().concurrency(4).order(Order::Lifo).build();
/// # assert_eq!(newest_first.capacity(), 4);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Who came first, of those with the highest [priority](super::Claim::priority), which grows with the time that
    /// somebody [waits](super::Builder::ageing).
    #[default]
    Fifo,
    /// Who came last, of those with the highest priority: for work that loses its worth while it waits. Who came first
    /// may wait for as long as others come.
    Lifo,
    /// As `Fifo` among those of one key, and the keys take turns, however many wait for each: for the tenants of a
    /// service, of whom none is to crowd out the others. It is what a [`KeyedLimit`](super::KeyedLimit) does unless it
    /// is told otherwise. A limit without keys has one key.
    Fair,
}
