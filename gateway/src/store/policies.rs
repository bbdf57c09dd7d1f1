//! Policy texts by digest. A text is a draft until a statement of the roster names its digest.

use adit_proto::id::UserId;
use adit_proto::label::Hash;
use adit_proto::time::UnixMillis;

use super::{POLICY_MAX, Store, StoreError, Table, millis, reading, text, writing};

const TABLE: Table = Table("policies");

impl Store {
    /// Keeps a text that was validated. The same text twice is one row.
    ///
    /// # Errors
    /// [`StoreError::Value`] for a text that is too long; as every call of the store.
    pub async fn keep_policy(
        &self,
        digest: &Hash,
        policy: &str,
        actor: UserId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO policies (digest, text, actor, stored_ms) \
            VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO NOTHING";
        let policy = text("policy", policy, POLICY_MAX)?;
        let digest = &digest[..];
        writing!(self, pool => sqlx::query(SQL)
            .bind(digest).bind(policy).bind(actor.to_string()).bind(millis(now))
            .execute(pool).await.map(drop))
        .map_err(StoreError::of("policy"))
    }

    /// The text of a digest, if it was kept. Whoever reads it compares the digest again.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn policy(&self, digest: &Hash) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT text FROM policies WHERE digest = $1";
        let digest = &digest[..];
        let row: Option<(String,)> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(digest).fetch_optional(pool).await)
        .map_err(StoreError::of("policy"))?;
        match row {
            Some((policy,)) if policy.len() > POLICY_MAX => Err(TABLE.corrupt("text")),
            other => Ok(other.map(|(policy,)| policy)),
        }
    }
}
