//! How often passkeys have signed, as they count themselves (Web Authentication Level 3, section 6.1.1).

use super::{Store, StoreError, blob, writing};

impl Store {
    /// Raises what is known of a passkey's counter to `count`, in one statement, and says whether it rose. A passkey that
    /// does not count says 0 each time, and that rises.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn raise_sign_count(
        &self,
        credential_id: &[u8],
        count: u32,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO passkey_counters (credential_id, sign_count) VALUES ($1, $2) \
            ON CONFLICT (credential_id) DO UPDATE SET sign_count = excluded.sign_count \
            WHERE passkey_counters.sign_count < excluded.sign_count \
            OR (passkey_counters.sign_count = 0 AND excluded.sign_count = 0)";
        let credential_id = blob("credential_id", credential_id)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(credential_id).bind(i64::from(count))
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("passkey's counter"))?;
        Ok(affected > 0)
    }
}
