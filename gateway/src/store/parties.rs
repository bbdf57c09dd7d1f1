//! The inventory's changing half: when a device or a cluster was last here, and what it says of itself.

use adit_proto::id::{ClusterId, DeviceId};
use adit_proto::time::UnixMillis;

use super::{Store, StoreError, TEXT_MAX, Table, millis, one, reading, text, writing};

const TABLE: Table = Table("parties_seen");

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartyId {
    /// A device.
    Device(DeviceId),
    /// A cluster; its replicas share the row.
    Cluster(ClusterId),
}

impl std::fmt::Display for PartyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Device(id) => id.fmt(f),
            Self::Cluster(id) => id.fmt(f),
        }
    }
}

/// When and as what a party was here. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// For the first time.
    pub first: UnixMillis,
    /// For the last time.
    pub last: UnixMillis,
    /// From which address.
    pub source_address: String,
    /// The version of its program.
    pub version: String,
    /// Facts in JSON, as the party stated them.
    pub facts: String,
}

/// A party that is here now.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// Who.
    pub party: PartyId,
    /// From which address.
    pub source_address: &'a str,
    /// The version of its program.
    pub version: &'a str,
    /// Facts in JSON; `None` keeps what was stated before.
    pub facts: Option<&'a str>,
}

impl Store {
    /// Notes that a party is here.
    ///
    /// # Errors
    /// [`StoreError::Value`] for texts that are too long; as every call of the store.
    pub async fn see(&self, here: Sighting<'_>, now: UnixMillis) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO parties_seen \
            (party, first_seen_ms, last_seen_ms, source_address, version, facts) \
            VALUES ($1, $2, $2, $3, $4, $5) ON CONFLICT (party) DO UPDATE SET \
            last_seen_ms = excluded.last_seen_ms, source_address = excluded.source_address, \
            version = excluded.version, \
            facts = CASE WHEN $6 = 1 THEN excluded.facts ELSE parties_seen.facts END";
        let source_address = text("source_address", here.source_address, TEXT_MAX)?;
        let version = text("version", here.version, TEXT_MAX)?;
        let stated = i64::from(here.facts.is_some());
        let facts = text("facts", here.facts.unwrap_or("{}"), TEXT_MAX)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(here.party.to_string()).bind(millis(now)).bind(source_address).bind(version)
            .bind(facts).bind(stated)
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("party"))?;
        one("party", affected)
    }

    /// Notes when a party went; what else is known of it stays.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for who was never here; as every call of the store.
    pub async fn gone(&self, party: PartyId, now: UnixMillis) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE parties_seen SET last_seen_ms = $2 WHERE party = $1";
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(party.to_string()).bind(millis(now))
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("party"))?;
        one("party", affected)
    }

    /// When a party was here, if ever.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn seen(&self, party: PartyId) -> Result<Option<Seen>, StoreError> {
        const SQL: &str = "SELECT first_seen_ms, last_seen_ms, source_address, version, facts \
            FROM parties_seen WHERE party = $1";
        let row: Option<SeenRow> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(party.to_string()).fetch_optional(pool).await)
        .map_err(StoreError::of("party"))?;
        row.map(Seen::try_from).transpose()
    }
}

#[derive(sqlx::FromRow)]
struct SeenRow {
    first_seen_ms: i64,
    last_seen_ms: i64,
    source_address: String,
    version: String,
    facts: String,
}

impl TryFrom<SeenRow> for Seen {
    type Error = StoreError;

    fn try_from(row: SeenRow) -> Result<Self, StoreError> {
        Ok(Self {
            first: TABLE.time("first_seen_ms", row.first_seen_ms)?,
            last: TABLE.time("last_seen_ms", row.last_seen_ms)?,
            source_address: row.source_address,
            version: row.version,
            facts: row.facts,
        })
    }
}
