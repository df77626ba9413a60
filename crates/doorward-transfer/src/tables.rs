//! What there is to copy: every table of the two databases, which are the same but for their types.
//!
//! A table or column that is in a database and not in this list fails a test, on either database: whoever adds one
//! decides here whether it moves along.

/// What a column holds, in either database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits. SQLite: INTEGER. PostgreSQL: BIGINT or INTEGER.
    Integer,
    /// SQLite: INTEGER, 0 or 1. PostgreSQL: BOOLEAN.
    Boolean,
    /// TEXT in both.
    Text,
    /// SQLite: BLOB. PostgreSQL: BYTEA.
    Bytes,
    /// SQLite: BLOB of 16 bytes. PostgreSQL: UUID.
    Uuid,
}

/// A column of a table that is copied.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// A table that is copied.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// All its columns, those of its primary key first.
    pub columns: &'static [Column],
    /// How many columns its primary key has.
    pub key_length: usize,
    /// The sequence of PostgreSQL that gives numbers for the key, where numbers are given. In SQLite it is the
    /// table's own (AUTOINCREMENT). A number that was given once is not given again after the copy.
    pub sequence: Option<&'static str>,
}

impl Table {
    /// The columns of its primary key.
    pub fn key(&self) -> &'static [Column] {
        self.columns.get(..self.key_length).unwrap_or(self.columns)
    }

    pub(crate) fn column_names(&self) -> String {
        names(self.columns)
    }
}

pub(crate) fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

const fn integer(name: &'static str) -> Column {
    Column { name, kind: Kind::Integer }
}

const fn boolean(name: &'static str) -> Column {
    Column { name, kind: Kind::Boolean }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes }
}

const fn uuid(name: &'static str) -> Column {
    Column { name, kind: Kind::Uuid }
}

/// The tables that are copied, in an order in which every reference finds its row.
pub const TABLES: &[Table] = &[
    Table {
        name: "users",
        columns: &[
            integer("id"),
            text("email"),
            text("email_key"),
            text("full_name"),
            text("role"),
            boolean("is_active"),
            text("password_hash"),
            integer("credential_version"),
            integer("created_at"),
            integer("email_verified_at"),
            boolean("must_change_password"),
            text("second_factor"),
            text("tickets"),
            integer("revision"),
        ],
        key_length: 1,
        sequence: Some("users_id_seq"),
    },
    Table {
        name: "sessions",
        columns: &[
            bytes("handle"),
            uuid("id"),
            integer("user_id"),
            integer("created_at"),
            bytes("current_hash"),
            integer("issued_at"),
            integer("expires_at"),
            bytes("spent_hash"),
            integer("spent_at"),
            bytes("sealed_successor"),
            integer("ended_at"),
            text("ended_reason"),
            integer("authenticated_at"),
            text("device"),
            bytes("address"),
        ],
        key_length: 1,
        sequence: None,
    },
    Table {
        name: "endings",
        columns: &[
            integer("position"),
            integer("at"),
            text("kind"),
            uuid("session_id"),
            integer("user_id"),
            text("role"),
        ],
        key_length: 1,
        sequence: Some("ending_positions"),
    },
    Table {
        name: "events",
        columns: &[
            integer("position"),
            integer("at"),
            text("kind"),
            integer("user_id"),
            uuid("session_id"),
            text("actor"),
            integer("actor_id"),
            bytes("address"),
            text("user_agent"),
            text("request_id"),
            text("details"),
        ],
        key_length: 1,
        sequence: Some("events_position_seq"),
    },
    Table {
        name: "outbox",
        columns: &[
            uuid("id"),
            text("kind"),
            integer("user_id"),
            integer("created_at"),
            integer("due_at"),
            integer("attempts"),
            integer("abandoned_at"),
            bytes("sealed"),
        ],
        key_length: 1,
        sequence: None,
    },
    Table {
        name: "data_keys",
        columns: &[uuid("id"), text("state"), bytes("sealed"), integer("made_at")],
        key_length: 1,
        sequence: None,
    },
];

/// The tables that are not copied, and why.
pub const LEFT_BEHIND: &[(&str, &str)] = &[
    ("schema_migrations", "says what was done to this database"),
    ("probes", "where a readiness check writes"),
    ("housekeeping", "says which node keeps house at this moment"),
    ("rate_limits", "what was counted lately: limits begin anew"),
    ("unfinished_copy", "is there only while a copy is unfinished"),
];
