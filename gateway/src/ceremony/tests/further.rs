//! Registrations of further passkeys.

use adit_proto::assertion::{AssertionError, own_passkey_challenge};
use adit_proto::roster::{Device, Roster, Subject};

use super::browser::{challenge_of, registers};
use super::*;
use crate::store::tests::on_both;

on_both! {
    a_further_passkey_comes_out_as_registered => whole;
    another_device_learns_nothing_of_a_registration => device;
    h1_a_registration_answers_one_challenge_of_both_ends => reused;
    h4_a_further_passkey_without_user_verification_is_refused => unverified;
    a_registration_of_an_enrolment_is_no_further_passkey => enrolment;
}

const NONCE: [u8; 32] = [6; 32];

fn device_of<'a>(roster: &'a Roster, person: &Person) -> &'a Device {
    roster.device_by_key(&person.device.fingerprint()).unwrap()
}

async fn begin(ceremonies: &Ceremonies, roster: &Roster, person: &Person) -> (Begun, [u8; 32]) {
    let source = "192.0.2.1".parse().unwrap();
    let device = device_of(roster, person);
    let begun = ceremonies.begin_further(roster, device, &NONCE, source);
    begun.await.unwrap()
}

async fn whole(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let old = log.add_passkey(&ann);
    log.revoke(Subject::Passkey(old.passkey_id));
    let (begun, nonce) = begin(&ceremonies, &log.roster, &ann).await;
    let page = ceremonies.page(begun.id).await.unwrap();
    assert_eq!((page.kind, page.kind.as_str()), (Kind::Further, "register"));
    assert_eq!(page.shown.owner, "ann");
    let print = ann.device.fingerprint();
    let challenge = own_passkey_challenge(&log.genesis(), &print, &NONCE, &nonce);
    assert_eq!(challenge_of(&page.options), challenge);
    let excluded = page.options["excludeCredentials"].as_array().unwrap();
    assert_eq!(excluded.len(), 2, "the removed one too");
    let open = ceremonies.further_passkey(begun.id, print).await;
    assert!(matches!(open, Err(CeremonyError::Gone)), "{open:?}");
    let fresh = log.with_new_passkey(&ann);
    let answer = registers(&fresh, &page.options);
    let next = ceremonies.answer(begun.id, &answer.json(), None).await;
    assert_eq!(next.unwrap(), Next::Wait);
    let sent = ceremonies.registration_of(begun.id, print, soon()).await;
    assert_eq!(sent.unwrap().attestation_object, answer.attestation_object);
    let seen = ceremonies.further_passkey(begun.id, print).await.unwrap();
    assert_eq!(seen.credential_id(), fresh.passkey.credential_id());
    assert_eq!(seen.cose_key(), fresh.passkey.cose_key().unwrap());
}

async fn device(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let mut log = Log::new();
    let (ann, bob) = (log.add_person("ann", &[]), log.add_person("bob", &[]));
    let (begun, _) = begin(&ceremonies, &log.roster, &ann).await;
    let options = ceremonies.page(begun.id).await.unwrap().options;
    let answer = registers(&log.with_new_passkey(&ann), &options).json();
    ceremonies.answer(begun.id, &answer, None).await.unwrap();
    let print = bob.device.fingerprint();
    let waited = ceremonies.registration_of(begun.id, print, soon()).await;
    assert!(matches!(waited, Err(CeremonyError::Gone)), "{waited:?}");
    let seen = ceremonies.further_passkey(begun.id, print).await;
    assert!(matches!(seen, Err(CeremonyError::Gone)), "{seen:?}");
}

async fn reused(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    // The same device with the same half of its own: the gateway's half differs.
    let (one, _) = begin(&ceremonies, &log.roster, &ann).await;
    let (other, _) = begin(&ceremonies, &log.roster, &ann).await;
    let options = ceremonies.page(one.id).await.unwrap().options;
    let answer = registers(&log.with_new_passkey(&ann), &options).json();
    let refused = ceremonies.answer(other.id, &answer, None).await;
    assert!(
        matches!(
            refused,
            Err(CeremonyError::Webauthn(_) | CeremonyError::Assertion(AssertionError::Challenge))
        ),
        "{refused:?}"
    );
    ceremonies.answer(one.id, &answer, None).await.unwrap();
    let again = ceremonies.answer(one.id, &answer, None).await;
    assert!(matches!(again, Err(CeremonyError::Gone)), "{again:?}");
}

async fn unverified(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let (begun, _) = begin(&ceremonies, &log.roster, &ann).await;
    let options = ceremonies.page(begun.id).await.unwrap().options;
    let mut answer = registers(&log.with_new_passkey(&ann), &options);
    answer.clear_user_verified();
    let refused = ceremonies.answer(begun.id, &answer.json(), None).await;
    assert!(
        matches!(refused, Err(CeremonyError::Webauthn(_))),
        "{refused:?}"
    );
    let print = ann.device.fingerprint();
    let seen = ceremonies.further_passkey(begun.id, print).await;
    assert!(matches!(seen, Err(CeremonyError::Gone)), "{seen:?}");
}

async fn enrolment(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = person("ann");
    let begun = ceremonies.begin_register(ask(&ann)).await.unwrap();
    let answer = registers(&ann, &ceremonies.page(begun.id).await.unwrap().options);
    ceremonies
        .answer(begun.id, &answer.json(), None)
        .await
        .unwrap();
    let print = ann.device.fingerprint();
    let seen = ceremonies.further_passkey(begun.id, print).await;
    assert!(matches!(seen, Err(CeremonyError::Gone)), "{seen:?}");
}
