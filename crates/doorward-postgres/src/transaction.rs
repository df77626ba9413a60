//! Several statements as one transaction, sent in one go.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio_postgres::Row;

use crate::error::Fault;
use crate::statement::{Connection, Statement, Value};

/// A statement of a transaction, with its values.
pub(crate) struct Step<'a> {
    pub(crate) statement: &'static Statement,
    pub(crate) values: Vec<Value<'a>>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(statement: &'static Statement, values: impl Into<Vec<Value<'a>>>) -> Self {
        Self { statement, values: values.into() }
    }
}

/// Sends a transaction in one go, so that it holds no lock across a round trip and a caller who gives up leaves
/// nothing open. Gives the rows of every step; or why the first that failed did, and then nothing has happened.
pub(crate) async fn in_transaction(connection: &Connection, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>, Fault> {
    // A statement is sent when its future is first polled, unless something must be asked before.
    for step in steps {
        connection.prepare(step.statement).await?;
    }
    let (begun, done, committed) = tokio::join!(
        biased;
        // Whatever the server's default is: a statement after a lock must see what the lock waited for.
        connection.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
        all_in_order(steps.iter().map(|step| connection.query(step.statement, &step.values))),
        connection.batch_execute("COMMIT"),
    );
    begun?;
    let rows = done.into_iter().collect::<Result<_, Fault>>()?;
    committed?;
    Ok(rows)
}

enum Running<F: Future> {
    Waiting(Pin<Box<F>>),
    Done(F::Output),
}

/// Drives all at once; each is polled for the first time after those before it.
async fn all_in_order<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.into_iter().map(|future| Running::Waiting(Box::pin(future))).collect();
    poll_fn(|context| {
        let mut is_done = true;
        for running in &mut all {
            if let Running::Waiting(future) = running {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *running = Running::Done(output),
                    Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let output = |running| match running {
        Running::Done(output) => Some(output),
        Running::Waiting(_) => None,
    };
    all.into_iter().filter_map(output).collect()
}
