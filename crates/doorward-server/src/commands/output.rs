//! Standard output.

use std::io::{self, Write};

use crate::failure::Failure;

/// Prints a line. Whoever reads may stop reading: that ends the program without complaint elsewhere.
pub(super) fn print_line(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(|error| Failure::new(format!("cannot write the output: {error}")))
}
