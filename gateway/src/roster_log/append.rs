//! Appending: verified, then stored, then shown.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::key::Fingerprint;
use adit_proto::roster::{Appended, Roster};
use adit_proto::statement::StatementError;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{Refusal, StatementAppended};
use adit_proto::wire::roster::Statement;
use prost::Message;

use super::{AppendError, RosterLog, TurnId};
use crate::store::StoreError;
use crate::store::statements::StoredStatement;

/// How far a genesis may be from the gateway's time: its touch is good for ten minutes, and clocks differ.
const FOUNDING_SKEW: Duration = Duration::from_mins(10);

impl RosterLog {
    /// Appends the statement that was signed in a turn. The turn is over with it, whatever comes of it.
    ///
    /// # Errors
    /// [`AppendError`]; a refusal is noted in the audit log.
    ///
    /// # Cancel safety
    /// Dropped after the statement was stored, it counts, and is shown at the next reading of the store.
    pub async fn append(
        &self,
        turn: TurnId,
        holder: &Fingerprint,
        statement: &Statement,
    ) -> Result<Appended, AppendError> {
        let place = self.turns.take(turn, holder);
        let appended = match &place {
            Some(_) => self.verify_and_store(statement).await,
            None => Err(AppendError::Late),
        };
        let event = match &appended {
            Ok(appended) => Event::StatementAppended(StatementAppended {
                number: appended.number,
                hash: appended.hash.to_vec(),
                kind: appended
                    .kind
                    .map_or("skipped", |kind| kind.as_str())
                    .to_owned(),
                signer: statement.signer.clone(),
            }),
            Err(error) => Event::Refusal(Refusal {
                actor: None,
                subject: format!("statement {} by {holder}", statement.number),
                reason: error.reason().to_string(),
                detail: error.to_string(),
            }),
        };
        self.parts.audit.note(event).await;
        appended
    }

    async fn verify_and_store(&self, statement: &Statement) -> Result<Appended, AppendError> {
        let now = self.parts.clock.now();
        let held = self.snapshot();
        let (grown, appended) = match held.as_deref() {
            Some(roster) => {
                let appended = roster.check(statement, now)?;
                let mut grown = roster.clone();
                grown.append(statement)?;
                self.has_policy(roster, &grown).await?;
                (grown, appended)
            }
            None => self.found(statement, now)?,
        };
        let stored = StoredStatement {
            number: appended.number,
            hash: appended.hash,
            // Checked by the roster: a kind has 16 bits.
            kind: u16::try_from(statement.kind)
                .map_err(|_| StatementError::KindUnknown(statement.kind))?,
            statement: statement.encode_to_vec(),
        };
        match self.parts.store.append_statement(&stored, now).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Err(AppendError::Raced),
            Err(error) => return Err(AppendError::Store(error)),
        }
        self.publish(Some(Arc::new(grown)));
        Ok(appended)
    }

    fn found(
        &self,
        statement: &Statement,
        now: adit_proto::time::UnixMillis,
    ) -> Result<(Roster, Appended), AppendError> {
        let founded = Roster::found(statement)?;
        let head = founded.head();
        if head.time.since(now).max(now.since(head.time)) > FOUNDING_SKEW {
            return Err(StatementError::ClockSkew.into());
        }
        self.parts
            .founding
            .check(&founded)
            .map_err(AppendError::Foreign)?;
        let appended = Appended {
            number: head.number,
            hash: head.hash,
            kind: Some(adit_proto::statement::Kind::Genesis),
            time: head.time,
        };
        Ok((founded, appended))
    }

    /// A policy comes into force only if its text can be given to connectors.
    async fn has_policy(&self, before: &Roster, after: &Roster) -> Result<(), AppendError> {
        let Some(policy) = after.policy() else {
            return Ok(());
        };
        if before
            .policy()
            .is_some_and(|held| held.number == policy.number)
        {
            return Ok(());
        }
        match self.parts.store.policy(&policy.digest).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(AppendError::PolicyUnknown),
            Err(error) => Err(AppendError::Store(error)),
        }
    }
}
