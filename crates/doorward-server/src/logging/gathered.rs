//! Lines on their way out: gathered, and written many at once by a thread of their own.
//!
//! Otherwise each request pays for a call into the kernel, and waits for whoever reads the other end of a pipe. What
//! was logged in the last [`DELAY`] is lost when the process is killed.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others.
const DELAY: Duration = Duration::from_millis(5);
/// Bytes that wait while nobody takes them, some four thousand lines. What doesn't fit is lost, and counted.
const CAPACITY: usize = 1024 * 1024;
/// Bytes that are kept ready for the next lines.
const KEPT: usize = 64 * 1024;

/// Where lines are written to, whole, without waiting for anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// The first line has come, or somebody waits for the last.
    arrived: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    lost: u64,
    is_writing: bool,
    is_urgent: bool,
}

impl Gathered {
    /// Starts the thread that writes to `sink`, as long as the process lives.
    ///
    /// # Errors
    ///
    /// The operating system's, when it gives no thread.
    pub(super) fn into(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let gathered = Self::default();
        let shared = Arc::clone(&gathered.shared);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_to(sink))?;
        Ok(gathered)
    }

    /// Waits until all that was logged is written, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let mut waiting = self.shared.waiting();
        waiting.is_urgent = true;
        self.shared.arrived.notify_one();
        let is_left = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        // Whoever comes too late for the rest can't be told of it either.
        let _ = self.shared.written.wait_timeout_while(waiting, patience, is_left);
    }
}

impl<'a> MakeWriter<'a> for Gathered {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &Gathered {
    /// Takes `line`, or counts it as lost.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.shared.waiting();
        if waiting.lines.len() + line.len() > CAPACITY {
            waiting.lost += 1;
            return Ok(line.len());
        }
        let is_first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if is_first {
            self.shared.arrived.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the thread.
    fn write_to(&self, mut sink: impl Write) {
        let mut lines = Vec::new();
        loop {
            let lost = self.take(&mut lines);
            // Who reads no log has none.
            let _ = sink.write_all(&lines).and_then(|()| sink.flush());
            lines.clear();
            lines.shrink_to(KEPT);
            self.waiting().is_writing = false;
            self.written.notify_all();
            if lost > 0 {
                tracing::warn!(event = "log_lines_lost", lines = lost, "nobody took the log's lines in time");
            }
        }
    }

    /// Waits for lines and puts them into the empty `lines`; returns how many were lost.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let is_empty = |waiting: &mut Waiting| waiting.lines.is_empty();
        let waiting = self.arrived.wait_while(self.waiting(), is_empty).unwrap_or_else(PoisonError::into_inner);
        let is_early = |waiting: &mut Waiting| !waiting.is_urgent;
        let gathered = self.arrived.wait_timeout_while(waiting, DELAY, is_early);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, lines);
        waiting.is_writing = true;
        waiting.is_urgent = false;
        std::mem::take(&mut waiting.lost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// Hands over what it is given, each time when somebody takes it.
    struct Counter(mpsc::SyncSender<Vec<u8>>);

    impl Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gathered() -> (Gathered, mpsc::Receiver<Vec<u8>>) {
        let (counter, taken) = mpsc::sync_channel(0);
        (Gathered::into(Counter(counter)).unwrap(), taken)
    }

    #[test]
    fn many_lines_are_written_at_once_whole_and_in_the_order_of_each_thread() {
        let (gathered, taken) = gathered();
        let log = |thread: usize| {
            for count in 0..500 {
                (&gathered).write_all(format!("{thread} {count:0>40}\n").as_bytes()).unwrap();
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || log(thread)))));
        let mut pieces = Vec::new();
        while pieces.iter().map(Vec::len).sum::<usize>() < 4 * 500 * 43 {
            pieces.push(taken.recv_timeout(SOON).unwrap());
        }
        assert!(pieces.len() < 100, "{}", pieces.len());
        let text = String::from_utf8(pieces.concat()).unwrap();
        for thread in 0..4 {
            let own = text.lines().filter_map(|line| line.strip_prefix(&format!("{thread} ")));
            let counts: Vec<usize> = own.map(|count| count.parse().unwrap()).collect();
            assert_eq!(counts, (0..500).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_takes_nothing_stops_nobody_and_costs_bounded_memory() {
        let (gathered, taken) = gathered();
        let line = [b'-'; 1000];
        (&gathered).write_all(&line).unwrap();
        while !gathered.shared.waiting().is_writing {
            std::thread::yield_now();
        }
        for _ in 0..5000 {
            (&gathered).write_all(&line).unwrap();
        }
        gathered.flush(Duration::from_millis(1));
        let fitting = CAPACITY / line.len();
        assert_eq!(gathered.shared.waiting().lines.len(), fitting * line.len());
        assert_eq!(gathered.shared.waiting().lost, 5000 - fitting as u64);
        assert_eq!(taken.recv_timeout(SOON).unwrap().len(), line.len());
        assert_eq!(taken.recv_timeout(SOON).unwrap().len(), fitting * line.len());
    }

    #[test]
    fn flushing_waits_for_what_was_logged() {
        let (gathered, taken) = gathered();
        let reader = std::thread::spawn(move || taken.into_iter().take(1).collect::<Vec<_>>().concat());
        (&gathered).write_all(b"the last words\n").unwrap();
        gathered.flush(SOON);
        assert!(gathered.shared.waiting().lines.is_empty());
        assert_eq!(reader.join().unwrap(), b"the last words\n");
    }
}
