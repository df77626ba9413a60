//! Prints `docs/reports/abuse.md`: what gets through of attacks on logins and registrations.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a report that fails is no report")]

#[path = "../tests/abuse/story.rs"]
mod story;

fn main() {
    print!("{}", story::report());
}
