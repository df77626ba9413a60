//! What the limits count: for all nodes together, in one trip for all the keys of an attempt.

use std::time::Duration;

use async_trait::async_trait;
use doorward::clock::Timestamp;
use doorward::limits::{Beyond, CLOCK_MARGIN, Rule};
use doorward::store::StoreResult;
use doorward::store::limits::{Admittance, Applies, ChargedAttempt, LimitStore, Settlement};
use tokio_postgres::types::Type;

use crate::PostgresStore;
use crate::error::Fault;
use crate::statement::{Connection, Statement, Value};

const TAKE: Statement = Statement {
    sql: "
    SELECT refused, wait, is_familiar
    FROM take_rate_limits($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    types: &[
        Type::INT8,
        Type::BYTEA,
        Type::BYTEA_ARRAY,
        Type::INT2_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8,
    ],
};

const SETTLE: Statement = Statement {
    sql: "SELECT settle_rate_limits($1, $2, $3, $4, $5, $6, $7)",
    types: &[
        Type::INT8,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA,
        Type::INT8,
    ],
};

/// Those whom somebody charges at this moment are passed over.
const DELETE_CLEAN: Statement = Statement {
    sql: "
    DELETE FROM rate_limits WHERE key = ANY (ARRAY(
        SELECT key FROM rate_limits WHERE forgiven_at <= $1 AND free_at <= $1 AND familiar_until <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED))",
    types: &[Type::INT8, Type::INT8],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[TAKE, SETTLE, DELETE_CLEAN];

/// The longest time that is reckoned with: a hundred years.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[async_trait]
impl LimitStore for PostgresStore {
    async fn take_limits(&self, attempt: &ChargedAttempt, now: Timestamp) -> StoreResult<Admittance> {
        Ok(self.database.run(|connection| take(connection, attempt, now)).await?)
    }

    async fn settle_limits(&self, settlement: &Settlement, now: Timestamp) -> StoreResult<()> {
        Ok(self.database.run(|connection| settle(connection, settlement, now)).await?)
    }

    async fn purge_limits(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(self.database.run(|connection| purge(connection, now, limit)).await?)
    }
}

async fn take(connection: Connection, attempt: &ChargedAttempt, now: Timestamp) -> Result<Admittance, Fault> {
    let familiar = attempt.familiar.as_ref().map(|familiar| &familiar.pair.as_bytes()[..]);
    let keys: Vec<_> = attempt.charges.iter().map(|charge| &charge.key.as_bytes()[..]).collect();
    let applies: Vec<i16> = attempt.charges.iter().map(|charge| number(charge.applies)).collect();
    let rules = Columns::of(attempt.charges.iter().map(|charge| &charge.rule));
    let (now, margin) = (now.micros(), micros(CLOCK_MARGIN));
    let Columns { bursts, periods, firsts, longests, memories } = &rules;
    let values: [Value<'_>; 10] =
        [&now, &familiar, &keys, &applies, bursts, periods, firsts, longests, memories, &margin];
    let row = connection.query_opt(&TAKE, &values).await?.ok_or(Fault::Unreadable("limit"))?;
    Ok(match row.try_get::<_, Option<i32>>("refused")? {
        None => Admittance::Admitted { is_familiar: row.try_get("is_familiar")? },
        Some(charge) => Admittance::Refused {
            charge: usize::try_from(charge).map_err(|_| Fault::Unreadable("limit"))?,
            wait: Duration::from_micros(row.try_get::<_, i64>("wait")?.unsigned_abs()),
        },
    })
}

async fn settle(connection: Connection, settlement: &Settlement, now: Timestamp) -> Result<(), Fault> {
    let keys: Vec<_> = settlement.give_back.iter().map(|(key, _)| &key.as_bytes()[..]).collect();
    let Columns { bursts, periods, firsts, .. } = Columns::of(settlement.give_back.iter().map(|(_, rule)| rule));
    let familiar = settlement.familiar.as_ref().map(|(familiar, _)| &familiar.pair.as_bytes()[..]);
    let until = settlement.familiar.map(|(_, until)| until.micros());
    let values: [Value<'_>; 7] = [&now.micros(), &keys, &bursts, &periods, &firsts, &familiar, &until];
    connection.execute(&SETTLE, &values).await?;
    Ok(())
}

async fn purge(connection: Connection, now: Timestamp, limit: u32) -> Result<u64, Fault> {
    connection.execute(&DELETE_CLEAN, &[&now.micros(), &i64::from(limit)]).await
}

const fn number(applies: Applies) -> i16 {
    match applies {
        Applies::Always => 0,
        Applies::ToStrangers => 1,
        Applies::ToFamiliar => 2,
    }
}

/// The rules as the functions in the database take them: a list of each figure.
#[derive(Default)]
struct Columns {
    bursts: Vec<i64>,
    periods: Vec<i64>,
    firsts: Vec<i64>,
    longests: Vec<i64>,
    memories: Vec<i64>,
}

impl Columns {
    fn of<'a>(rules: impl Iterator<Item = &'a Rule>) -> Self {
        let mut columns = Self::default();
        for rule in rules {
            columns.bursts.push(rule.burst.into());
            columns.periods.push(micros(rule.forgiven_every));
            columns.firsts.push(match rule.beyond {
                Beyond::Steady => 0,
                Beyond::Doubling { first, .. } => micros(first),
            });
            columns.longests.push(micros(rule.longest_wait()));
            columns.memories.push(micros(rule.longest_memory()));
        }
        columns
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.min(AGES).as_micros()).unwrap_or(i64::MAX)
}
