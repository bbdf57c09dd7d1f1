//! Sign-ins: which passkey authorised which device until when, with the evidence as sent.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::{DeviceId, PasskeyId, SignInId, UserId};
use adit_proto::sign_in::Evidence;
use adit_proto::time::UnixMillis;
use adit_proto::wire::identity::SignInEvidence;
use prost::Message;

use super::{Store, StoreError, Table, blob, millis, one, reading, writing};

const TABLE: Table = Table("sign_ins");

/// A sign-in that was verified before it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct SignIn {
    /// Its id.
    pub id: SignInId,
    /// Who signed in.
    pub user: UserId,
    /// On which device.
    pub device: DeviceId,
    /// With which passkey.
    pub passkey: PasskeyId,
    /// Request and assertion as sent: the proof that each connector verifies itself.
    pub evidence: Evidence,
    /// When the request was issued.
    pub issued: UnixMillis,
    /// When it ends.
    pub expires: UnixMillis,
}

impl Store {
    /// Stores a sign-in.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the id is taken; as every call of the store.
    pub async fn add_sign_in(&self, new: &SignIn) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO sign_ins \
            (id, user_id, device_id, passkey_id, evidence, issued_ms, expires_ms) \
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let evidence = new.evidence.sent().encode_to_vec();
        let evidence = blob("evidence", &evidence)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(new.id.to_string()).bind(new.user.to_string()).bind(new.device.to_string())
            .bind(new.passkey.to_string()).bind(evidence)
            .bind(millis(new.issued)).bind(millis(new.expires))
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("sign-in"))?;
        one("sign-in", affected)
    }

    /// The newest sign-in on a device that has neither ended nor expired, nor been without a session for `idle`; or why
    /// there is none: [`Reason::SignInExpired`] if one has lived its time, else [`Reason::SignInRequired`].
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn sign_in_of(
        &self,
        device: DeviceId,
        now: UnixMillis,
        idle: Option<Duration>,
    ) -> Result<Result<SignIn, Reason>, StoreError> {
        const SQL: &str = "SELECT id, user_id, device_id, passkey_id, evidence, issued_ms, expires_ms \
            FROM sign_ins WHERE device_id = $1 AND ended_ms IS NULL \
            ORDER BY CASE WHEN expires_ms > $2 THEN 0 ELSE 1 END, issued_ms DESC, id DESC LIMIT 1";
        let row: Option<SignInRow> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(device.to_string()).bind(millis(now)).fetch_optional(pool).await)
        .map_err(StoreError::of("sign-in"))?;
        let Some(sign_in) = row.map(SignIn::try_from).transpose()? else {
            return Ok(Err(Reason::SignInRequired));
        };
        let expires = match idle {
            Some(idle) => {
                let used = self.last_session_of(&sign_in, now).await?;
                used.after(idle).min(sign_in.expires)
            }
            None => sign_in.expires,
        };
        Ok(if expires > now {
            Ok(sign_in)
        } else {
            Err(Reason::SignInExpired)
        })
    }

    /// When a session of a sign-in was live last: `now` if one is.
    async fn last_session_of(
        &self,
        sign_in: &SignIn,
        now: UnixMillis,
    ) -> Result<UnixMillis, StoreError> {
        const SQL: &str = "SELECT MAX(COALESCE(ended_ms, \
            CASE WHEN expires_ms < $3 THEN expires_ms ELSE $3 END)) \
            FROM sessions WHERE user_id = $1 AND sign_in_id = $2";
        let last: Option<i64> = reading!(self, pool => sqlx::query_scalar(SQL)
            .bind(sign_in.user.to_string()).bind(sign_in.id.to_string()).bind(millis(now))
            .fetch_one(pool).await)
        .map_err(StoreError::of("sign-in"))?;
        let last = last.map(|last| TABLE.time("ended_ms", last)).transpose()?;
        Ok(last.unwrap_or(sign_in.issued).max(sign_in.issued))
    }

    /// The sign-in of an id, if it has neither ended nor expired.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; as every call of the store.
    pub async fn live_sign_in(&self, id: SignInId, now: UnixMillis) -> Result<SignIn, StoreError> {
        const SQL: &str = "SELECT id, user_id, device_id, passkey_id, evidence, issued_ms, expires_ms \
            FROM sign_ins WHERE id = $1 AND ended_ms IS NULL AND expires_ms > $2";
        let row: SignInRow = reading!(self, pool => sqlx::query_as(SQL)
            .bind(id.to_string()).bind(millis(now)).fetch_one(pool).await)
        .map_err(StoreError::of("sign-in"))?;
        row.try_into()
    }

    /// Ends every sign-in on a device, those too that a newer one stands in front of.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn end_sign_ins(&self, device: DeviceId, now: UnixMillis) -> Result<(), StoreError> {
        const SQL: &str =
            "UPDATE sign_ins SET ended_ms = $2 WHERE device_id = $1 AND ended_ms IS NULL";
        writing!(self, pool => sqlx::query(SQL)
            .bind(device.to_string()).bind(millis(now))
            .execute(pool).await.map(drop))
        .map_err(StoreError::of("sign-in"))
    }
}

#[derive(sqlx::FromRow)]
struct SignInRow {
    id: String,
    user_id: String,
    device_id: String,
    passkey_id: String,
    evidence: Vec<u8>,
    issued_ms: i64,
    expires_ms: i64,
}

impl TryFrom<SignInRow> for SignIn {
    type Error = StoreError;

    fn try_from(row: SignInRow) -> Result<Self, StoreError> {
        let evidence = SignInEvidence::decode(&row.evidence[..]);
        Ok(Self {
            id: TABLE.parse("id", &row.id)?,
            user: TABLE.parse("user_id", &row.user_id)?,
            device: TABLE.parse("device_id", &row.device_id)?,
            passkey: TABLE.parse("passkey_id", &row.passkey_id)?,
            evidence: evidence.map_err(|_| TABLE.corrupt("evidence"))?.into(),
            issued: TABLE.time("issued_ms", row.issued_ms)?,
            expires: TABLE.time("expires_ms", row.expires_ms)?,
        })
    }
}
