//! A scope may be kept, and what its children borrow has to live for as long.

fn caller() -> impl Future {
    let name = String::from("local");
    tenure::scope(async |n| n.spawn(async { name.len() }).await)
}

async fn another_caller() {
    let scope = {
        let name = String::from("local");
        let name = &name;
        tenure::scope(async move |n| n.spawn(async { name.len() }).await)
    };
    _ = scope.await;
}

fn main() {}
