//! A nursery may be kept, and then what its children borrow has to live for as long.

fn caller() {
    let mut kept = None;
    {
        let name = String::from("local");
        _ = tenure::scope(async |n| {
            n.spawn(async { name.len() });
            kept = Some(n);
        });
    }
    drop(kept);
}

fn main() {}
