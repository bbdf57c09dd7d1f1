//! Sessions: what a user may reach now. A row outlives its session, for the lists and for who asks later.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::{ClusterId, DeviceId, SessionId, SignInId, UserId};
use adit_proto::target::Target;
use adit_proto::time::UnixMillis;

use super::{Store, StoreError, Table, millis, number, one, reading, writing};

const TABLE: Table = Table("sessions");

/// A session, as it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The sign-in that it rests on and ends with.
    pub sign_in: SignInId,
    /// Whose it is.
    pub user: UserId,
    /// From which device.
    pub device: DeviceId,
    /// From which process on it.
    pub device_instance: [u8; 16],
    /// Through which cluster's connector.
    pub cluster: ClusterId,
    /// To what.
    pub target: Target,
    /// The connector's process that it belongs to.
    pub instance: [u8; 16],
    /// When it was opened.
    pub opened: UnixMillis,
    /// When it ends at the latest.
    pub expires: UnixMillis,
    /// How long no stream may be open.
    pub idle: Duration,
}

/// The end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// From which device it was.
    pub device: DeviceId,
    /// Why it ended.
    pub reason: Reason,
}

impl Store {
    /// Stores a session before anybody is told of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the id is taken; as every call of the store.
    pub async fn add_session(&self, new: &Session) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO sessions (id, sign_in_id, user_id, device_id, device_instance, cluster_id, \
            target, instance, opened_ms, expires_ms, idle_ms) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let idle = u64::try_from(new.idle.as_millis()).unwrap_or(u64::MAX);
        let idle = number("idle_ms", idle)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(new.id.to_string()).bind(new.sign_in.to_string()).bind(new.user.to_string())
            .bind(new.device.to_string()).bind(&new.device_instance[..]).bind(new.cluster.to_string())
            .bind(new.target.to_string()).bind(&new.instance[..])
            .bind(millis(new.opened)).bind(millis(new.expires)).bind(idle)
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("session"))?;
        one("session", affected)
    }

    /// Lets a session rest on another sign-in, until another time; one that has ended is [`StoreError::Missing`].
    ///
    /// # Errors
    /// As said, and as every call of the store.
    pub async fn renew_session(&self, renewed: &Session) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE sessions SET sign_in_id = $2, expires_ms = $3 \
            WHERE id = $1 AND ended_ms IS NULL";
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(renewed.id.to_string()).bind(renewed.sign_in.to_string())
            .bind(millis(renewed.expires))
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("session"))?;
        one("session", affected)
    }

    /// Ends a session; one that has ended already is [`StoreError::Missing`].
    ///
    /// # Errors
    /// As said, and as every call of the store.
    pub async fn end_session(
        &self,
        id: SessionId,
        reason: Reason,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE sessions SET ended_ms = $2, end_reason = $3 \
            WHERE id = $1 AND ended_ms IS NULL";
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(id.to_string()).bind(millis(now)).bind(reason.as_str())
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("session"))?;
        one("session", affected)
    }

    /// How a session ended, if it has.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn session_end(&self, id: SessionId) -> Result<Option<SessionEnd>, StoreError> {
        const SQL: &str = "SELECT device_id, end_reason FROM sessions \
            WHERE id = $1 AND end_reason IS NOT NULL";
        let row: Option<(String, String)> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(id.to_string()).fetch_optional(pool).await)
        .map_err(StoreError::of("session"))?;
        let end = |(device, reason): (String, String)| {
            Ok(SessionEnd {
                device: TABLE.parse("device_id", &device)?,
                reason: TABLE.parse("end_reason", &reason)?,
            })
        };
        row.map(end).transpose()
    }

    /// Sessions that have neither ended nor expired, oldest first.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn live_sessions(&self, now: UnixMillis) -> Result<Vec<Session>, StoreError> {
        const SQL: &str = "SELECT id, sign_in_id, user_id, device_id, device_instance, \
            cluster_id, target, instance, \
            opened_ms, expires_ms, idle_ms FROM sessions \
            WHERE ended_ms IS NULL AND expires_ms > $1 ORDER BY opened_ms, id";
        let rows: Vec<SessionRow> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(millis(now)).fetch_all(pool).await)
        .map_err(StoreError::of("session"))?;
        rows.into_iter().map(Session::try_from).collect()
    }
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: String,
    sign_in_id: String,
    user_id: String,
    device_id: String,
    device_instance: Vec<u8>,
    cluster_id: String,
    target: String,
    instance: Vec<u8>,
    opened_ms: i64,
    expires_ms: i64,
    idle_ms: i64,
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            sign_in: TABLE.parse("sign_in_id", &row.sign_in_id)?,
            user: TABLE.parse("user_id", &row.user_id)?,
            device: TABLE.parse("device_id", &row.device_id)?,
            device_instance: TABLE.array("device_instance", &row.device_instance)?,
            cluster: TABLE.parse("cluster_id", &row.cluster_id)?,
            target: TABLE.parse("target", &row.target)?,
            instance: TABLE.array("instance", &row.instance)?,
            opened: TABLE.time("opened_ms", row.opened_ms)?,
            expires: TABLE.time("expires_ms", row.expires_ms)?,
            idle: Duration::from_millis(TABLE.number("idle_ms", row.idle_ms)?),
        })
    }
}
