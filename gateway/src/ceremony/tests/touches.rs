//! Touches over statements.

use adit_proto::assertion::{CredentialKey, verify};
use adit_proto::statement::touch_challenge;
use adit_proto::testing::Ceremony;
use adit_proto::words::words;

use super::browser::{assertion_json, asserts, registers};
use super::*;
use crate::store::tests::on_both;

on_both! {
    a_touch_verifies_over_the_statements_body => whole;
    s1_another_persons_touch_is_refused => person;
    nobody_without_a_passkey_is_asked => nobody;
    h7_a_passkey_whose_counter_does_not_rise_is_refused_and_what_is_known_of_it_never_falls => counter;
    h7_the_counter_of_a_registration_is_what_is_known_first => registered_counter;
}

fn ask(ann: &Person) -> TouchAsk {
    TouchAsk {
        device: ann.device.fingerprint(),
        device_name: "laptop".into(),
        owner: "ann".into(),
        source_address: "192.0.2.1".into(),
        passkeys: vec![KnownPasskey {
            credential_id: ann.passkey.credential_id().to_vec(),
            cose_key: ann.passkey.cose_key().unwrap(),
        }],
        relying_party: party(),
        genesis: [3; 32],
        kind: 4,
        signer: ann.device.fingerprint(),
        body_hash: [5; 32],
        goes_on: false,
    }
}

async fn whole(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = super::person("ann");
    let begun = ceremonies
        .begin_touch(ask(&ann), Duration::from_mins(1))
        .await
        .unwrap();
    let page = ceremonies.page(begun.id).await.unwrap();
    assert_eq!(page.shown.words, Some(words(&[5; 32])));
    let answer = asserts(&ann, &page.options);
    let next = ceremonies
        .answer(begun.id, &assertion_json(&answer), None)
        .await
        .unwrap();
    assert_eq!(next, Next::Done);
    let sent = ceremonies.touch(begun.id, soon()).await.unwrap();
    assert_eq!(sent, answer);
    let challenge = touch_challenge(&[3; 32], 4, &ann.device.fingerprint(), &[5; 32]);
    let key = CredentialKey::from_cose(&ann.passkey.cose_key().unwrap()).unwrap();
    verify(
        &sent,
        &key,
        ann.passkey.credential_id(),
        &party(),
        &challenge,
    )
    .unwrap();
}

async fn person(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let (ann, bob) = (super::person("ann"), super::person("bob"));
    let begun = ceremonies
        .begin_touch(ask(&ann), Duration::from_mins(1))
        .await
        .unwrap();
    let options = ceremonies.page(begun.id).await.unwrap().options;
    let answer = assertion_json(&asserts(&bob, &options));
    let refused = ceremonies.answer(begun.id, &answer, None).await;
    assert!(
        matches!(refused, Err(CeremonyError::Webauthn(_))),
        "{refused:?}"
    );
    assert!(ceremonies.touch(begun.id, soon()).await.is_err());
}

async fn nobody(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = super::person("ann");
    let nobody = TouchAsk {
        passkeys: vec![],
        ..ask(&ann)
    };
    let refused = ceremonies.begin_touch(nobody, Duration::from_mins(1)).await;
    assert!(
        matches!(refused, Err(CeremonyError::NoPasskey)),
        "{refused:?}"
    );
}

async fn counter(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = super::person("ann");
    for (sign_count, taken) in [
        (0, true),
        (0, true),
        (5, true),
        (5, false),
        (4, false),
        (0, false),
        (5, false),
        (6, true),
        (u32::MAX, true),
        (1, false),
    ] {
        let touched = touches(&ceremonies, &ann, sign_count).await;
        assert_eq!(touched, taken, "{sign_count}");
    }
}

async fn registered_counter(store: Store) {
    let (ceremonies, _) = ceremonies(store, true);
    let ann = super::person("ann");
    let begun = ceremonies.begin_register(super::ask(&ann)).await;
    let begun = begun.unwrap();
    let options = ceremonies.page(begun.id).await.unwrap().options;
    let mut registering = registers(&ann, &options);
    registering.set_sign_count(9);
    let answer = registering.json();
    ceremonies.answer(begun.id, &answer, None).await.unwrap();
    assert!(!touches(&ceremonies, &ann, 9).await);
    assert!(touches(&ceremonies, &ann, 10).await);
}

/// Whether a touch with this counter is taken.
async fn touches(ceremonies: &Ceremonies, ann: &Person, sign_count: u32) -> bool {
    let begun = ceremonies
        .begin_touch(ask(ann), Duration::from_mins(1))
        .await
        .unwrap();
    let options = ceremonies.page(begun.id).await.unwrap().options;
    let made = Ceremony {
        sign_count,
        ..Ceremony::get(RP_ID, ORIGIN, &challenge_of(&options))
    };
    let answer = assertion_json(&made.sign(&ann.passkey));
    let answered = ceremonies.answer(begun.id, &answer, None).await;
    match (answered, ceremonies.touch(begun.id, soon()).await) {
        (Ok(_), Ok(_)) => true,
        (Err(CeremonyError::Copied), Err(CeremonyError::Refused(_))) => false,
        other => panic!("{other:?}"),
    }
}
