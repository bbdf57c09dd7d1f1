//! A log that grows by right statements.

use std::time::Duration;

use super::{Person, START, TestKey, random};
use crate::assertion::RelyingParty;
use crate::id::{ClusterId, InvitationId, UserId};
use crate::invitation::Invitation;
use crate::key::PublicKey;
use crate::label::Hash;
use crate::roster::{Roster, Subject, policy_digest};
use crate::secret::Secret;
use crate::statement::{Draft, Head, Kind};
use crate::time::UnixMillis;
use crate::wire::roster as wire;
use crate::wire::roster::revocation::Subject as WireSubject;

/// The recovery key of test logs.
pub const RECOVERY_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDKu9DBu8tY9NsiFUQclqwtoXBgV1B/jK60gFoveSJmX recovery";

/// An invitation and what the statement about it says.
#[derive(Clone, Debug)]
pub struct Invited {
    /// The id.
    pub id: InvitationId,
    /// Whom it names.
    pub user: UserId,
    /// His name.
    pub name: String,
    /// The text and the key.
    pub invitation: Invitation,
}

/// A cluster with its private key.
#[derive(Clone, Debug)]
pub struct TestCluster {
    /// The id.
    pub id: ClusterId,
    /// The name.
    pub name: String,
    /// The key.
    pub key: TestKey,
}

/// A roster with everything that made it.
#[derive(Clone, Debug)]
pub struct Log {
    /// The projection.
    pub roster: Roster,
    /// The statements in full.
    pub statements: Vec<wire::Statement>,
    /// The first admin.
    pub admin: Person,
    /// The gateways' key.
    pub gateways: TestKey,
    /// Time of the next statement; each adds a second.
    pub now: UnixMillis,
}

impl Log {
    /// A log with a genesis statement for `http://localhost:8443`, whose admin is `root`.
    #[must_use]
    pub fn new() -> Self {
        Self::found("localhost", &["http://localhost:8443".to_owned()], START)
    }

    /// A log with a genesis statement.
    #[must_use]
    pub fn found(rp_id: &str, origins: &[String], now: UnixMillis) -> Self {
        let admin = Person::new(UserId::from_parts(now, random()), "root", rp_id, now);
        let gateways = TestKey::generate();
        let genesis = Self::genesis_of(&admin, rp_id, origins, gateways.public());
        let relying_party = RelyingParty::new(rp_id, origins).expect("the origins fit the RP ID");
        let body = wire::Body {
            genesis: vec![genesis],
            ..blank(now)
        };
        let signer = admin.device.fingerprint();
        let draft = Draft::new([0; 32], Kind::Genesis, signer, &body);
        let statement = admin.seal(&draft, &Head::none(), &relying_party);
        let roster = Roster::found(&statement).expect("the genesis statement is right");
        let now = now.after(Duration::from_secs(1));
        Self {
            roster,
            statements: vec![statement],
            admin,
            gateways,
            now,
        }
    }

    /// The entry of a genesis statement.
    #[must_use]
    pub fn genesis_of(
        admin: &Person,
        rp_id: &str,
        origins: &[String],
        gateways: &PublicKey,
    ) -> wire::Genesis {
        wire::Genesis {
            rp_id: rp_id.to_owned(),
            origins: origins.to_vec(),
            gateways_key: gateways.spki().to_vec(),
            gateways_next_key: TestKey::generate().public().spki().to_vec(),
            recovery_key: RECOVERY_KEY.to_owned(),
            admin: Some(wire::User {
                user_id: admin.user.to_string(),
                name: admin.name.clone(),
                ..wire::User::default()
            }),
            device: Some(admin.wire_device()),
            passkey: Some(admin.wire_passkey()),
        }
    }

    /// A body without entries, of now; the clock goes on by a second.
    pub fn body(&mut self) -> wire::Body {
        let body = blank(self.now);
        self.now = self.now.after(Duration::from_secs(1));
        body
    }

    /// A statement by `signer` after the head, signed and touched.
    #[must_use]
    pub fn sealed(&self, signer: &Person, kind: Kind, body: &wire::Body) -> wire::Statement {
        let fingerprint = signer.device.fingerprint();
        let draft = Draft::new(self.roster.genesis(), kind, fingerprint, body);
        signer.seal(&draft, &self.roster.head(), self.roster.relying_party())
    }

    /// Appends a statement that is right.
    pub fn push(&mut self, statement: wire::Statement) {
        self.roster
            .append(&statement)
            .expect("the statement is right");
        self.statements.push(statement);
    }

    /// Appends a statement of the admin.
    pub fn admin_says(&mut self, kind: Kind, body: &wire::Body) {
        let statement = self.sealed(&self.admin, kind, body);
        self.push(statement);
    }

    /// Adds a user.
    pub fn add_user(&mut self, name: &str, groups: &[&str]) -> UserId {
        self.add_user_as(name, groups, wire::Role::Unspecified)
    }

    /// Adds a user with a role.
    pub fn add_user_as(&mut self, name: &str, groups: &[&str], role: wire::Role) -> UserId {
        let user = UserId::from_parts(self.now, random());
        let entry = wire::User {
            user_id: user.to_string(),
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            role: role.into(),
            self_service: false,
        };
        let body = wire::Body {
            users: vec![entry],
            ..self.body()
        };
        self.admin_says(Kind::User, &body);
        user
    }

    /// The entry of an invitation for a day and tier 2, and the invitation.
    #[must_use]
    pub fn invitation_for(
        &self,
        user: UserId,
        admits: wire::Admits,
    ) -> (wire::Invitation, Invited) {
        let address = "127.0.0.1:8443".parse().expect("an address");
        let gateways = self.gateways.fingerprint();
        let genesis = self.roster.genesis();
        let invitation = Invitation::new(Secret::new(random()), &gateways, genesis, address);
        let id = InvitationId::from_parts(self.now, random());
        let name = self.roster.user(user).map(|user| user.name.clone());
        let entry = wire::Invitation {
            invitation_id: id.to_string(),
            key: invitation.key().public().as_bytes().to_vec(),
            user_id: user.to_string(),
            admits: admits.into(),
            tier_cap: 2,
            expires_ms: self.now.after(Duration::from_hours(24)).0,
            approval: false,
        };
        (
            entry,
            Invited {
                id,
                user,
                name: name.unwrap_or_default(),
                invitation,
            },
        )
    }

    /// Invites a user to enrol a device and a passkey.
    pub fn invite(&mut self, user: UserId) -> Invited {
        self.invite_to(user, wire::Admits::Both)
    }

    /// Invites a user to enrol what is said.
    pub fn invite_to(&mut self, user: UserId, admits: wire::Admits) -> Invited {
        let (entry, invited) = self.invitation_for(user, admits);
        let body = wire::Body {
            invitations: vec![entry],
            ..self.body()
        };
        self.admin_says(Kind::Invitation, &body);
        invited
    }

    /// A statement by an invitation's key, without a touch.
    #[must_use]
    pub fn sealed_by_invitation(
        &self,
        invited: &Invited,
        kind: Kind,
        body: &wire::Body,
    ) -> wire::Statement {
        let key = invited.invitation.key();
        let draft = Draft::new(
            self.roster.genesis(),
            kind,
            key.public().fingerprint(),
            body,
        );
        let placed = draft.place(&self.roster.head());
        let signature = key.sign(&placed.hash()).to_vec();
        placed.seal(signature, None)
    }

    /// The entry of an enrolment of a new device and a new passkey.
    #[must_use]
    pub fn enrolment_of(&self, invited: &Invited) -> (wire::Enrolment, Person) {
        let rp_id = self.roster.relying_party().rp_id();
        let person = Person::new(invited.user, &invited.name, rp_id, self.now);
        let entry = wire::Enrolment {
            invitation_id: invited.id.to_string(),
            device: Some(person.wire_device()),
            passkey: Some(person.wire_passkey()),
        };
        (entry, person)
    }

    /// Enrols a device and a passkey by an invitation.
    pub fn enrol(&mut self, invited: &Invited) -> Person {
        let (entry, person) = self.enrolment_of(invited);
        let body = wire::Body {
            enrolments: vec![entry],
            ..self.body()
        };
        let statement = self.sealed_by_invitation(invited, Kind::Enrolment, &body);
        self.push(statement);
        person
    }

    /// Adds, invites and enrols somebody.
    pub fn add_person(&mut self, name: &str, groups: &[&str]) -> Person {
        self.add_person_as(name, groups, wire::Role::Unspecified)
    }

    /// Adds, invites and enrols somebody with a role.
    pub fn add_person_as(&mut self, name: &str, groups: &[&str], role: wire::Role) -> Person {
        let user = self.add_user_as(name, groups, role);
        let invited = self.invite(user);
        self.enrol(&invited)
    }

    /// Adds a cluster.
    pub fn add_cluster(&mut self, name: &str) -> TestCluster {
        let id = ClusterId::from_parts(self.now, random());
        let cluster = TestCluster {
            id,
            name: name.to_owned(),
            key: TestKey::generate(),
        };
        self.put_cluster(&cluster);
        cluster
    }

    /// Says a cluster's name and key, for the first time or anew.
    pub fn put_cluster(&mut self, cluster: &TestCluster) {
        let entry = wire::Cluster {
            cluster_id: cluster.id.to_string(),
            name: cluster.name.clone(),
            key: cluster.key.public().spki().to_vec(),
        };
        let body = wire::Body {
            clusters: vec![entry],
            ..self.body()
        };
        self.admin_says(Kind::Cluster, &body);
    }

    /// Makes `text` the newest policy; returns its number.
    pub fn set_policy(&mut self, text: &str) -> u64 {
        let number = self.roster.next_policy_number();
        let digest = policy_digest(text).to_vec();
        let body = wire::Body {
            policies: vec![wire::Policy { number, digest }],
            ..self.body()
        };
        self.admin_says(Kind::Policy, &body);
        number
    }

    /// The entry of a revocation.
    #[must_use]
    pub fn revocation_of(subject: Subject) -> wire::Revocation {
        let subject = match subject {
            Subject::User(id) => WireSubject::UserId(id.to_string()),
            Subject::Device(id) => WireSubject::DeviceId(id.to_string()),
            Subject::Passkey(id) => WireSubject::PasskeyId(id.to_string()),
            Subject::Invitation(id) => WireSubject::InvitationId(id.to_string()),
            Subject::Cluster(id) => WireSubject::ClusterId(id.to_string()),
            Subject::Policy(number) => WireSubject::PolicyNumber(number),
        };
        wire::Revocation {
            subject: Some(subject),
            reason: "revoked by a test".to_owned(),
        }
    }

    /// Revokes as admin.
    pub fn revoke(&mut self, subject: Subject) {
        let revocations = vec![Self::revocation_of(subject)];
        let body = wire::Body {
            revocations,
            ..self.body()
        };
        self.admin_says(Kind::Revocation, &body);
    }

    /// The statements as a client gets them.
    #[must_use]
    pub fn client_view(&self) -> Vec<wire::Statement> {
        let view = |it| self.roster.client_view(it);
        self.statements.iter().map(view).collect()
    }

    /// Hash of the genesis statement.
    #[must_use]
    pub fn genesis(&self) -> Hash {
        self.roster.genesis()
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

fn blank(now: UnixMillis) -> wire::Body {
    wire::Body {
        salt: random::<16>().to_vec(),
        id: random::<16>().to_vec(),
        time_ms: now.0,
        ..wire::Body::default()
    }
}
