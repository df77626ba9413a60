//! Standard output.

use std::io::{self, Write};

use crate::failure::Failure;

/// Prints text that brings its own line ends. Whoever reads may stop reading: that ends the program without complaint elsewhere.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    write!(io::stdout(), "{text}").map_err(|error| Failure::new(format!("cannot write the output: {error}")))
}

/// Prints a line, as [`print`] does.
pub(super) fn print_line(line: &str) -> Result<(), Failure> {
    print(&format!("{line}\n"))
}
