//! Moving what was committed from the write-ahead log into the database's own pages.
//!
//! It is done on a thread beside the one that writes: to sync a thousand pages all over a file takes tens of
//! milliseconds, in which nobody could be answered. The log begins anew only once nothing is left in it to move, which
//! never comes about while somebody goes on writing; so what little is left at the end is moved by the writer, between
//! two commits.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::connection::{Database, OpenedFile};
use crate::error::OpenErrorReason;

/// After so many rows were changed the log is moved. A rotation changes one row, and a page holds some twenty.
const ROWS: u64 = 2_000;

/// What a pass has moved at most when the next would find little.
const LITTLE: i64 = 64;

/// How many passes are made at most. Each finds what came in during the one before it.
const PASSES: usize = 6;

/// Keeps the log short, for the one who writes.
pub(crate) struct Checkpointer {
    database: Database,
    /// The connection, while no thread has it.
    idle: Option<OpenedFile>,
    /// The thread that moves the log now.
    under_way: Option<JoinHandle<Option<OpenedFile>>>,
    /// How many rows the writing connection had changed when the log was last moved.
    moved_at: u64,
}

impl Checkpointer {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, idle: None, under_way: None, moved_at: 0 }
    }

    /// Tells a connection to leave the log to us, who [`follow`](Self::follow) it: by itself it would move a thousand
    /// pages after a commit whenever there are as many.
    pub(crate) fn take_over(writing: &Connection) -> rusqlite::Result<()> {
        writing.pragma_update(None, "wal_autocheckpoint", 0)
    }

    /// Sees to it that the log stays short: to be called between two transactions of the connection that writes.
    pub(crate) fn follow(&mut self, writing: &Connection) {
        let rows = writing.total_changes();
        match self.under_way.take() {
            Some(thread) if thread.is_finished() => {
                self.idle = thread.join().unwrap_or_default();
                self.move_rest(writing);
            }
            Some(thread) => self.under_way = Some(thread),
            // Another connection than before, which counts from zero.
            None if rows < self.moved_at => self.moved_at = 0,
            None if rows - self.moved_at >= ROWS => self.begin(writing),
            None => {}
        }
    }

    fn begin(&mut self, writing: &Connection) {
        let (database, idle) = (self.database.clone(), self.idle.take());
        let thread = thread::Builder::new().name("doorward-checkpoint".to_owned());
        match thread.spawn(move || move_most(&database, idle).ok()) {
            Ok(thread) => self.under_way = Some(thread),
            Err(_) => self.move_rest(writing),
        }
    }

    /// Moves what the thread has left. If a reader still needs it where it is, all is tried again after the next commit.
    fn move_rest(&mut self, writing: &Connection) {
        if checkpoint(writing).is_ok_and(|log| log.pages >= 0 && log.moved == log.pages) {
            self.moved_at = writing.total_changes();
        }
    }
}

/// Waits for the thread and its connection to be gone.
impl Drop for Checkpointer {
    fn drop(&mut self) {
        if let Some(thread) = self.under_way.take() {
            let _ = thread.join();
        }
    }
}

/// What can't be moved now stays in the log, where everybody finds it too, and is moved next time.
fn move_most(database: &Database, idle: Option<OpenedFile>) -> Result<OpenedFile, OpenErrorReason> {
    let opened = match idle.filter(|opened| opened.is_in_place(database)) {
        Some(opened) => opened,
        None => database.connect_for_writing()?,
    };
    let mut moved = 0;
    for _ in 0..PASSES {
        let before = std::mem::replace(&mut moved, checkpoint(&opened)?.moved);
        if moved - before <= LITTLE {
            break;
        }
    }
    Ok(opened)
}

/// The log after a checkpoint, in pages since it began anew; -1 each if another process is at it.
struct Log {
    pages: i64,
    moved: i64,
}

/// Moves what can be moved without waiting for anybody.
fn checkpoint(connection: &Connection) -> rusqlite::Result<Log> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok(Log { pages: row.get(1)?, moved: row.get(2)? }))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::path::Path;

    use super::*;
    use crate::SqliteOptions;
    use crate::migrations;

    /// How often the log has begun anew: it stands in the log's head, see SQLite's file format, section 4.1.
    fn beginnings(log: &Path) -> u32 {
        let mut head = [0; 16];
        File::open(log).unwrap().read_exact(&mut head).unwrap();
        u32::from_be_bytes(*head.last_chunk().unwrap())
    }

    #[test]
    fn the_log_begins_anew_though_somebody_goes_on_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        let database = Database::new(&path, SqliteOptions::default()).unwrap();
        let (writing, _) = migrations::connect_migrated(&database).unwrap();
        let mut checkpointer = Checkpointer::new(database);
        Checkpointer::take_over(&writing).unwrap();
        writing.execute_batch("CREATE TABLE ballast (x INTEGER)").unwrap();
        let log = folder.path().join("doorward.db-wal");
        let before = beginnings(&log);
        let begins_anew = |_: &u32| {
            let row = "INSERT INTO ballast SELECT value FROM json_each('[1,2,3,4,5,6,7,8,9,10]')";
            writing.execute(row, []).unwrap();
            checkpointer.follow(&writing);
            beginnings(&log) >= before + 2
        };
        assert!((0..5_000).find(begins_anew).is_some());
    }
}
