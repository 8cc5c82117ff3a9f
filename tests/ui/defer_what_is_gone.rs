//! Clean-up outlives the body, and what it borrows has to as well.

fn caller() {
    _ = tenure::scope(async |n| {
        let name = String::from("local");
        n.defer(|_| println!("{name}"));
    });
}

fn main() {}
