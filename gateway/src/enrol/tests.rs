//! Enrolments over a pipe, with the software authenticator in the browser's place.

mod client;
mod gateway;

use adit_proto::roster::Subject;
use adit_proto::statement::Kind;
use adit_proto::testing::{Log, random};
use adit_proto::wire::roster::{Admits, Body};

use super::*;
use crate::store::tests::on_both;
use client::{Client, Stop};
use gateway::Gateway;

on_both! {
    the_first_invitation_makes_the_genesis => genesis;
    an_invited_person_enrols => invited;
    j1_of_many_redemptions_at_once_one_wins => race;
    j2_expired_revoked_used_and_foreign_invitations_are_refused => refused;
    j6_an_unknown_invitation_is_refused_before_any_work => unknown;
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
