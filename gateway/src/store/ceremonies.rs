//! Ceremonies: rows that are used once.
//!
//! Each step is one statement whose condition is the state before it, so of two that try it one succeeds, on one
//! gateway or on several.

use adit_proto::label::Hash;
use adit_proto::time::UnixMillis;

use super::{BLOB_MAX, Store, StoreError, TEXT_MAX, Table, millis, one, reading, text, writing};

const TABLE: Table = Table("ceremonies");

/// What a [`CeremonyRow`] is read from.
macro_rules! columns {
    () => {
        "id, device, detail, expires_ms, outcome, next_page"
    };
}

/// A ceremony to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewCeremony<'a> {
    /// Its id.
    pub id: &'a str,
    /// What [`Store::redeem_ceremony`] finds it by.
    pub handle: Option<&'a str>,
    /// Fingerprint of the device key whose connection asked.
    pub device: &'a Hash,
    /// JSON.
    pub detail: &'a str,
    /// When it is gone.
    pub expires: UnixMillis,
}

/// A stored ceremony.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// Its id.
    pub id: String,
    /// Fingerprint of the device key whose connection asked.
    pub device: Hash,
    /// JSON.
    pub detail: String,
    /// When it is gone.
    pub expires: UnixMillis,
    /// JSON; `None` before it was settled.
    pub outcome: Option<String>,
    /// Where the tab goes; empty if nowhere.
    pub next_page: Option<String>,
}

impl Store {
    /// Stores a ceremony, and drops those that have expired.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the id is taken; as every call of the store.
    pub async fn add_ceremony(
        &self,
        new: &NewCeremony<'_>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        const EXPIRED: &str = "DELETE FROM ceremonies WHERE expires_ms <= $1";
        const SQL: &str = "INSERT INTO ceremonies (id, handle, device, detail, expires_ms) \
            VALUES ($1, $2, $3, $4, $5)";
        let detail = text("detail", new.detail, BLOB_MAX)?;
        let id = text("id", new.id, TEXT_MAX)?;
        let handle = new
            .handle
            .map(|it| text("handle", it, TEXT_MAX))
            .transpose()?;
        writing!(self, pool => sqlx::query(EXPIRED).bind(millis(now)).execute(pool).await.map(drop))
            .map_err(StoreError::of("ceremony"))?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(id).bind(handle).bind(&new.device[..]).bind(detail)
            .bind(millis(new.expires))
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("ceremony"))?;
        one("ceremony", affected)
    }

    /// A ceremony that waits for its answer.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none, or it was answered, or has expired; as every call of the store.
    pub async fn waiting_ceremony(
        &self,
        id: &str,
        now: UnixMillis,
    ) -> Result<Ceremony, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM ceremonies WHERE id = $1 AND taken_ms IS NULL AND expires_ms > $2"
        );
        let row: CeremonyRow = reading!(self, pool => sqlx::query_as(SQL)
            .bind(id).bind(millis(now)).fetch_one(pool).await)
        .map_err(StoreError::of("ceremony"))?;
        row.try_into()
    }

    /// A ceremony in whichever state, until it expires.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; as every call of the store.
    pub async fn ceremony(&self, id: &str, now: UnixMillis) -> Result<Ceremony, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM ceremonies WHERE id = $1 AND expires_ms > $2"
        );
        let row: CeremonyRow = reading!(self, pool => sqlx::query_as(SQL)
            .bind(id).bind(millis(now)).fetch_one(pool).await)
        .map_err(StoreError::of("ceremony"))?;
        row.try_into()
    }

    /// A ceremony of `device` in whichever state by its handle, until it expires.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; as every call of the store.
    pub async fn ceremony_of(
        &self,
        handle: &str,
        device: &Hash,
        now: UnixMillis,
    ) -> Result<Ceremony, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM ceremonies WHERE handle = $1 AND device = $2 AND expires_ms > $3"
        );
        let row: CeremonyRow = reading!(self, pool => sqlx::query_as(SQL)
            .bind(handle).bind(&device[..]).bind(millis(now)).fetch_one(pool).await)
        .map_err(StoreError::of("ceremony"))?;
        row.try_into()
    }

    /// Uses a ceremony up: exactly one call for each succeeds.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none, or it was answered, or has expired; as every call of the store.
    pub async fn take_ceremony(&self, id: &str, now: UnixMillis) -> Result<Ceremony, StoreError> {
        const SQL: &str = concat!(
            "UPDATE ceremonies SET taken_ms = $2 \
            WHERE id = $1 AND taken_ms IS NULL AND expires_ms > $2 RETURNING ",
            columns!()
        );
        let row: CeremonyRow = writing!(self, pool => sqlx::query_as(SQL)
            .bind(id).bind(millis(now)).fetch_one(pool).await)
        .map_err(StoreError::of("ceremony"))?;
        row.try_into()
    }

    /// Stores how a taken ceremony came out.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it was not taken, or settled before; as every call of the store.
    pub async fn settle_ceremony(&self, id: &str, outcome: &str) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE ceremonies SET outcome = $2 \
            WHERE id = $1 AND taken_ms IS NOT NULL AND outcome IS NULL";
        let outcome = text("outcome", outcome, BLOB_MAX)?;
        let affected = writing!(self, pool => sqlx::query(SQL).bind(id).bind(outcome)
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("ceremony"))?;
        one("ceremony", affected)
    }

    /// Takes the outcome of a settled ceremony, by its handle and its device: exactly one call for each succeeds.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none, or it is another device's, not settled, redeemed or expired; as every
    /// call of the store.
    pub async fn redeem_ceremony(
        &self,
        handle: &str,
        device: &Hash,
        now: UnixMillis,
    ) -> Result<Ceremony, StoreError> {
        const SQL: &str = concat!(
            "UPDATE ceremonies SET redeemed_ms = $3 WHERE handle = $1 AND device = $2 \
            AND outcome IS NOT NULL AND redeemed_ms IS NULL AND expires_ms > $3 RETURNING ",
            columns!()
        );
        let row: CeremonyRow = writing!(self, pool => sqlx::query_as(SQL)
            .bind(handle).bind(&device[..]).bind(millis(now)).fetch_one(pool).await)
        .map_err(StoreError::of("ceremony"))?;
        row.try_into()
    }

    /// Says where the tab of a ceremony of `device` goes. Once.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none of that device, or it was said before; as every call of the store.
    pub async fn lead_ceremony_on(
        &self,
        id: &str,
        device: &Hash,
        page: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE ceremonies SET next_page = $3 \
            WHERE id = $1 AND device = $2 AND next_page IS NULL";
        let page = text("next_page", page, TEXT_MAX)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(id).bind(&device[..]).bind(page)
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("ceremony"))?;
        one("ceremony", affected)
    }
}

#[derive(sqlx::FromRow)]
struct CeremonyRow {
    id: String,
    device: Vec<u8>,
    detail: String,
    expires_ms: i64,
    outcome: Option<String>,
    next_page: Option<String>,
}

impl TryFrom<CeremonyRow> for Ceremony {
    type Error = StoreError;

    fn try_from(row: CeremonyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            device: TABLE.array("device", &row.device)?,
            detail: row.detail,
            expires: TABLE.time("expires_ms", row.expires_ms)?,
            outcome: row.outcome,
            next_page: row.next_page,
        })
    }
}
