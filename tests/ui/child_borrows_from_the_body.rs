//! Children borrow what lives outside of the scope: what is the body's own has to be handed over.

fn caller() {
    _ = tenure::scope(async |n| {
        let number = 7;
        n.spawn(async { number + 1 });
    });
}

fn main() {}
