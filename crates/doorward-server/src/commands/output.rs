//! Standard output.

use std::io::{self, Write};

use crate::failure::Failure;

/// Prints text that brings its own line ends. Whoever reads may stop reading: that ends the program without complaint elsewhere.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    write!(io::stdout(), "{text}").map_err(|error| Failure::new(format!("cannot write the output: {error}")))
}

/// So many of a thing: `1 account`, `2 accounts`.
pub(super) fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        _ if thing.ends_with("sh") => format!("{count} {thing}es"),
        _ => format!("{count} {thing}s"),
    }
}

/// Prints a line, as [`print`] does.
pub(super) fn print_line(line: &str) -> Result<(), Failure> {
    print(&format!("{line}\n"))
}
