//! Statements, and connections that run them: prepared, or behind a pooler not.

use std::ops::Deref;

use deadpool_postgres::Client;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Fault;

/// A value for a statement.
pub(crate) type Value<'a> = &'a (dyn ToSql + Sync);

/// SQL and the types of its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) types: &'static [Type],
}

/// A connection for one operation.
pub(crate) struct Connection {
    client: Client,
    /// Whether the server at the other end is the same from one transaction to the next, so that it knows
    /// tomorrow what it was told today.
    is_direct: bool,
}

impl Connection {
    pub(crate) const fn new(client: Client, is_direct: bool) -> Self {
        Self { client, is_direct }
    }

    /// Has the statement ready, so that it is sent in one go when it is run.
    pub(crate) async fn prepare(&self, statement: &Statement) -> Result<(), Fault> {
        if self.is_direct {
            self.client.prepare_typed_cached(statement.sql, statement.types).await?;
        }
        Ok(())
    }

    pub(crate) async fn query(&self, statement: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>, Fault> {
        if self.is_direct {
            let prepared = self.client.prepare_typed_cached(statement.sql, statement.types).await?;
            return Ok(self.client.query(&prepared, values).await?);
        }
        self.query_unprepared(statement, values).await
    }

    /// For a statement whose best plan depends on its values: it is planned for these.
    pub(crate) async fn query_unprepared(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Fault> {
        Ok(self.client.query_typed(statement.sql, &typed(statement, values)).await?)
    }

    /// For a statement that gives one row or none.
    pub(crate) async fn query_opt(&self, statement: &Statement, values: &[Value<'_>]) -> Result<Option<Row>, Fault> {
        let rows = self.query(statement, values).await?;
        if rows.len() > 1 {
            return Err(Fault::Unreadable("row that should be one"));
        }
        Ok(rows.into_iter().next())
    }

    /// Says how many rows it concerned.
    pub(crate) async fn execute(&self, statement: &Statement, values: &[Value<'_>]) -> Result<u64, Fault> {
        if self.is_direct {
            let prepared = self.client.prepare_typed_cached(statement.sql, statement.types).await?;
            return Ok(self.client.execute(&prepared, values).await?);
        }
        Ok(self.client.execute_typed(statement.sql, &typed(statement, values)).await?)
    }
}

impl Deref for Connection {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}

fn typed<'a>(statement: &Statement, values: &[Value<'a>]) -> Vec<(Value<'a>, Type)> {
    values.iter().copied().zip(statement.types.iter().cloned()).collect()
}
