//! The copy: batches in the order of the key, and at the end both sides read again and compared.
//!
//! The rows themselves say how far a copy came: those of a table up to some key are there, or none. What the process
//! dies on is lost to the last batch, and the next run goes on behind the highest key. A note in the target keeps
//! everybody else from using it meanwhile.

use crate::side::Side;
use crate::tables::{TABLES, Table};
use crate::value::{Checksum, Row, Value};
use crate::{Location, Progress, TransferError};

/// How many rows are read, and then written in one transaction.
const BATCH: u32 = 5000;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyReport {
    /// Every table, in the order of copying.
    pub tables: Vec<CopiedTable>,
    /// How many rows an earlier run had brought already.
    pub resumed: u64,
}

/// A table that is the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over all its rows, the same on both sides.
    pub checksum: [u8; 32],
}

/// Copies everything from one database to another that is empty, or that an unfinished copy of the same source has
/// filled in part. The target's tables are made if need be.
///
/// With `start_over`, what an unfinished copy has brought is removed first.
///
/// # Errors
///
/// [`TransferError`]: nothing is served from the target until a later run comes to its end.
pub async fn copy(
    from: &Location,
    to: &Location,
    start_over: bool,
    progress: &mut dyn Progress,
) -> Result<CopyReport, TransferError> {
    let source = Side::open_source(from).await?;
    let mut target = Side::open_target(to).await?;
    let counts = counts(&source).await?;
    let resumed = prepare(&mut target, &counts, start_over).await?;
    for (table, (_, count)) in TABLES.iter().zip(&counts) {
        copy_table(&source, &mut target, (table, *count), progress).await?;
    }
    let mut tables = Vec::new();
    for (table, (_, count)) in TABLES.iter().zip(&counts) {
        tables.push(compare(&source, &target, (table, *count), progress).await?);
    }
    for table in TABLES {
        continue_numbers(&source, &target, table).await?;
    }
    target.finish().await?;
    Ok(CopyReport { tables, resumed })
}

type Counts = Vec<(&'static str, u64)>;

async fn counts(side: &Side) -> Result<Counts, TransferError> {
    let mut counts = Counts::new();
    for table in TABLES {
        counts.push((table.name, side.count(table).await?));
    }
    Ok(counts)
}

/// Says how many rows are there already from an unfinished copy of this source.
async fn prepare(target: &mut Side, source: &Counts, start_over: bool) -> Result<u64, TransferError> {
    let mut begun = target.begun().await?;
    if start_over {
        if begun.is_none() {
            return Err(TransferError::NothingToStartOver);
        }
        target.clear().await?;
        begun = None;
    }
    let present = counts(target).await?;
    let Some(begun) = begun else {
        if let Some((table, _)) = present.iter().find(|(_, count)| *count > 0) {
            return Err(TransferError::NotEmpty(table));
        }
        target.begin(source).await?;
        return Ok(0);
    };
    let is_as_begun = |(table, count): &&(&str, u64)| begun.iter().any(|(name, rows)| name == table && rows == count);
    match source.iter().find(|table| !is_as_begun(table)) {
        Some((table, _)) => Err(TransferError::SourceChanged(table)),
        None => Ok(present.iter().map(|(_, count)| count).sum()),
    }
}

async fn copy_table(
    source: &Side,
    target: &mut Side,
    (table, total): (&Table, u64),
    progress: &mut dyn Progress,
) -> Result<(), TransferError> {
    let mut key = target.last_key(table).await?;
    let mut done = target.count(table).await?;
    progress.begin(&format!("copying {}", table.name), Some(total));
    progress.reach(done);
    loop {
        let rows = source.rows_after(table, key.as_deref(), BATCH).await?;
        let Some(last) = rows.last() else { break };
        key = Some(key_of(table, last));
        done += rows.len() as u64;
        target.insert(table, rows).await?;
        progress.reach(done);
    }
    progress.end();
    Ok(())
}

/// Reads the table on both sides in the order of the key.
async fn compare(
    source: &Side,
    target: &Side,
    (table, total): (&Table, u64),
    progress: &mut dyn Progress,
) -> Result<CopiedTable, TransferError> {
    progress.begin(&format!("comparing {}", table.name), Some(total));
    let expected = checksum(source, table, progress).await?;
    let found = checksum(target, table, progress).await?;
    progress.end();
    if expected != found {
        return Err(TransferError::Differs(table.name));
    }
    let (rows, checksum) = expected;
    Ok(CopiedTable { name: table.name, rows, checksum })
}

async fn checksum(side: &Side, table: &Table, progress: &mut dyn Progress) -> Result<(u64, [u8; 32]), TransferError> {
    let mut checksum = Checksum::default();
    let mut key: Option<Vec<Value>> = None;
    let mut done = 0;
    loop {
        let rows = side.rows_after(table, key.as_deref(), BATCH).await?;
        let Some(last) = rows.last() else { break };
        key = Some(key_of(table, last));
        rows.iter().for_each(|row| checksum.add(row));
        done += rows.len() as u64;
        progress.reach(done);
    }
    Ok(checksum.finish())
}

fn key_of(table: &Table, row: &Row) -> Vec<Value> {
    row.iter().take(table.key_length).cloned().collect()
}

/// The target gives on from where the source stopped: the number of a removed row never comes back.
async fn continue_numbers(source: &Side, target: &Side, table: &Table) -> Result<(), TransferError> {
    let highest = match target.last_key(table).await?.as_deref() {
        Some([Value::Integer(number)]) => Some(*number),
        _ => None,
    };
    let last = source.last_number(table).await?.max(highest).filter(|number| *number > 0);
    match last {
        Some(number) => target.set_last_number(table, number).await,
        None => Ok(()),
    }
}
