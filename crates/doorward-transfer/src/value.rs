//! A value of a row, the same whichever database it lies in, and the checksum of rows.

use sha2::{Digest, Sha256};

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
}

/// The values of a row, in the order of the table's columns.
pub(crate) type Row = Vec<Value>;

/// SHA-256 over rows in the order of their keys, and their number.
#[derive(Default)]
pub(crate) struct Checksum {
    hasher: Sha256,
    rows: u64,
}

impl Checksum {
    /// Every value as its kind, its length and its bytes, so that no two rows have the same encoding.
    pub(crate) fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for value in row {
            match value {
                Value::Null => self.part(0, &[]),
                Value::Integer(number) => self.part(1, &number.to_be_bytes()),
                Value::Boolean(truth) => self.part(2, &[u8::from(*truth)]),
                Value::Text(text) => self.part(3, text.as_bytes()),
                Value::Bytes(bytes) => self.part(4, bytes),
                Value::Uuid(bytes) => self.part(5, bytes),
            }
        }
    }

    fn part(&mut self, tag: u8, bytes: &[u8]) {
        self.hasher.update([tag]);
        self.hasher.update((bytes.len() as u64).to_be_bytes());
        self.hasher.update(bytes);
    }

    pub(crate) fn finish(self) -> (u64, [u8; 32]) {
        (self.rows, self.hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_look_the_same() {
        let text = |text: &str| Value::Text(text.to_owned());
        let rows: [&[Value]; 9] = [
            &[],
            &[Value::Null],
            &[text("")],
            &[text("ab"), text("c")],
            &[text("a"), text("bc")],
            &[Value::Bytes(b"ab".to_vec()), text("c")],
            &[Value::Integer(1)],
            &[Value::Boolean(true)],
            &[Value::Integer(0)],
        ];
        let checksum = |row: &[Value]| {
            let mut checksum = Checksum::default();
            checksum.add(row);
            checksum.finish().1
        };
        for (index, row) in rows.iter().enumerate() {
            for other in &rows[index + 1..] {
                assert_ne!(checksum(row), checksum(other), "{row:?} {other:?}");
            }
        }
    }
}
