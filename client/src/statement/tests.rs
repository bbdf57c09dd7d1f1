use std::sync::atomic::Ordering;

use adit_proto::statement::Head;

use super::*;
use crate::testing::{Founder, passkey};
use gateway::{Gateway, Touching};

mod gateway;
mod own;

fn invitee(name: &str, key: u8) -> Invitee {
    let facts = Facts {
        name: name.to_owned(),
        groups: Some(vec!["ops".to_owned(), "dev".to_owned()]),
        role: None,
        self_service: None,
    };
    Invitee {
        facts,
        key: STANDARD.encode([key; 32]),
    }
}

fn invite(people: Vec<Invitee>) -> Proposal {
    Proposal::Invite {
        people,
        life_s: 3600,
    }
}

async fn propose(gateway: &Gateway<'_>, proposal: &Proposal) -> Result<Made, Failure> {
    gateway
        .statements()
        .propose(proposal, gateway, &Talk::default())
        .await
}

#[tokio::test]
async fn two_hundred_people_are_one_statement_of_users_and_one_of_invitations() {
    let founder = Founder::new();
    let gateway = Gateway::new(&founder, Touching::Honest);
    let people = (0..200).map(|n| invitee(&format!("user{n}"), n)).collect();
    let made = propose(&gateway, &invite(people)).await.unwrap();
    let kinds: Vec<_> = made.statements.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["user", "invitation"]);
    assert_eq!(made.invited.len(), 200);
    assert_eq!(gateway.shown.load(Ordering::SeqCst), 2);
    let log = gateway.log.lock();
    let user = log.1.user_by_name("user7").unwrap();
    assert_eq!(user.groups, ["dev", "ops"]);
    assert_eq!(made.invited[7].user_id, user.id.to_string());
    assert_eq!(log.1.invitations().count(), 200);
}

#[tokio::test]
async fn who_is_there_already_gets_an_invitation_and_keeps_the_rest() {
    let founder = Founder::new();
    let gateway = Gateway::new(&founder, Touching::Honest);
    propose(&gateway, &invite(vec![invitee("bob", 1)]))
        .await
        .unwrap();
    let mut again = invitee("bob", 2);
    again.facts.groups = None;
    let made = propose(&gateway, &invite(vec![again])).await.unwrap();
    assert_eq!(made.statements.len(), 1);
    assert_eq!(made.statements[0].kind, "invitation");
    assert_eq!(
        gateway
            .log
            .lock()
            .1
            .user_by_name("bob")
            .unwrap()
            .groups
            .len(),
        2
    );
}

#[tokio::test]
async fn s1_the_touch_of_another_person_or_over_another_body_or_kind_signs_nothing() {
    let founder = Founder::new();
    for toucher in [
        Touching::Other(passkey()),
        Touching::OtherBody,
        Touching::OtherKind,
    ] {
        let gateway = Gateway::new(&founder, toucher);
        let failure = propose(&gateway, &invite(vec![invitee("bob", 1)]))
            .await
            .unwrap_err();
        assert_eq!(failure.reason(), Some(Reason::TouchInvalid), "{failure}");
        assert_eq!(gateway.head().number, 1);
    }
}

#[tokio::test]
async fn s1_the_touch_of_another_person_of_the_roster_signs_nothing() {
    let founder = Founder::new();
    let other = passkey();
    let gateway = Gateway::new(&founder, Touching::Other(other.clone()));
    {
        let mut log = gateway.log.lock();
        for statement in founder.enrol_another(&log.1, &other) {
            log.1.append(&statement).unwrap();
            log.0.push(statement);
        }
    }
    let known = gateway
        .log
        .lock()
        .1
        .active_passkey(other.credential_id())
        .is_some();
    assert!(known, "it is somebody's");
    let failure = propose(&gateway, &invite(vec![invitee("eve", 1)]))
        .await
        .unwrap_err();
    assert!(failure.message.contains("another person"), "{failure}");
    assert_eq!(gateway.head().number, 4);
}

#[tokio::test]
async fn a_missed_turn_is_taken_again_without_another_touch() {
    let founder = Founder::new();
    let gateway = Gateway::new(&founder, Touching::Honest);
    gateway.missed.store(2, Ordering::SeqCst);
    let text = "permit (principal, action, resource);".to_owned();
    let made = propose(&gateway, &Proposal::ApplyPolicy { text })
        .await
        .unwrap();
    assert_eq!((made.policy, made.statements[0].number), (Some(1), 2));
    assert_eq!(gateway.shown.load(Ordering::SeqCst), 1);
    gateway.missed.store(9, Ordering::SeqCst);
    let text = "forbid (principal, action, resource);".to_owned();
    let failure = propose(&gateway, &Proposal::ApplyPolicy { text })
        .await
        .unwrap_err();
    assert_eq!(failure.reason(), Some(Reason::RosterStale));
}

#[tokio::test]
async fn s3_a_log_that_lacks_what_was_seen_or_branches_off_is_not_signed() {
    let founder = Founder::new();
    let mut gateway = Gateway::new(&founder, Touching::Honest);
    let head = gateway.head();
    for (followed, reason) in [
        (
            Head {
                number: 2,
                hash: [1; 32],
                ..head
            },
            Reason::RosterStale,
        ),
        (
            Head {
                hash: [1; 32],
                ..head
            },
            Reason::RosterFork,
        ),
        (
            Head {
                genesis: [1; 32],
                ..head
            },
            Reason::RosterFork,
        ),
    ] {
        gateway.followed = Some(followed);
        let failure = propose(&gateway, &invite(vec![invitee("bob", 1)]))
            .await
            .unwrap_err();
        assert_eq!(failure.reason(), Some(reason));
    }
    let other = Statements::new(founder.device.clone(), [9; 32]);
    gateway.followed = None;
    let failure = other.log(&gateway).await.unwrap_err();
    assert_eq!(failure.reason(), Some(Reason::RosterFork));
}

#[tokio::test]
async fn things_are_revoked_by_name_or_id_and_unknown_ones_are_named() {
    let founder = Founder::new();
    let gateway = Gateway::new(&founder, Touching::Honest);
    let key = STANDARD.encode(crate::testing::key().public_key().spki());
    let name = "prod".to_owned();
    let add = Proposal::AddCluster {
        name: name.clone(),
        key,
    };
    propose(&gateway, &add).await.unwrap();
    let taken = propose(&gateway, &add).await.unwrap_err();
    assert!(taken.message.contains("prod"), "{taken}");
    let revoke = |subject| Proposal::Revoke {
        subject,
        reason: "gone".to_owned(),
    };
    propose(&gateway, &revoke(Named::Cluster(name)))
        .await
        .unwrap();
    assert!(
        gateway
            .log
            .lock()
            .1
            .cluster(&"prod".parse().unwrap())
            .is_none()
    );
    let unknown = propose(&gateway, &revoke(Named::User("eve".to_owned()))).await;
    assert!(unknown.unwrap_err().message.contains("eve"));
    let last = propose(&gateway, &revoke(Named::User("ann".to_owned())))
        .await
        .unwrap_err();
    assert!(last.message.contains("last admin"), "s4: {last}");
}

#[tokio::test]
async fn what_is_signed_is_said_before_the_touch() {
    let founder = Founder::new();
    let gateway = Gateway::new(&founder, Touching::Honest);
    let talk = Talk::default();
    let proposal = invite(vec![invitee("bob", 1)]);
    gateway
        .statements()
        .propose(&proposal, &gateway, &talk)
        .await
        .unwrap();
    let said = talk.listen().rest().join("\n");
    for part in [
        "user bob (usr_",
        "groups dev, ops",
        "one device and one passkey of bob, for 1 hour",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (_, hash) = gateway.touched.lock().unwrap();
    assert!(said.contains(&adit_proto::words::words(&hash)), "{said}");
}
