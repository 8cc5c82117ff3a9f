//! A `Scope` may outlive any borrow.

fn caller() {
    let scope = tenure::Scope::new("service");
    let name = String::from("local");
    scope.defer(|_| println!("{name}"));
}

fn main() {}
