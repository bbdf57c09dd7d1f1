//! Ceremonies with the software authenticator, on both stores.

pub(crate) mod browser;
mod further;
mod sign_ins;
mod touches;
mod typed;

use std::time::Duration;

use adit_proto::assertion::RelyingParty;
use tokio::time::Instant;

use super::*;
use crate::store::tests::on_both;
use adit_proto::id::UserId;
use adit_proto::testing::{Log, Person, START, random};
use browser::{challenge_of, registers, registers_as};

pub(crate) const RP_ID: &str = "localhost";
pub(crate) const ORIGIN: &str = "http://localhost:8443";
/// Later than every statement of the logs here.
pub(super) const NOW: UnixMillis = UnixMillis(START.0 + 60_000);

on_both! {
    a_registration_comes_out_as_sent => registration;
    h1_an_answer_counts_once => once;
    an_expired_ceremony_is_gone => expiry;
    h4_a_registration_without_user_verification_is_refused => unverified;
    the_software_authenticator_is_refused_unless_allowed => software;
    h2_another_origin_is_refused => origin;
    h1_another_challenge_is_refused => challenge;
    c11_a_device_begins_so_many_ceremonies_and_another_is_not_held_up => flood;
    a_tab_goes_on_to_the_next_ceremony => tab;
    h1_of_a_hundred_answers_at_once_one_counts => race;
    f55_a_thousand_ceremonies_that_nobody_answers_are_swept => abandoned;
}

pub(super) fn ceremonies(store: Store, software: bool) -> (Ceremonies, Clock) {
    let clock = Clock::standing_at(NOW);
    let settings = Settings {
        origin: ORIGIN.to_owned(),
        ceremony: Duration::from_mins(5),
        sign_in: Duration::from_hours(12),
        headless: Some(Duration::from_hours(1)),
        at_once: 32,
        software_authenticator: software,
    };
    let ceremonies = Ceremonies::new(store, clock.clone(), Entropy::default(), settings);
    (ceremonies, clock)
}

pub(super) fn party() -> RelyingParty {
    RelyingParty::new(RP_ID, &[ORIGIN.to_owned()]).unwrap()
}

pub(super) fn person(name: &str) -> Person {
    Person::new(UserId::from_parts(START, random()), name, RP_ID, START)
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_millis(200)
}

fn ask(person: &Person) -> RegisterAsk {
    RegisterAsk {
        device: person.device.fingerprint(),
        device_name: "laptop".into(),
        user_name: person.name.clone(),
        user_handle: [1; 16],
        exclude: vec![],
        source_address: "192.0.2.1".into(),
        challenge: [9; 32],
        relying_party: party(),
        further: false,
    }
}

async fn registration(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = person("ann");
    let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let page = ceremonies.page(begun.id).await.unwrap();
    assert_eq!(
        (page.kind, page.shown.matching_code),
        (Kind::Register, begun.matching_code)
    );
    assert_eq!(
        page.options["authenticatorSelection"]["userVerification"],
        "required"
    );
    assert_eq!(challenge_of(&page.options), [9; 32]);
    let answer = registers(&ann, &page.options);
    let next = ceremonies
        .answer(begun.id, &answer.json(), None)
        .await
        .unwrap();
    assert_eq!(next, Next::Wait);
    let registered = ceremonies.registration(begun.id, soon()).await.unwrap();
    assert_eq!(registered.attestation_object, answer.attestation_object);
    assert_eq!(registered.client_data_json, answer.client_data_json);
}

async fn flood(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let (ann, bob) = (person("ann"), person("bob"));
    let mut begun = 0;
    let refused = loop {
        match ceremonies.begin_register(ask(&ann)).await {
            Ok(_) if begun < 1_000 => begun += 1,
            ended => break ended.unwrap_err(),
        }
    };
    assert_eq!(refused.reason(), Reason::RateLimited);
    ceremonies.begin_register(ask(&bob)).await.unwrap();
}

/// A thousand people open a page and close it.
async fn abandoned(store: Store) {
    let (ceremonies, clock) = ceremonies(store.clone(), true);
    let ann = person("ann");
    let mut first = None;
    for number in 0..1_000_u64 {
        let mut device = ann.device.fingerprint();
        device.0[..8].copy_from_slice(&number.to_be_bytes());
        let begun = ceremonies.begin_register(RegisterAsk {
            device,
            ..ask(&ann)
        });
        let begun = begun.await.unwrap();
        first.get_or_insert(begun.id);
    }
    assert_eq!(rows(&store).await, 1_000);
    clock.set(NOW.after(Duration::from_mins(5)));
    let shown = ceremonies.page(first.unwrap()).await.unwrap_err();
    assert!(matches!(shown, CeremonyError::Gone), "{shown}");
    ceremonies.begin_register(ask(&ann)).await.unwrap();
    assert_eq!(rows(&store).await, 1);
}

async fn rows(store: &Store) -> i64 {
    const SQL: &str = "SELECT COUNT(*) FROM ceremonies";
    let counted: Result<(i64,), sqlx::Error> =
        crate::store::reading!(store, pool => sqlx::query_as(SQL).fetch_one(pool).await);
    counted.unwrap().0
}

async fn once(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = person("ann");
    let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let answer = registers(&ann, &ceremonies.page(begun.id).await.unwrap().options).json();
    let wrong = ceremonies.answer(begun.id, b"{}", None).await;
    assert!(matches!(
        wrong,
        Err(CeremonyError::Webauthn(WebauthnRefusal::Malformed(_)))
    ));
    let again = ceremonies.answer(begun.id, &answer, None).await;
    assert!(
        matches!(again, Err(CeremonyError::Gone)),
        "a wrong answer uses it up: {again:?}"
    );
    assert!(matches!(
        ceremonies.page(begun.id).await,
        Err(CeremonyError::Gone)
    ));
    let waiter = ceremonies.registration(begun.id, soon()).await;
    assert!(
        matches!(waiter, Err(CeremonyError::Refused(_))),
        "{waiter:?}"
    );
}

async fn expiry(store: Store) {
    let (ceremonies, clock) = ceremonies(store, true);
    let ann = person("ann");
    let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let answer = registers(&ann, &ceremonies.page(begun.id).await.unwrap().options).json();
    clock.set(begun.expires);
    assert!(matches!(
        ceremonies.page(begun.id).await,
        Err(CeremonyError::Gone)
    ));
    let late = ceremonies.answer(begun.id, &answer, None).await;
    assert!(matches!(late, Err(CeremonyError::Gone)), "{late:?}");
}

async fn unverified(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = person("ann");
    let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let mut answer = registers(&ann, &ceremonies.page(begun.id).await.unwrap().options);
    answer.clear_user_verified();
    let refused = ceremonies.answer(begun.id, &answer.json(), None).await;
    assert!(
        matches!(
            refused,
            Err(CeremonyError::Webauthn(WebauthnRefusal::Refused(_)))
        ),
        "{refused:?}"
    );
}

async fn software(store: Store) {
    let (ceremonies, _) = ceremonies(store, false);
    let ann = person("ann");
    let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let answer = registers(&ann, &ceremonies.page(begun.id).await.unwrap().options);
    let refused = ceremonies.answer(begun.id, &answer.json(), None).await;
    assert!(
        matches!(refused, Err(CeremonyError::SoftwareAuthenticator)),
        "{refused:?}"
    );
}

async fn origin(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = person("ann");
    for origin in [
        "http://localhost",
        "https://localhost:8443",
        "http://localhost:8444",
        "http://localhost.:8443",
        "http://evil.localhost:8443",
        "null",
    ] {
        let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
        let options = ceremonies.page(begun.id).await.unwrap().options;
        let answer = registers_as(&ann, &options, origin);
        let refused = ceremonies.answer(begun.id, &answer.json(), None).await;
        assert!(
            matches!(refused, Err(CeremonyError::Webauthn(_))),
            "{origin}: {refused:?}"
        );
    }
}

async fn challenge(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = person("ann");
    let one = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let options = ceremonies.page(one.id).await.unwrap().options;
    let other = RegisterAsk {
        challenge: [8; 32],
        ..ask(&ann)
    };
    let other = ceremonies.begin_register(other).await.unwrap();
    let answer = registers(&ann, &options).json();
    let refused = ceremonies.answer(other.id, &answer, None).await;
    assert!(
        matches!(
            refused,
            Err(CeremonyError::Webauthn(WebauthnRefusal::Refused(_)))
        ),
        "{refused:?}"
    );
}

async fn tab(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let (ann, bob) = (person("ann"), person("bob"));
    let one = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let two = ceremonies.begin_register(ask(&ann)).await.unwrap();
    assert_eq!(ceremonies.next(one.id).await.unwrap(), Next::Wait);
    let foreign = ceremonies
        .lead_on(one.id, bob.device.fingerprint(), two.id)
        .await;
    assert!(matches!(foreign, Err(CeremonyError::Gone)), "{foreign:?}");
    ceremonies
        .lead_on(one.id, ann.device.fingerprint(), two.id)
        .await
        .unwrap();
    let place = format!("/ceremony/{}", two.id);
    assert_eq!(ceremonies.next(one.id).await.unwrap(), Next::Go(place));
    ceremonies
        .abandon(two.id, ann.device.fingerprint())
        .await
        .unwrap();
    assert!(matches!(
        ceremonies.next(two.id).await,
        Err(CeremonyError::Abandoned)
    ));
}

async fn race(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = person("ann");
    let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let answer = registers(&ann, &ceremonies.page(begun.id).await.unwrap().options).json();
    let all = (0..100).map(|_| ceremonies.answer(begun.id, &answer, None));
    let results = futures_util::future::join_all(all).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}
