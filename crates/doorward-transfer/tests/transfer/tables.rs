//! The list of tables says all there is. Whoever adds a table or a column decides in `tables.rs` whether it moves.

use std::collections::BTreeMap;

use doorward_transfer::{Kind, LEFT_BEHIND, TABLES};

use crate::cluster::{Fresh, connect};

/// Table → column → type, key position (0: not in the key).
type Schema = BTreeMap<String, BTreeMap<String, (String, usize)>>;

fn compare(schema: &Schema, kinds: &[(Kind, &[&str])]) {
    for (name, columns) in schema {
        if LEFT_BEHIND.iter().any(|(left, _)| left == name) {
            continue;
        }
        let table = TABLES.iter().find(|table| table.name == name);
        let table = table.unwrap_or_else(|| panic!("the table {name} is not in the list: is it to be copied?"));
        for column in columns.keys() {
            let is_listed = table.columns.iter().any(|listed| listed.name == column);
            assert!(is_listed, "{name}.{column} is not in the list: a copy would lose it");
        }
        for (index, column) in table.columns.iter().enumerate() {
            let found = columns.get(column.name).unwrap_or_else(|| panic!("there is no {name}.{}", column.name));
            let types = kinds.iter().find(|(kind, _)| *kind == column.kind).unwrap().1;
            assert!(types.contains(&found.0.as_str()), "{name}.{} is {found:?}", column.name);
            let position = if index < table.key_length { index + 1 } else { 0 };
            assert_eq!(found.1, position, "the key of {name}: {}", column.name);
        }
    }
    for table in TABLES {
        assert!(schema.contains_key(table.name), "there is no table {}", table.name);
    }
}

#[test]
fn the_list_names_every_table_and_column_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    doorward_sqlite::migrate(&path).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let columns = "
        SELECT tables.name, columns.name, columns.type, columns.pk
        FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'";
    let mut schema = Schema::new();
    let mut statement = connection.prepare(columns).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let table = schema.entry(row.get(0).unwrap()).or_default();
        table.insert(row.get(1).unwrap(), (row.get(2).unwrap(), usize::from(row.get::<_, u16>(3).unwrap())));
    }
    compare(
        &schema,
        &[
            (Kind::Integer, &["INTEGER"]),
            (Kind::Boolean, &["INTEGER"]),
            (Kind::Text, &["TEXT"]),
            (Kind::Bytes, &["BLOB"]),
            (Kind::Uuid, &["BLOB"]),
        ],
    );
    let numbered = "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%PRIMARY KEY AUTOINCREMENT%'";
    let numbered: u16 = connection.query_row(numbered, [], |row| row.get(0)).unwrap();
    let known = TABLES.iter().filter(|table| table.sequence.is_some()).count();
    assert_eq!(usize::from(numbered), known, "every table that gives numbers names its sequence, or is left behind");
}

#[tokio::test]
async fn the_list_names_every_table_column_and_sequence_of_postgresql() {
    let fresh = Fresh::create().await;
    doorward_postgres::migrate(fresh.url()).await.unwrap();
    let client = connect(fresh.url()).await;
    let columns = "
        SELECT tables.relname::text, columns.attname::text, format_type(columns.atttypid, NULL),
            coalesce(array_position(keys.conkey, columns.attnum), 0)
        FROM pg_class AS tables
        JOIN pg_attribute AS columns ON columns.attrelid = tables.oid AND columns.attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_constraint AS keys ON keys.conrelid = tables.oid AND keys.contype = 'p'
        WHERE tables.relkind = 'r' AND tables.relnamespace = current_schema()::regnamespace";
    let mut schema = Schema::new();
    for row in client.query(columns, &[]).await.unwrap() {
        let position: i32 = row.get(3);
        let table = schema.entry(row.get(0)).or_default();
        table.insert(row.get(1), (row.get(2), usize::try_from(position).unwrap()));
    }
    compare(
        &schema,
        &[
            (Kind::Integer, &["bigint", "integer", "smallint"]),
            (Kind::Boolean, &["boolean"]),
            (Kind::Text, &["text"]),
            (Kind::Bytes, &["bytea"]),
            (Kind::Uuid, &["uuid"]),
        ],
    );
    let sequences = "SELECT relname::text FROM pg_class WHERE relkind = 'S' ORDER BY 1";
    let sequences: Vec<String> = client.query(sequences, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let mut known: Vec<_> = TABLES.iter().filter_map(|table| table.sequence).collect();
    known.sort_unstable();
    assert_eq!(sequences, known);
}
