//! A bar on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use doorward_transfer::Progress;

use super::output::{counted, print_line};

/// How often the bar is drawn anew, at most.
const REDRAWN: Duration = Duration::from_millis(100);
/// How many signs it has.
const WIDTH: u64 = 30;

/// Shows how far something has come.
pub(super) struct Bar {
    is_terminal: bool,
    what: String,
    total: Option<u64>,
    done: u64,
    drawn: Option<Instant>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), what: String::new(), total: None, done: 0, drawn: None }
    }

    fn draw(&self) {
        let (what, done) = (&self.what, self.done);
        let line = match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let filled = usize::try_from(done.min(total) * WIDTH / total).unwrap_or_default();
                let empty = usize::try_from(WIDTH).unwrap_or_default() - filled;
                format!("{what:20} [{}{}] {done} of {total}", "#".repeat(filled), ".".repeat(empty))
            }
            None => format!("{what:20} {done}"),
        };
        // Nobody's loss if the terminal is gone.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }
}

impl Progress for Bar {
    fn begin(&mut self, what: &str, total: Option<u64>) {
        what.clone_into(&mut self.what);
        (self.total, self.done, self.drawn) = (total, 0, None);
    }

    fn reach(&mut self, done: u64) {
        self.done = done;
        let now = now();
        if self.is_terminal && self.drawn.is_none_or(|drawn| now.duration_since(drawn) >= REDRAWN) {
            self.draw();
            self.drawn = Some(now);
        }
    }

    fn end(&mut self) {
        if self.is_terminal {
            self.draw();
            let _ = writeln!(io::stderr());
        } else {
            let _ = print_line(&format!("{}: {}", self.what, counted(self.done, "row")));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures how often to draw; decides about no token")]
fn now() -> Instant {
    Instant::now()
}
