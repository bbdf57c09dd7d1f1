//! A gateway in memory that plays its part of an enrolment, honestly or not.

use std::time::Duration;

use adit_proto::id::{InvitationId, UserId};
use adit_proto::invitation::{Invitation, evidence_digest, registration_challenge};
use adit_proto::key::PublicKey;
use adit_proto::label::Hash;
use adit_proto::roster::Roster;
use adit_proto::software_authenticator::SoftwareAuthenticator;
use adit_proto::statement::{Head, Kind, touch_challenge};
use adit_proto::wire::enrol::{
    EnrolChain, EnrolChallenge, EnrolDone, EnrolPage, EnrolRefused, EnrolTouched, EnrolTurn,
    frame::Message,
};
use adit_proto::wire::roster::{Admits, Invitation as InvitationEntry, Statement, User};
use adit_transport::key::DeviceSigner;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock;
use crate::enrol::EnrolError;
use crate::enrol::channel::Channel;
use crate::testing::{Founder as First, ORIGIN, RP_ID, body, passkey, touch};

pub(super) const BIND: [u8; 32] = [1; 32];
pub(super) const EVIDENCE: [u8; 32] = [2; 32];
pub(super) const NONCE: [u8; 32] = [3; 32];

/// What a gateway does that it should not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lie {
    None,
    /// Says that there is a log, or that there is none.
    OtherHistory,
    /// Registers a passkey for another ceremony.
    OtherNonce,
    /// Shows another relying party than genesis names.
    OtherParty,
    /// Leaves the invitation's body out.
    Withheld,
    /// Asks for a signature after another head.
    OtherHead,
    /// Shows the log of another deployment.
    OtherGenesis,
    /// Has the first admin touch another body.
    OtherTouch,
    /// Says that another statement was stored.
    OtherDone,
    /// Has another clock.
    OtherClock,
    /// Refuses with what a terminal would obey.
    Refuses,
}

pub(super) struct Gateway {
    pub(super) first: First,
    lie: Lie,
    passkey: SoftwareAuthenticator,
    log: Vec<Statement>,
}

impl Gateway {
    /// A gateway without a log.
    pub(super) fn new(lie: Lie) -> Self {
        Self {
            first: First::new(),
            lie,
            passkey: passkey(),
            log: Vec::new(),
        }
    }

    /// A gateway whose log names the user bob and an invitation for him.
    pub(super) fn founded(lie: Lie, invitation: &Invitation, lasts: Duration) -> Self {
        let gateway = Self::new(lie);
        gateway.with_log(invitation, lasts)
    }

    pub(super) fn with_log(mut self, invitation: &Invitation, lasts: Duration) -> Self {
        let user = UserId::from_parts(clock::now(), [2; 10]).to_string();
        let mut roster = self.first.roster();
        self.log.push(self.first.genesis.clone());
        let (mut users, mut invitations) = (body(), body());
        users.users.push(User {
            user_id: user.clone(),
            name: "bob".to_owned(),
            ..User::default()
        });
        invitations.invitations.push(InvitationEntry {
            invitation_id: InvitationId::from_parts(clock::now(), [3; 10]).to_string(),
            key: invitation.key().public().as_bytes().to_vec(),
            user_id: user,
            admits: Admits::Both.into(),
            tier_cap: 2,
            expires_ms: clock::now().after(lasts).0,
            approval: false,
        });
        for (kind, body) in [(Kind::User, users), (Kind::Invitation, invitations)] {
            let statement = self.first.state(&roster, kind, &body);
            roster.append(&statement).unwrap();
            self.log.push(statement);
        }
        self
    }

    pub(super) fn gateways(&self) -> PublicKey {
        self.first.gateways.0.public_key().clone()
    }

    pub(super) fn roster(&self) -> Option<Roster> {
        let (genesis, rest) = self.log.split_first()?;
        let mut roster = Roster::found(genesis).unwrap();
        for statement in rest {
            roster.append(statement).unwrap();
        }
        Some(roster)
    }

    fn head(&self) -> Head {
        let mut head = self.roster().map_or_else(Head::none, |it| it.head());
        if self.lie == Lie::OtherHead {
            head = Head {
                genesis: [8; 32],
                number: head.number.max(1),
                hash: [9; 32],
                ..head
            };
        }
        head
    }

    fn challenge(&self) -> EnrolChallenge {
        let genesis = self.log.is_empty() != (self.lie == Lie::OtherHistory);
        let mut origins = vec![ORIGIN.to_owned()];
        if self.lie == Lie::OtherParty {
            origins.push("https://evil.gw.example.org".to_owned());
        }
        EnrolChallenge {
            server_nonce: NONCE.to_vec(),
            genesis,
            rp_id: RP_ID.to_owned(),
            origins,
            user_name: "bob".to_owned(),
            gateways_next_key: self.first.gateways.1.public_key().spki().to_vec(),
            ..EnrolChallenge::default()
        }
    }

    fn chain(&self) -> Vec<Statement> {
        let Some(roster) = self.roster() else {
            return Vec::new();
        };
        let shown = |it: &Statement| {
            let ours = it.kind == u32::from(Kind::Invitation) && self.lie != Lie::Withheld;
            if ours {
                it.clone()
            } else {
                roster.client_view(it)
            }
        };
        if self.lie == Lie::OtherGenesis {
            return vec![First::new().genesis];
        }
        self.log.iter().map(shown).collect()
    }

    fn turn(&self, device: &PublicKey, invitation: &Hash) -> EnrolTurn {
        let nonce = if self.lie == Lie::OtherNonce {
            [0; 32]
        } else {
            NONCE
        };
        let print = adit_proto::key::Fingerprint(*invitation);
        let challenge = registration_challenge(&device.fingerprint(), &print, &nonce);
        let made = self.passkey.register(RP_ID, ORIGIN, &challenge).unwrap();
        let skew = if self.lie == Lie::OtherClock {
            301_000
        } else {
            0
        };
        EnrolTurn {
            attestation_object: made.attestation_object,
            client_data_json: made.client_data_json,
            head: Some(self.head().to_wire()),
            time_ms: clock::now().0 + skew,
        }
    }

    /// Plays the gateway's part; returns the statement that it stored.
    pub(super) async fn serve(
        &self,
        device: &PublicKey,
        reader: impl AsyncRead + Unpin,
        writer: impl AsyncWrite + Unpin,
    ) -> Result<Statement, EnrolError> {
        let mut channel = Channel::new(reader, writer);
        let start = channel.read().await?;
        let Message::Start(said) = &start.message else {
            panic!("{start:?}")
        };
        let invitation =
            adit_proto::key::InvitationPublicKey::from_bytes(&said.invitation_key).unwrap();
        let signed = adit_proto::invitation::start_digest(&BIND);
        invitation.verify(&signed, &said.signature).unwrap();
        let invitation = invitation.fingerprint().0;
        if self.lie == Lie::Refuses {
            let refused = EnrolRefused {
                reason: "evidence_invalid".to_owned(),
                detail: "ask \x1b[2Jagain".to_owned(),
            };
            channel.write(Message::Refused(refused)).await?;
            return Err(EnrolError::Declined);
        }
        let challenge = channel.write(Message::Challenge(self.challenge())).await?;
        let Message::Proof(proof) = channel.read().await?.message else {
            panic!()
        };
        let digest = evidence_digest(&start.frame, &challenge, &EVIDENCE);
        adit_attest::verify(&proof.attestation, device, &digest).unwrap();
        channel.write(Message::Page(page())).await?;
        if self.log.is_empty() {
            channel
                .write(Message::Turn(self.turn(device, &invitation)))
                .await?;
            self.touch(device, &mut channel).await?;
        } else {
            for part in self.chain().chunks(2) {
                let statements = part.to_vec();
                channel
                    .write(Message::Chain(EnrolChain { statements }))
                    .await?;
            }
            channel
                .write(Message::Turn(self.turn(device, &invitation)))
                .await?;
        }
        let Message::Statement(sent) = channel.read().await?.message else {
            panic!()
        };
        let statement = sent.statement.unwrap();
        let head = self.store(&statement);
        let done = EnrolDone {
            head: Some(head.to_wire()),
            ceremony_id: "tab".to_owned(),
        };
        channel.write(Message::Done(done)).await?;
        Ok(statement)
    }

    async fn touch<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        device: &PublicKey,
        channel: &mut Channel<R, W>,
    ) -> Result<(), EnrolError> {
        let Message::Touch(asked) = channel.read().await?.message else {
            panic!()
        };
        channel.write(Message::Page(page())).await?;
        let mut hash: Hash = asked.body_hash.try_into().unwrap();
        if self.lie == Lie::OtherTouch {
            hash = [7; 32];
        }
        let kind = Kind::Genesis.number();
        let challenge = touch_challenge(&[0; 32], kind, &device.fingerprint(), &hash);
        let touched = EnrolTouched {
            assertion: Some(touch(&self.passkey, &challenge)),
            head: Some(Head::none().to_wire()),
        };
        channel.write(Message::Touched(touched)).await.map(drop)
    }

    fn store(&self, statement: &Statement) -> Head {
        let roster = match self.roster() {
            None => Roster::found(statement).unwrap(),
            Some(mut roster) => {
                roster.append(statement).unwrap();
                roster
            }
        };
        let mut head = roster.head();
        if self.lie == Lie::OtherDone {
            head.hash = [5; 32];
        }
        head
    }
}

fn page() -> EnrolPage {
    EnrolPage {
        url: "https://gw.example.org/ceremony/x".to_owned(),
        matching_code: "ABC".to_owned(),
        expires_ms: 0,
    }
}
