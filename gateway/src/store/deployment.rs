//! What the database belongs to: a few named values.

use super::{Store, StoreError, Table, blob, one, reading, writing};

/// A value of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Fingerprint of the gateways' key, so that a database is not used with another deployment's keys.
    GatewaysKey,
    /// Public key of the first invitation. It counts only while there is no genesis.
    FirstInvitation,
}

impl Entry {
    fn name(self) -> &'static str {
        match self {
            Self::GatewaysKey => "gateways_key",
            Self::FirstInvitation => "first_invitation",
        }
    }
}

impl Store {
    /// Reads a value; `None` before it was set.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it has another length; as every call of the store.
    pub async fn deployment<const N: usize>(
        &self,
        entry: Entry,
    ) -> Result<Option<[u8; N]>, StoreError> {
        const SQL: &str = "SELECT value FROM deployment WHERE name = $1";
        let row: Option<(Vec<u8>,)> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(entry.name()).fetch_optional(pool).await)
        .map_err(StoreError::of("value"))?;
        row.map(|(value,)| Table("deployment").array("value", &value))
            .transpose()
    }

    /// Sets a value that was never set.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was; as every call of the store.
    pub async fn set_deployment(&self, entry: Entry, value: &[u8]) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO deployment (name, value) VALUES ($1, $2)";
        let value = blob("value", value)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(entry.name()).bind(value)
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("value"))?;
        one("value", affected)
    }

    /// Sets a value, or puts another one in its place.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn replace_deployment(&self, entry: Entry, value: &[u8]) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO deployment (name, value) VALUES ($1, $2) \
            ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let value = blob("value", value)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(entry.name()).bind(value)
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("value"))?;
        one("value", affected)
    }
}
