//! What ends, and what is found while it lives.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::{ClusterId, DeviceId, PasskeyId, SessionId, SignInId, UserId};
use adit_proto::time::UnixMillis;
use adit_proto::wire::identity::SignInEvidence;

use super::bench::on_both;
use crate::store::deployment::Entry;
use crate::store::parties::{PartyId, Sighting};
use crate::store::sessions::{Session, SessionEnd};
use crate::store::sign_ins::SignIn;
use crate::store::{Store, StoreError};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

on_both! {
    a_sign_in_is_found_until_it_ends_or_expires => sign_in_lives;
    a_sign_in_without_a_session_is_idle => sign_in_idles;
    a_session_ends_once => session_ends;
    what_a_party_stated_stays_until_it_states_again => seen;
    a_deployment_value_is_set_once => once;
}

fn later(seconds: u64) -> UnixMillis {
    NOW.after(Duration::from_secs(seconds))
}

fn sign_in(fill: u8, issued: UnixMillis, expires: UnixMillis) -> SignIn {
    SignIn {
        id: SignInId::from_parts(NOW, [fill; 10]),
        user: UserId::from_parts(NOW, [1; 10]),
        device: DeviceId::from_parts(NOW, [2; 10]),
        passkey: PasskeyId::from_parts(NOW, [3; 10]),
        evidence: SignInEvidence {
            request: vec![fill; 5],
            assertion: None,
        }
        .into(),
        issued,
        expires,
    }
}

async fn sign_in_lives(store: Store) {
    let (old, new) = (sign_in(1, NOW, later(100)), sign_in(2, later(1), later(50)));
    store.add_sign_in(&old).await.unwrap();
    store.add_sign_in(&new).await.unwrap();
    let twice = store.add_sign_in(&old).await;
    assert!(
        matches!(twice, Err(StoreError::Conflict { .. })),
        "{twice:?}"
    );
    let found = async |at| store.sign_in_of(old.device, at, None).await.unwrap();
    assert_eq!(found(later(2)).await.as_ref(), Ok(&new));
    assert_eq!(found(later(50)).await.as_ref(), Ok(&old));
    assert_eq!(found(later(100)).await, Err(Reason::SignInExpired));
    assert_eq!(store.live_sign_in(old.id, later(4)).await.unwrap(), old);
    let other = DeviceId::from_parts(NOW, [7; 10]);
    store.end_sign_ins(other, later(3)).await.unwrap();
    assert_eq!(found(later(4)).await.as_ref(), Ok(&new));
    store.end_sign_ins(old.device, later(3)).await.unwrap();
    let behind = found(later(4)).await;
    assert_eq!(behind, Err(Reason::SignInRequired), "the one behind it too");
    for ended in [&old, &new] {
        assert!(store.live_sign_in(ended.id, later(4)).await.is_err());
    }
}

/// A session that begins now and has eighty seconds.
fn session_on(ground: &SignIn) -> Session {
    Session {
        id: SessionId::from_parts(NOW, [4; 10]),
        sign_in: ground.id,
        user: ground.user,
        device: ground.device,
        device_instance: [8; 16],
        cluster: ClusterId::from_parts(NOW, [5; 10]),
        target: "service/prod/db".parse().unwrap(),
        instance: [6; 16],
        opened: NOW,
        expires: later(80),
        idle: Duration::from_mins(1),
    }
}

async fn sign_in_idles(store: Store) {
    let ground = sign_in(1, NOW, later(1000));
    let idle = Some(Duration::from_secs(20));
    let lives = async |seconds| {
        let found = store.sign_in_of(ground.device, later(seconds), idle).await;
        found.unwrap().map(|found| found.id)
    };
    store.add_sign_in(&ground).await.unwrap();
    assert_eq!(lives(19).await, Ok(ground.id));
    assert_eq!(lives(20).await, Err(Reason::SignInExpired));

    let session = session_on(&ground);
    store.add_session(&session).await.unwrap();
    assert_eq!(lives(79).await, Ok(ground.id), "it is in use");
    assert_eq!(lives(99).await, Ok(ground.id));
    assert_eq!(lives(100).await, Err(Reason::SignInExpired));
    let ended = store.end_session(session.id, Reason::SessionRevoked, later(30));
    ended.await.unwrap();
    assert_eq!(lives(49).await, Ok(ground.id));
    assert_eq!(lives(50).await, Err(Reason::SignInExpired));
}

async fn session_ends(store: Store) {
    let ground = sign_in(1, NOW, later(100));
    let session = session_on(&ground);
    assert!(
        store.add_session(&session).await.is_err(),
        "without its sign-in"
    );
    store.add_sign_in(&ground).await.unwrap();
    store.add_session(&session).await.unwrap();
    assert_eq!(
        store.live_sessions(later(79)).await.unwrap(),
        std::slice::from_ref(&session)
    );
    assert!(store.live_sessions(later(80)).await.unwrap().is_empty());
    let end = async || {
        store
            .end_session(session.id, Reason::SessionRevoked, later(1))
            .await
    };
    assert_eq!(store.session_end(session.id).await.unwrap(), None);
    end().await.unwrap();
    let ended = SessionEnd {
        device: session.device,
        reason: Reason::SessionRevoked,
    };
    assert_eq!(store.session_end(session.id).await.unwrap(), Some(ended));
    assert!(matches!(end().await, Err(StoreError::Missing { .. })));
    assert!(store.live_sessions(later(2)).await.unwrap().is_empty());
}

async fn seen(store: Store) {
    let party = PartyId::Device(DeviceId::from_parts(NOW, [2; 10]));
    assert_eq!(store.seen(party).await.unwrap(), None);
    assert!(store.gone(party, NOW).await.is_err());
    let facts = Some("{\"os\":\"linux\"}");
    let version = "0.1.0";
    let here = |source_address, facts| Sighting {
        party,
        source_address,
        version,
        facts,
    };
    store.see(here("192.0.2.1", facts), NOW).await.unwrap();
    store.see(here("192.0.2.2", None), later(1)).await.unwrap();
    store.gone(party, later(2)).await.unwrap();
    let held = store.seen(party).await.unwrap().unwrap();
    assert_eq!((held.first, held.last), (NOW, later(2)));
    assert_eq!(Some(held.facts.as_str()), facts);
    assert_eq!(held.source_address, "192.0.2.2");
}

async fn once(store: Store) {
    let read = async || store.deployment::<16>(Entry::FirstInvitation).await;
    assert_eq!(read().await.unwrap(), None);
    store
        .set_deployment(Entry::FirstInvitation, &[7; 16])
        .await
        .unwrap();
    let again = store.set_deployment(Entry::FirstInvitation, &[8; 16]).await;
    assert!(
        matches!(again, Err(StoreError::Conflict { .. })),
        "{again:?}"
    );
    assert_eq!(read().await.unwrap(), Some([7; 16]));
    let short = store.deployment::<8>(Entry::FirstInvitation).await;
    assert!(
        matches!(short, Err(StoreError::Corrupt { .. })),
        "{short:?}"
    );
}
