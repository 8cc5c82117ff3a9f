//! Siblings end in any order, so none borrows from another.

fn caller() {
    _ = tenure::scope(async |n| {
        n.spawn(async {
            let number = 7;
            n.spawn(async { number + 1 });
        });
    });
}

fn main() {}
