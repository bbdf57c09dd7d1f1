//! The states from the passkey to the statement that is in the log.

use adit_proto::assertion::{self, RelyingParty};
use adit_proto::id::{DeviceId, UserId};
use adit_proto::key::{Fingerprint, PublicKey};
use adit_proto::label::Hash;
use adit_proto::statement::{Draft, Head, Kind};
use adit_proto::time::UnixMillis;
use adit_proto::wire::enrol::{EnrolChain, EnrolDone, EnrolTurn};
use adit_proto::wire::roster::{Device, Enrolment, Passkey, Statement};
use std::time::Duration;

use super::chain::Chain;
use super::founding::Founding;
use super::knocking::Newcomer;
use super::{EnrolError, Enrolled};
use crate::statement::{new_body, new_passkey};
use crate::{clock, random};

/// How far the clocks may differ.
const SKEW: Duration = Duration::from_mins(5);

/// The device key made its evidence; the browser has the word.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) newcomer: Newcomer,
    pub(super) gateways: PublicKey,
    pub(super) next_key: Vec<u8>,
    pub(super) party: RelyingParty,
    pub(super) user_name: String,
    pub(super) registration: Hash,
    pub(super) chain: Chain,
}

/// What comes after the turn.
#[derive(Debug)]
pub(super) enum Turned {
    /// Signed by the invitation key.
    Invited(Box<Signed>),
    /// Genesis waits for the touch.
    Genesis(Box<Founding>),
}

/// The statement is signed and can be sent.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) statement: Statement,
    /// The log with it.
    pub(super) head: Head,
    pub(super) gateways: (Fingerprint, Fingerprint),
    pub(super) user: UserId,
    pub(super) user_name: String,
    pub(super) device: DeviceId,
}

impl Proven {
    /// Takes a part of the log.
    pub(super) fn chained(&mut self, chain: &EnrolChain) -> Result<(), EnrolError> {
        self.chain.extend(&chain.statements)
    }

    /// Takes the registration and the turn.
    pub(super) fn turned(self, turn: &EnrolTurn) -> Result<Turned, EnrolError> {
        let credential = assertion::registered(
            &turn.attestation_object,
            &turn.client_data_json,
            &self.party,
            &self.registration,
        )
        .map_err(EnrolError::Registration)?;
        let head = turn.head.clone().unwrap_or_default();
        let head = Head::try_from(&head).map_err(|_| EnrolError::OtherHead)?;
        let (now, theirs) = (clock::now(), UnixMillis(turn.time_ms));
        if now.since(theirs).max(theirs.since(now)) > SKEW {
            return Err(EnrolError::ClockSkew);
        }
        let device = DeviceId::from_parts(now, random::bytes()?);
        let passkey = new_passkey(&credential, "")?;
        if let Some(founder) = self.newcomer.founder.clone() {
            if !head.is_none() {
                return Err(EnrolError::OtherHistory);
            }
            let user = UserId::from_parts(now, random::bytes()?);
            let founding = Founding::new(self, &founder, credential, passkey, (user, device))?;
            return Ok(Turned::Genesis(Box::new(founding)));
        }
        self.invited(head, device, passkey)
            .map(|signed| Turned::Invited(Box::new(signed)))
    }

    fn invited(self, head: Head, device: DeviceId, passkey: Passkey) -> Result<Signed, EnrolError> {
        let (roster, invited) = self.chain.finish()?;
        let gateways = roster.gateways();
        let known = self.gateways == gateways.current || self.gateways == gateways.next;
        if !known || *roster.relying_party() != self.party {
            return Err(EnrolError::OtherGateway);
        }
        if (roster.number(), roster.head().hash) != (head.number, head.hash) {
            return Err(EnrolError::OtherHead);
        }
        if clock::now() >= invited.expires {
            return Err(EnrolError::Expired);
        }
        let mut body = new_body()?;
        body.enrolments.push(Enrolment {
            invitation_id: invited.invitation.to_string(),
            device: Some(Device {
                device_id: device.to_string(),
                key: self.newcomer.device.public_key().spki().to_vec(),
                name: self.newcomer.facts.name.clone(),
                tier_cap: invited.tier_cap,
            }),
            passkey: Some(passkey),
        });
        let key = self.newcomer.invitation.key();
        let signer = key.public().fingerprint();
        let draft = Draft::new(roster.genesis(), Kind::Enrolment, signer, &body);
        let placed = draft.place(&head);
        let hash = placed.hash();
        let statement = placed.seal(key.sign(&hash).to_vec(), None);
        Ok(Signed {
            head: Head {
                genesis: roster.genesis(),
                number: statement.number,
                hash,
                time: UnixMillis(body.time_ms).max(head.time),
            },
            gateways: (gateways.current.fingerprint(), gateways.next.fingerprint()),
            user: invited.user,
            user_name: self.user_name,
            device,
            statement,
        })
    }
}

impl Signed {
    /// The gateway has stored it.
    pub(super) fn done(self, done: &EnrolDone) -> Result<Enrolled, EnrolError> {
        let head = done.head.clone().unwrap_or_default();
        let head = Head::try_from(&head).map_err(|_| EnrolError::NotStored)?;
        // Others may have appended meanwhile: then the number is higher, and the agent will see whether ours is in it.
        let ours = head.number == self.head.number && head.hash == self.head.hash;
        if head.genesis != self.head.genesis || !(ours || head.number > self.head.number) {
            return Err(EnrolError::NotStored);
        }
        Ok(Enrolled {
            user: self.user,
            user_name: self.user_name,
            device: self.device,
            gateways: self.gateways,
            head: self.head,
            ceremony_id: done.ceremony_id.clone(),
        })
    }
}
