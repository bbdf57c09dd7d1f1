//! The ceremony pages in a real Chromium: one tab goes from the passkey's registration to the touch to the sign-in.

mod site;

use std::time::Duration;

use adit_gateway::ceremony::{Finish, KnownPasskey, RegisterAsk, Returns, SignInAsk, TouchAsk};
use adit_harness::browser::Browser;
use adit_proto::assertion::registered;
use adit_proto::id::{PasskeyId, UserId};
use adit_proto::label::{Hash, sha256};
use adit_proto::statement::{Draft, Head, Kind};
use adit_proto::testing::{Log, Person, START, random};
use adit_proto::wire::roster::{Body, Passkey};
use site::{RP_ID, Site};

/// How long a step of a page may take on a busy machine.
const BOUND: Duration = Duration::from_secs(30);
const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";
const CHALLENGE: Hash = [7; 32];

fn register_ask(site: &Site, person: &Person) -> RegisterAsk {
    RegisterAsk {
        device: person.device.fingerprint(),
        device_name: "<b>ann's laptop</b>".into(),
        user_name: "ann@example.org".into(),
        user_handle: random(),
        exclude: vec![],
        source_address: "192.0.2.7".into(),
        challenge: CHALLENGE,
        relying_party: site.party(),
        further: false,
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn one_tab_registers_touches_and_signs_in() {
    let site = Site::start().unwrap();
    let browser = Browser::start().unwrap();
    let authenticator = browser.plug_in().unwrap();
    let ann = Person::new(
        UserId::from_parts(site.now(), random()),
        "ann",
        RP_ID,
        START,
    );
    let device = ann.device.fingerprint();

    let register = site
        .wait(site.ceremonies.begin_register(register_ask(&site, &ann)))
        .unwrap();
    browser.open(&register.url).unwrap();
    let seen = browser.press(BOUND).unwrap();
    assert_eq!(
        (seen.kind.as_str(), seen.code.as_str()),
        ("register", register.matching_code.as_str())
    );
    assert_eq!(
        seen.device, "<b>ann's laptop</b>",
        "what a device says of itself is text"
    );
    let sent = site
        .wait(site.ceremonies.registration(register.id, site.soon()))
        .unwrap();
    let made = registered(
        &sent.attestation_object,
        &sent.client_data_json,
        &site.party(),
        &CHALLENGE,
    )
    .unwrap();
    assert_eq!(browser.credentials(&authenticator).unwrap().len(), 1);

    let body = site.genesis(&ann, passkey(&made));
    let draft = Draft::new([0; 32], Kind::Genesis, device, &body);
    let ask = TouchAsk {
        device,
        device_name: "ann's laptop".into(),
        owner: "ann@example.org".into(),
        source_address: "192.0.2.7".into(),
        passkeys: vec![KnownPasskey {
            credential_id: made.credential_id().to_vec(),
            cose_key: made.cose_key().to_vec(),
        }],
        relying_party: site.party(),
        genesis: [0; 32],
        kind: Kind::Genesis.number(),
        signer: device,
        body_hash: draft.body_hash(),
        goes_on: true,
    };
    let touch = site.wait(site.ceremonies.begin_touch(ask, BOUND)).unwrap();
    site.wait(site.ceremonies.lead_on(register.id, device, touch.id))
        .unwrap();
    let seen = browser.press(BOUND).unwrap();
    assert_eq!(
        (seen.kind, seen.code),
        ("touch".to_owned(), touch.matching_code)
    );
    let assertion = site
        .wait(site.ceremonies.touch(touch.id, site.soon()))
        .unwrap();
    let placed = draft.place(&Head::none());
    let signature = ann.device.sign(&placed.hash());
    site.append(&ann, &placed.seal(signature, Some(assertion)));

    let roster = site.log.snapshot().unwrap();
    let known = roster.device_by_key(&device).unwrap();
    let ask = SignInAsk {
        pkce_challenge: sha256(VERIFIER.as_bytes()),
        returns: Returns::To {
            callback: site.callback(),
            state: "0123456789abcdef".parse().unwrap(),
            tab: Some(touch.id),
        },
        source: "192.0.2.7".parse().unwrap(),
    };
    let sign_in = site
        .wait(site.ceremonies.begin_sign_in(&roster, known, ask))
        .unwrap();
    let agent = site.agent();
    let seen = browser.press_through(BOUND).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].kind.as_str(), seen[0].code.as_str()),
        ("sign-in", sign_in.matching_code.as_str())
    );
    let (code, state) = agent.join().unwrap();
    assert_eq!(state, "0123456789abcdef");
    let finish = Finish {
        id: sign_in.id,
        code: Some(code),
        verifier: VERIFIER.into(),
    };
    let finished = site
        .wait(site.ceremonies.finish_sign_in(&roster, known, &finish))
        .unwrap();
    assert_eq!(finished.user, ann.user);
}

#[test]
fn h4_a_passkey_that_does_not_verify_its_user_gets_nowhere() {
    let site = Site::start().unwrap();
    let browser = Browser::start().unwrap();
    let authenticator = browser.plug_in().unwrap();
    browser.verifies_user(&authenticator, false).unwrap();
    let ann = Person::new(UserId::from_parts(START, random()), "ann", RP_ID, START);
    let begun = site
        .wait(site.ceremonies.begin_register(register_ask(&site, &ann)))
        .unwrap();
    browser.open(&begun.url).unwrap();
    browser.press(BOUND).unwrap();
    // Nothing was sent, so the page can be used again once the person is verified.
    let error = browser.press_through(BOUND).unwrap_err().to_string();
    assert!(error.contains("The passkey was not used"), "{error}");
    browser.verifies_user(&authenticator, true).unwrap();
    browser.press(BOUND).unwrap();
    site.wait(site.ceremonies.registration(begun.id, site.soon()))
        .unwrap();
}

#[test]
fn a_page_that_was_used_says_so_and_pages_run_no_script_of_others() {
    let site = Site::start().unwrap();
    let browser = Browser::start().unwrap();
    let address = format!("{}/ceremony/00000000000000000000000000", site.origin());
    browser.open(&address).unwrap();
    assert!(browser.text("h1").unwrap().contains("used or has expired"));
    browser.open(&site.origin()).unwrap();
    assert!(browser.text("main").unwrap().contains("adit enrol"));
    let fields = browser
        .script("return document.querySelectorAll('input, textarea, form').length")
        .unwrap();
    assert_eq!(fields, 0);
    let inline = browser
        .script(
            "const script = document.createElement('script');
             try { script.textContent = 'window.ran = true'; document.body.append(script); } catch (e) {}
             return Boolean(window.ran);",
        )
        .unwrap();
    assert_eq!(inline, false, "the policy forbids inline script");
}

fn passkey(made: &adit_proto::assertion::RegisteredCredential) -> Passkey {
    Passkey {
        passkey_id: PasskeyId::from_parts(START, random()).to_string(),
        credential_id: made.credential_id().to_vec(),
        cose_key: made.cose_key().to_vec(),
        aaguid: made.aaguid().to_vec(),
        name: String::new(),
    }
}

impl Site {
    /// The body of a genesis whose admin has `passkey`.
    fn genesis(&self, admin: &Person, passkey: Passkey) -> Body {
        let (origins, gateways) = ([self.origin()], self.founding.gateways_key.clone());
        let entry = Log::genesis_of(admin, RP_ID, &origins, &gateways);
        let entry = adit_proto::wire::roster::Genesis {
            passkey: Some(passkey),
            gateways_next_key: self.founding.gateways_next_key.spki().to_vec(),
            ..entry
        };
        Body {
            salt: random::<16>().to_vec(),
            id: random::<16>().to_vec(),
            time_ms: self.now().0,
            genesis: vec![entry],
            ..Body::default()
        }
    }
}
