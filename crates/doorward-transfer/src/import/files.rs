//! CSV and JSON lines.

use std::io::{BufRead, Read};

use serde_json::{Map, Value};

use super::{BATCH, Fields, RawRow, Reading, Shape, usual};
use crate::TransferError;

/// The longest line of JSON, in bytes: who sends a file without line ends must not fill the memory.
const MAX_LINE: u64 = 1024 * 1024;

pub(super) struct CsvRows {
    reader: csv::Reader<Box<dyn BufRead>>,
    shape: Shape,
}

impl CsvRows {
    pub(super) fn open(mut reader: Box<dyn BufRead>, reading: &Reading) -> Result<Self, TransferError> {
        let separator = separator(reader.fill_buf().map_err(|error| unreadable(&error.into()))?)?;
        // Rows end with line feeds. With "any line end" the reader would begin a row behind its carriage return and
        // count its line feed with the row after; the carriage return is taken off the last field instead.
        let terminator = csv::Terminator::Any(b'\n');
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).delimiter(separator).terminator(terminator).from_reader(reader);
        let header = reader.byte_headers().map_err(|error| unreadable(&error))?.iter();
        let mut names: Vec<_> = header.map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        if let Some(first) = names.first_mut() {
            // What spreadsheets put before the first name.
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        let shape = Shape::find(&names, reading)?;
        Ok(Self { reader, shape })
    }

    pub(super) fn next_rows(&mut self) -> Result<Vec<RawRow>, TransferError> {
        let width = self.reader.byte_headers().map_err(|error| unreadable(&error))?.len();
        let mut rows = Vec::new();
        let mut record = csv::ByteRecord::new();
        while rows.len() < BATCH && self.reader.read_byte_record(&mut record).map_err(|error| unreadable(&error))? {
            let line = record.position().map_or(0, csv::Position::line);
            trim_carriage_return(&mut record);
            if record.iter().all(<[u8]>::is_empty) && record.len() <= 1 {
                continue;
            }
            rows.push(RawRow { line, fields: self.fields(&record, width) });
        }
        Ok(rows)
    }

    fn fields(&self, record: &csv::ByteRecord, width: usize) -> Result<Fields, String> {
        if record.len() != width {
            return Err(format!("it has {} fields and not {width} as the first line", record.len()));
        }
        let record = csv::StringRecord::from_byte_record(record.clone()).map_err(|_| "it is not UTF-8")?;
        self.shape.fields(|place| record.get(place).map(str::to_owned))
    }
}

/// What stands between the fields, by the first line: a comma unless there is none and there is a semicolon, as
/// spreadsheets write where the comma is for decimals, or a tab.
fn separator(beginning: &[u8]) -> Result<u8, TransferError> {
    let end = beginning.iter().position(|byte| *byte == b'\n').unwrap_or(beginning.len());
    let line = beginning[..end].strip_suffix(b"\r").unwrap_or(&beginning[..end]);
    if line.contains(&b'\r') {
        let reason = "its lines end with carriage returns alone: save it with line feeds";
        return Err(TransferError::Input(format!("cannot read the file: {reason}")));
    }
    Ok([b',', b';', b'\t'].into_iter().find(|separator| line.contains(separator)).unwrap_or(b','))
}

/// Takes the carriage return of a line end off the last field.
fn trim_carriage_return(record: &mut csv::ByteRecord) {
    let Some(field) = record.iter().next_back().and_then(|last| last.strip_suffix(b"\r")) else { return };
    let last = field.to_vec();
    let position = record.position().cloned();
    record.truncate(record.len() - 1);
    record.push_field(&last);
    record.set_position(position);
}

fn unreadable(error: &csv::Error) -> TransferError {
    TransferError::Input(format!("cannot read the file: {error}"))
}

pub(super) struct JsonRows {
    reader: Box<dyn BufRead>,
    reading: Reading,
    line: u64,
}

impl JsonRows {
    pub(super) fn open(reader: Box<dyn BufRead>, reading: &Reading) -> Self {
        Self { reader, reading: reading.clone(), line: 0 }
    }

    pub(super) fn next_rows(&mut self) -> Result<Vec<RawRow>, TransferError> {
        let mut rows = Vec::new();
        let mut text = Vec::new();
        while rows.len() < BATCH {
            text.clear();
            let read = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut text);
            let length = read.map_err(|error| TransferError::Input(format!("cannot read the file: {error}")))?;
            if length == 0 {
                break;
            }
            self.line += 1;
            if length as u64 == MAX_LINE && text.last() != Some(&b'\n') {
                return Err(TransferError::Input(format!("line {} is longer than a MiB", self.line)));
            }
            if !text.trim_ascii().is_empty() {
                rows.push(RawRow { line: self.line, fields: self.fields(&text) });
            }
        }
        Ok(rows)
    }

    fn fields(&self, text: &[u8]) -> Result<Fields, String> {
        let object: Map<String, Value> = serde_json::from_slice(text).map_err(|_| "it is not a JSON object")?;
        fields_of(&object, &self.reading)
    }
}

/// The list `users` of one JSON document.
pub(super) struct DocumentRows {
    users: std::vec::IntoIter<Value>,
    reading: Reading,
    line: u64,
}

impl DocumentRows {
    pub(super) fn open(reader: Box<dyn BufRead>, reading: &Reading) -> Result<Self, TransferError> {
        let refused = |reason: &str| TransferError::Input(format!("cannot read the file: {reason}"));
        let mut document: Value =
            serde_json::from_reader(reader).map_err(|error| refused(&format!("it is no JSON: {error}")))?;
        match document.get_mut("users").map(Value::take) {
            Some(Value::Array(users)) => Ok(Self { users: users.into_iter(), reading: reading.clone(), line: 0 }),
            _ => Err(refused("it has no list named users")),
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.users.len() as u64
    }

    pub(super) fn next_rows(&mut self) -> Vec<RawRow> {
        let rows = self.users.by_ref().take(BATCH);
        rows.map(|user| {
            self.line += 1;
            let object = user.as_object().ok_or_else(|| "it is not a JSON object".to_owned());
            let fields = object.and_then(|object| fields_of(object, &self.reading));
            RawRow { line: self.line, fields }
        })
        .collect()
    }
}

fn fields_of(object: &Map<String, Value>, reading: &Reading) -> Result<Fields, String> {
    match reading {
        Reading::Service(service, now) => service.fields(&|name| any_text(object.get(name)), *now),
        Reading::Columns(columns) => {
            let field = |asked: &Option<String>, usual: &[&str]| match asked {
                Some(name) => field_text(object, name),
                None => {
                    let found = usual.iter().find(|name| object.contains_key(**name));
                    found.map_or(Ok(None), |name| field_text(object, name))
                }
            };
            Ok(Fields {
                id: field(&columns.id, usual::ID)?,
                email: field(&columns.email, usual::EMAIL)?,
                hash: field(&columns.hash, usual::HASH)?,
                role: field(&columns.role, usual::ROLE)?,
                active: field(&columns.active, usual::ACTIVE)?,
                created: field(&columns.created, usual::CREATED)?,
                name: field(&columns.name, usual::NAME)?,
                verified: field(&columns.verified, usual::VERIFIED)?,
            })
        }
    }
}

/// A value as text; what has parts as JSON.
fn any_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn field_text(object: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => Err(format!("its {name} is neither text nor number nor truth")),
    }
}
