//! Enrolments over a pipe, with the software authenticator in the browser's place.

mod client;
mod denied;
mod gateway;

use adit_proto::key::Fingerprint;
use adit_proto::roster::Subject;
use adit_proto::statement::{Draft, Kind};
use adit_proto::testing::{Invited, Log, random};
use adit_proto::wire::enrol::EnrolStart;
use adit_proto::wire::roster::{Admits, Body};

use super::*;
use crate::store::tests::on_both;
use client::{Client, Stop};
use gateway::Gateway;

on_both! {
    the_first_invitation_makes_the_genesis => genesis;
    an_invited_person_enrols => invited;
    j1_of_many_redemptions_at_once_one_wins => race;
    j1_of_a_thousand_redemptions_at_once_one_wins => thousand;
    j2_expired_revoked_used_and_foreign_invitations_are_refused => refused;
    j6_an_unknown_invitation_is_refused_before_any_work => unknown;
    j6_ten_thousand_unknown_invitations_leave_no_row => flood;
    an_invitation_of_another_connection_is_refused => elsewhere;
    a_statement_that_enrols_another_key_than_the_one_on_the_line_is_refused => other_key;
    a_client_sees_its_own_invitation_in_full_and_nobody_elses => own_invitation;
    a11_killed_anywhere_before_the_statement_leaves_the_invitation => killed;
}

async fn genesis(store: Store) {
    let log = Log::new();
    let (gateway, first) = Gateway::before_genesis(store, &log).await;
    let done = gateway.enrol(&Client::founder(&first, &log)).await.unwrap();
    let head = done.head.unwrap();
    assert_eq!(head.number, 1);
    let roster = gateway.log.snapshot().unwrap();
    assert!(
        roster
            .user_by_name("ann")
            .is_some_and(|ann| roster.is_admin(ann.id))
    );
    let again = gateway.enrol(&Client::founder(&first, &log)).await;
    assert_eq!(again.unwrap_err().0, "unknown_or_forbidden");
}

async fn invited(store: Store) {
    let mut log = Log::new();
    let user = log.add_user("bob", &["dev"]);
    let invited = log.invite(user);
    let gateway = Gateway::of(store, &log).await;
    let client = Client::invited(&invited.invitation, &log);
    let done = gateway.enrol(&client).await.unwrap();
    let roster = gateway.log.snapshot().unwrap();
    assert_eq!(done.head.unwrap().number, roster.head().number);
    let device = roster
        .active_device(&client.person.device.fingerprint())
        .unwrap();
    assert_eq!(device.owner, user);
    assert_eq!(roster.passkeys_of(user).count(), 1);
    assert!(!done.ceremony_id.is_empty());
}

async fn race(store: Store) {
    let mut log = Log::new();
    let user = log.add_user("bob", &[]);
    let invited = log.invite(user);
    let gateway = Gateway::of(store, &log).await;
    let clients: Vec<_> = (0..20)
        .map(|_| Client::invited(&invited.invitation, &log))
        .collect();
    let all = clients.iter().map(|client| gateway.enrol(client));
    let results = futures_util::future::join_all(all).await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(won, 1, "{results:?}");
    let roster = gateway.log.snapshot().unwrap();
    assert_eq!(roster.passkeys_of(user).count(), 1);
}

/// A thousand people hold copies of one invitation, and each has a device and a passkey to enrol.
async fn thousand(store: Store) {
    const MANY: usize = 1_000;
    let mut log = Log::new();
    let user = log.add_user("bob", &[]);
    let invited = log.invite(user);
    let gateway = Gateway::of(store, &log).await;
    let people: Vec<_> = (0..MANY).map(|_| log.enrolment_of(&invited)).collect();
    let bodies = people.into_iter().map(|(entry, person)| {
        let body = Body {
            enrolments: vec![entry],
            ..log.body()
        };
        (body, person.device.fingerprint())
    });
    let all = bodies
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(body, holder)| redeem(&gateway, &invited, body, holder));
    let results = futures_util::future::join_all(all).await;
    let count = |wanted: Result<(), Reason>| results.iter().filter(|it| **it == wanted).count();
    assert_eq!(count(Ok(())), 1);
    // Those who waited in line find it used; the line has an end.
    let late = count(Err(Reason::EvidenceInvalid));
    let turned_away = count(Err(Reason::RateLimited));
    assert_eq!(late + turned_away, MANY - 1, "{results:?}");
    assert!(late > 500, "{late}");
    let roster = gateway.log.snapshot().unwrap();
    let devices = roster.devices().filter(|device| device.owner == user);
    assert_eq!((devices.count(), roster.passkeys_of(user).count()), (1, 1));
    let stored = gateway.store.statements_from(1, 100).await.unwrap();
    assert_eq!(
        stored.len(),
        log.statements.len() + 1,
        "nothing is orphaned"
    );
}

/// Takes a turn and hands in an enrolment by an invitation, as its holder's client does.
async fn redeem(
    gateway: &Gateway,
    invited: &Invited,
    body: Body,
    holder: Fingerprint,
) -> Result<(), Reason> {
    let turn = gateway.log.turn(holder).await;
    let turn = turn.map_err(|error| error.reason())?;
    let key = invited.invitation.key();
    let print = key.public().fingerprint();
    let draft = Draft::new(turn.head.genesis, Kind::Enrolment, print, &body);
    let placed = draft.place(&turn.head);
    let signature = key.sign(&placed.hash()).to_vec();
    let statement = placed.seal(signature, None);
    let appended = gateway.log.append(turn.id, &holder, &statement).await;
    appended.map(drop).map_err(|error| error.reason())
}

async fn refused(store: Store) {
    let mut log = Log::new();
    let (bob, eve) = (log.add_user("bob", &[]), log.add_user("eve", &[]));
    let used = log.invite(bob);
    log.enrol(&used);
    let revoked = log.invite(bob);
    log.revoke(Subject::Invitation(revoked.id));
    let of_revoked_user = log.invite(eve);
    log.revoke(Subject::User(eve));
    let device_alone = log.invite_to(bob, Admits::Device);
    let good = log.invite(bob);
    let mut other = Log::new();
    let foreign = other.add_user("bob", &[]);
    let foreign = other.invite(foreign);
    let gateway = Gateway::of(store, &log).await;
    let reason = async |invited: &adit_proto::testing::Invited| {
        let client = Client::invited(&invited.invitation, &log);
        gateway.enrol(&client).await.unwrap_err().0
    };
    for bad in [&used, &revoked, &of_revoked_user] {
        assert_eq!(reason(bad).await, "evidence_invalid");
    }
    assert_eq!(reason(&device_alone).await, "request_unsupported");
    assert_eq!(reason(&foreign).await, "unknown_or_forbidden");
    gateway
        .clock
        .set(gateway.clock.now().after(Duration::from_hours(25)));
    assert_eq!(reason(&good).await, "evidence_invalid", "expired");
}

async fn killed(store: Store) {
    let mut log = Log::new();
    let user = log.add_user("bob", &[]);
    let invited = log.invite(user);
    let gateway = Gateway::of(store, &log).await;
    let head = gateway.log.head();
    for stop in [
        Stop::AfterStart,
        Stop::AfterProof,
        Stop::AfterPage,
        Stop::AfterTurn,
    ] {
        let client = Client::invited(&invited.invitation, &log).stopping(stop);
        assert!(gateway.enrol(&client).await.is_err());
        assert_eq!(gateway.log.head(), head, "{stop:?}");
    }
    let client = Client::invited(&invited.invitation, &log);
    gateway.enrol(&client).await.unwrap();
}

async fn unknown(store: Store) {
    let mut log = Log::new();
    let user = log.add_user("bob", &[]);
    let invited = log.invite(user);
    let gateway = Gateway::of(store, &Log::new()).await;
    let before = gateway.store.audit_after(0, 1000).await.unwrap().len();
    for _ in 0..100 {
        let client = Client::invited(&invited.invitation, &log);
        let refused = gateway.enrol(&client).await.unwrap_err();
        assert_eq!(refused.0, "unknown_or_forbidden");
    }
    let after = gateway.store.audit_after(0, 1000).await.unwrap().len();
    assert_eq!(before, after, "nothing is stored for strangers");
}

/// Rows of all tables.
async fn rows(store: &Store) -> i64 {
    const SQL: &str = "SELECT (SELECT COUNT(*) FROM statements) + (SELECT COUNT(*) FROM ceremonies) \
        + (SELECT COUNT(*) FROM audit_records) + (SELECT COUNT(*) FROM audit_chains) \
        + (SELECT COUNT(*) FROM parties_seen) + (SELECT COUNT(*) FROM sign_ins) \
        + (SELECT COUNT(*) FROM suspensions) + (SELECT COUNT(*) FROM deployment)";
    let counted: Result<(i64,), sqlx::Error> =
        crate::store::reading!(store, pool => sqlx::query_as(SQL).fetch_one(pool).await);
    counted.unwrap().0
}

async fn flood(store: Store) {
    let log = Log::new();
    let gateway = Gateway::of(store, &log).await;
    let peer = client::somebody(&log);
    let before = rows(&gateway.store).await;
    for _ in 0..10_000 {
        // Nobody could verify this signature; that it is not tried shows in the reason.
        let start = EnrolStart {
            invitation_key: random::<32>().to_vec(),
            signature: vec![0; 64],
            facts: None,
            client_nonce: vec![0; 32],
        };
        let said = vec![Message::Start(start)];
        let refused = gateway.says(peer.clone(), said).await;
        assert_eq!(refused, "unknown_or_forbidden");
    }
    assert_eq!(rows(&gateway.store).await, before);
    assert_eq!(gateway.log.head(), log.roster.head());
}

async fn elsewhere(store: Store) {
    let mut log = Log::new();
    let user = log.add_user("bob", &[]);
    let invited = log.invite(user);
    let gateway = Gateway::of(store, &log).await;
    let mut client = Client::invited(&invited.invitation, &log);
    client.bind = random();
    let refused = gateway.enrol(&client).await.unwrap_err();
    assert_eq!(refused.0, "evidence_invalid");
    let mut client = Client::invited(&invited.invitation, &log);
    client.evidence = random();
    let refused = gateway.enrol(&client).await.unwrap_err();
    assert_eq!(refused.0, "evidence_invalid");
}

async fn other_key(store: Store) {
    let mut log = Log::new();
    let user = log.add_user("bob", &[]);
    let invited = log.invite(user);
    let gateway = Gateway::of(store, &log).await;
    let mut client = Client::invited(&invited.invitation, &log);
    client.enrols_other_device = true;
    let refused = gateway.enrol(&client).await.unwrap_err();
    assert_eq!(refused.0, "evidence_invalid");
    assert_eq!(gateway.log.head(), log.roster.head());
}

async fn own_invitation(store: Store) {
    let mut log = Log::new();
    let (bob, eve) = (log.add_user("bob", &[]), log.add_user("eve", &[]));
    let (own, other) = (log.invite(bob), log.invite(eve));
    let gateway = Gateway::of(store, &log).await;
    let client = Client::invited(&own.invitation, &log);
    gateway.enrol(&client).await.unwrap();
    let chain = client.chain.lock().clone();
    let mut seen = Vec::new();
    for statement in chain
        .iter()
        .filter(|it| it.kind == u32::from(Kind::Invitation.number()))
    {
        if let Some(adit_proto::wire::roster::statement::Content::Body(body)) = &statement.content {
            let body = <Body as prost::Message>::decode(&body[..]).unwrap();
            seen.extend(body.invitations.into_iter().map(|it| it.invitation_id));
        }
    }
    assert_eq!(seen, [own.id.to_string()]);
    assert!(!seen.contains(&other.id.to_string()));
}
