use tenure::AbortHandle;

/// How many siblings there are.
pub(crate) const PLACES: usize = 8;

/// How siblings lie in a lattice, so that one abort reaches them all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    OneNode,
    Children,
    Chain,
    Joins,
    Meets,
}

impl Shape {
    const ALL: [Self; 5] = [Self::OneNode, Self::Children, Self::Chain, Self::Joins, Self::Meets];

    /// The handle of each place, below `top` or equal to it.
    pub(crate) fn below(self, top: &AbortHandle) -> Vec<AbortHandle> {
        let mut last = top.clone();
        let place = |_| match self {
            Self::OneNode => top.clone(),
            Self::Children => top.child(),
            Self::Chain => {
                last = last.child();
                last.clone()
            }
            Self::Joins => {
                last = &last | top;
                last.clone()
            }
            Self::Meets => &top.child() & &top.child(),
        };
        (0..PLACES).map(place).collect()
    }
}

/// Runs `f` for each place of each shape.
pub(crate) fn each_place(mut f: impl FnMut(Shape, usize)) {
    for shape in Shape::ALL {
        (0..PLACES).for_each(|place| f(shape, place));
    }
}
