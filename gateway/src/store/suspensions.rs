//! The gateway's own denials: a numbered log in which the newest entry of a subject counts.

use std::fmt;
use std::str::FromStr;

use adit_proto::id::{DeviceId, IdError, UserId};
use adit_proto::time::UnixMillis;

use super::{Store, StoreError, TEXT_MAX, Table, millis, one, reading, text, transaction};

const TABLE: Table = Table("suspensions");

/// Who or what is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A user, with all devices.
    User(UserId),
    /// One device.
    Device(DeviceId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Device(id) => id.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse()
            .map(Self::User)
            .or_else(|_| text.parse().map(Self::Device))
    }
}

/// A suspension or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Its number, one more than the last.
    pub number: u64,
    /// Whom it is about.
    pub subject: Subject,
    /// Why, shown to who is refused.
    pub reason: String,
    /// When it was stored.
    pub stored: UnixMillis,
}

/// What is to be added to the log.
#[derive(Clone, Copy, Debug)]
pub struct NewSuspension<'a> {
    /// Whom it is about.
    pub subject: Subject,
    /// Whether it begins or ends.
    pub suspended: bool,
    /// Why.
    pub reason: &'a str,
    /// The admin who said so.
    pub actor: UserId,
}

impl Store {
    /// Adds an entry and returns its number.
    ///
    /// # Errors
    /// [`StoreError::Value`] for a reason that is too long; as every call of the store.
    pub async fn add_suspension(
        &self,
        new: NewSuspension<'_>,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        const NEXT: &str =
            "UPDATE counters SET value = value + 1 WHERE name = 'suspension' RETURNING value";
        const SQL: &str = "INSERT INTO suspensions \
            (number, subject, suspended, reason, actor, stored_ms) VALUES ($1, $2, $3, $4, $5, $6)";
        let reason = text("reason", new.reason, TEXT_MAX)?;
        let (subject, actor) = (new.subject.to_string(), new.actor.to_string());
        let failed = || StoreError::of("suspension");
        let number: i64 = transaction!(self, tx => {
            let (number,): (i64,) = sqlx::query_as(NEXT)
                .fetch_one(&mut *tx).await.map_err(failed())?;
            let done = sqlx::query(SQL)
                .bind(number).bind(&subject).bind(i64::from(new.suspended)).bind(reason)
                .bind(&actor).bind(millis(now))
                .execute(&mut *tx).await.map_err(failed())?;
            one("suspension", done.rows_affected())?;
            number
        });
        TABLE.number("number", number)
    }

    /// Those in force.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn suspensions(&self) -> Result<Vec<Suspension>, StoreError> {
        const SQL: &str = "SELECT number, subject, reason, stored_ms FROM suspensions AS newest \
            WHERE suspended = 1 AND number = \
            (SELECT MAX(number) FROM suspensions WHERE subject = newest.subject) ORDER BY number";
        let rows: Vec<SuspensionRow> =
            reading!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await)
                .map_err(StoreError::of("suspension"))?;
        rows.into_iter().map(Suspension::try_from).collect()
    }
}

#[derive(sqlx::FromRow)]
struct SuspensionRow {
    number: i64,
    subject: String,
    reason: String,
    stored_ms: i64,
}

impl TryFrom<SuspensionRow> for Suspension {
    type Error = StoreError;

    fn try_from(row: SuspensionRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: TABLE.number("number", row.number)?,
            subject: TABLE.parse("subject", &row.subject)?,
            reason: row.reason,
            stored: TABLE.time("stored_ms", row.stored_ms)?,
        })
    }
}
