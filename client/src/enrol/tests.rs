mod gateway;

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::invitation::{Invitation, InvitationError};
use adit_proto::key::PublicKey;
use adit_proto::label::Hash;
use adit_proto::roster::Roster;
use adit_proto::secret::Secret;
use adit_proto::wire::roster::{Statement, statement::Content};
use adit_transport::key::{DeviceSigner, PrivateKey};
use gateway::{BIND, EVIDENCE, Gateway, Lie};
use parking_lot::Mutex;

use super::*;
use crate::clock;
use crate::exit::Failure;
use crate::testing::{ORIGIN, RECOVERY, RP_ID, key};

/// A person who says yes, or no.
#[derive(Default)]
struct Reader {
    declines: bool,
    read: Mutex<Vec<String>>,
}

impl Person for Reader {
    type Page = ();

    fn hear(&self, line: &str) {
        self.read.lock().push(line.to_owned());
    }

    async fn show(&self, url: &str, origins: &[String]) -> Result<(), Failure> {
        crate::browser::Page::checked(url, origins).map(drop)
    }

    async fn goes_on(&self, url: &str, origins: &[String]) -> Result<Option<()>, Failure> {
        self.show(url, origins).await.map(Some)
    }

    async fn agrees(&self, words: &[String]) -> bool {
        self.read.lock().extend_from_slice(words);
        !self.declines
    }
}

struct Client {
    invitation: Arc<Invitation>,
    device: Arc<PrivateKey>,
    founder: Option<Founder>,
    presented: PublicKey,
}

impl Client {
    fn first(gateway: &Gateway) -> Self {
        let founder = Founder {
            user_name: "ann".to_owned(),
            recovery_key: RECOVERY.to_owned(),
        };
        Self {
            founder: Some(founder),
            ..Self::with([0; 32], gateway)
        }
    }

    fn with(genesis: Hash, gateway: &Gateway) -> Self {
        let presented = gateway.gateways();
        let address = "gw.example.org:443".parse().unwrap();
        let invitation = Invitation::new(
            Secret::new([6; 16]),
            &presented.fingerprint(),
            genesis,
            address,
        );
        Self {
            invitation: Arc::new(invitation),
            device: Arc::new(key()),
            founder: None,
            presented,
        }
    }

    /// An invited user at a gateway that lies.
    fn invited(lie: Lie, lasts: Duration) -> (Self, Gateway) {
        let gateway = Gateway::new(lie);
        let genesis = gateway.first.roster().genesis();
        let client = Self::with(genesis, &gateway);
        let gateway = gateway.with_log(&client.invitation, lasts);
        (client, gateway)
    }

    async fn enrol(
        &self,
        gateway: &Gateway,
        person: &Reader,
    ) -> (Result<Enrolled, EnrolError>, Result<Statement, EnrolError>) {
        let newcomer = Newcomer {
            invitation: self.invitation.clone(),
            device: self.device.clone(),
            facts: facts_of_this_machine().unwrap(),
            founder: self.founder.clone(),
        };
        let contact = Contact {
            gateways: self.presented.clone(),
            bind: BIND,
            evidence: EVIDENCE,
        };
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let device = self.device.public_key().clone();
        let client = async {
            let stream = tokio::io::split(ours);
            enrol(newcomer, contact, stream, person).await
        };
        let server = async {
            let (reader, writer) = tokio::io::split(theirs);
            gateway.serve(&device, reader, writer).await
        };
        tokio::join!(client, server)
    }

    async fn refused(&self, gateway: &Gateway) -> EnrolError {
        let (enrolled, _) = self.enrol(gateway, &Reader::default()).await;
        enrolled.unwrap_err()
    }
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn the_first_admin_founds_what_was_shown_in_words() {
    let gateway = Gateway::new(Lie::None);
    let (client, person) = (Client::first(&gateway), Reader::default());
    let (enrolled, stored) = client.enrol(&gateway, &person).await;
    let (enrolled, stored) = (enrolled.unwrap(), stored.unwrap());
    let roster = Roster::found(&stored).unwrap();
    assert_eq!(enrolled.head, roster.head());
    assert_eq!(enrolled.ceremony_id, "tab");
    assert!(roster.is_admin(enrolled.user));
    assert_eq!(
        roster.device(enrolled.device).unwrap().key,
        *client.device.public_key()
    );
    let read = person.read.lock().join("\n");
    let next = gateway.first.gateways.1.public_key().fingerprint();
    for part in [
        RP_ID,
        ORIGIN,
        &gateway.gateways().fingerprint().to_string(),
        &next.to_string(),
        "recovery key     SHA256:",
        "first admin      ann",
        &client.device.public_key().fingerprint().to_string(),
    ] {
        assert!(read.contains(part), "{part} in {read}");
    }
    let Some(Content::Body(bytes)) = &stored.content else {
        panic!()
    };
    let words = adit_proto::words::words(&adit_proto::label::sha256(bytes));
    assert!(read.contains(&words), "{words} in {read}");
}

#[tokio::test]
async fn who_declines_founds_nothing() {
    let gateway = Gateway::new(Lie::None);
    let person = Reader {
        declines: true,
        ..Reader::default()
    };
    let (enrolled, stored) = Client::first(&gateway).enrol(&gateway, &person).await;
    assert!(matches!(enrolled, Err(EnrolError::Declined)));
    assert!(matches!(stored, Err(EnrolError::Refused { .. })));
}

#[tokio::test]
async fn an_invited_person_enrols_within_the_invitation() {
    let (client, gateway) = Client::invited(Lie::None, HOUR);
    let (enrolled, stored) = client.enrol(&gateway, &Reader::default()).await;
    let (enrolled, stored) = (enrolled.unwrap(), stored.unwrap());
    let mut roster = gateway.roster().unwrap();
    roster.append(&stored).unwrap();
    assert_eq!(enrolled.head, roster.head());
    let device = roster.device(enrolled.device).unwrap();
    assert_eq!((device.tier_cap, device.owner), (2, enrolled.user));
    assert_eq!(roster.user(enrolled.user).unwrap().name, "bob");
    assert!(stored.touch.is_none());
}

#[tokio::test]
async fn j4_another_gateway_hears_nothing_and_is_refused() {
    let (client, gateway) = Client::invited(Lie::None, HOUR);
    let presented = key().public_key().clone();
    let client = Client {
        presented,
        ..client
    };
    let (enrolled, served) = client.enrol(&gateway, &Reader::default()).await;
    let refused = enrolled.unwrap_err();
    assert!(matches!(
        refused,
        EnrolError::Invitation(InvitationError::OtherGateways)
    ));
    assert!(
        matches!(served, Err(EnrolError::Lost(_))),
        "not even the invitation's key"
    );
    assert!(Failure::from(refused).repair.unwrap().contains("hostile"));
}

#[tokio::test]
async fn j2_an_expired_invitation_and_one_for_another_genesis_or_history_are_refused() {
    let (client, gateway) = Client::invited(Lie::None, Duration::from_millis(1));
    let made = clock::now();
    while clock::now() <= made.after(Duration::from_millis(2)) {
        tokio::task::yield_now().await;
    }
    let mut refused = client.refused(&gateway).await;
    assert!(matches!(refused, EnrolError::Expired), "{refused:?}");
    for (lie, expected) in [
        (
            Lie::OtherGenesis,
            "the invitation is for another deployment",
        ),
        (
            Lie::OtherHistory,
            "the gateway has another history than the invitation says",
        ),
        (
            Lie::Withheld,
            "the invitation is not in the gateway's roster",
        ),
    ] {
        let (client, gateway) = Client::invited(lie, HOUR);
        refused = client.refused(&gateway).await;
        assert_eq!(refused.to_string(), expected);
    }
    let founded = Gateway::founded(Lie::None, &client.invitation, HOUR);
    refused = Client::first(&founded).refused(&founded).await;
    assert!(matches!(refused, EnrolError::OtherHistory), "{refused:?}");
}

#[tokio::test]
async fn what_a_lying_gateway_shows_is_not_signed() {
    for (lie, expected) in [
        (
            Lie::OtherNonce,
            "the passkey's registration is not the one that was asked for",
        ),
        (
            Lie::OtherParty,
            "the gateway is not the one that the log's first statement names",
        ),
        (
            Lie::OtherHead,
            "the gateway asks for a signature after another statement than it shows",
        ),
        (
            Lie::OtherClock,
            "this machine's clock and the gateway's differ by more than five minutes",
        ),
    ] {
        let (client, gateway) = Client::invited(lie, HOUR);
        let (enrolled, stored) = client.enrol(&gateway, &Reader::default()).await;
        assert_eq!(enrolled.unwrap_err().to_string(), expected);
        assert!(stored.is_err(), "{lie:?}");
    }
    let gateway = Gateway::new(Lie::OtherTouch);
    let error = Client::first(&gateway).refused(&gateway).await;
    assert!(matches!(error, EnrolError::Touch(_)), "{error:?}");
}

#[tokio::test]
async fn a_statement_that_was_not_stored_as_signed_is_no_enrolment() {
    let (client, gateway) = Client::invited(Lie::OtherDone, HOUR);
    let error = client.refused(&gateway).await;
    assert!(matches!(error, EnrolError::NotStored), "{error:?}");
}

#[tokio::test]
async fn what_the_gateway_refuses_is_told_without_escapes() {
    let (client, gateway) = Client::invited(Lie::Refuses, HOUR);
    let failure = Failure::from(client.refused(&gateway).await);
    assert_eq!(failure.reason(), Some(Reason::EvidenceInvalid));
    assert!(failure.message.contains("ask [2Jagain"), "{failure}");
    let repair = failure.repair.unwrap_or_default();
    assert!(repair.contains("new invitation"), "{repair}");
}

#[test]
fn what_the_gateway_gives_up_later_leaves_an_invitation_that_works() {
    let refused = EnrolError::Refused {
        reason: Some(Reason::TouchExpired),
        detail: "nobody answered in time".to_owned(),
    };
    let failure = Failure::from(refused.with_the_invitation_unused());
    assert_eq!(failure.reason(), Some(Reason::TouchExpired));
    assert!(failure.message.contains("nobody answered"), "{failure}");
    let repair = failure.repair.unwrap_or_default();
    assert!(repair.contains("the invitation still works"), "{repair}");
}
