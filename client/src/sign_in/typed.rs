//! Signing in on a machine without a browser: the address is opened on another machine, and the code is typed there.
//!
//! Nothing comes back to a port: the device asks what came of it, and finishes with the verifier that never left it. The
//! code is the proof that whoever touches reads this terminal.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::time::UnixMillis;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::pkce::Verifier;
use super::{Begun, Finished, PATIENCE, SignIn, Wanted, path_segment};
use crate::api::{Api, ask};
use crate::browser::Page;
use crate::ceremony;
use crate::clock;
use crate::exit::Failure;
use crate::statement::printable;
use crate::talk::Talk;

#[derive(Deserialize)]
struct Answered {
    answered: bool,
}

pub(super) async fn sign_in(
    api: &dyn Api,
    wanted: &Wanted<'_>,
    talk: &Talk,
) -> Result<SignIn, Failure> {
    if ceremony::in_software(wanted.caller) {
        let text = "the software authenticator answers by itself, and types nothing";
        return Err(Failure::new(text).repaired_by("leave out --headless"));
    }
    let verifier = Verifier::new()?;
    let body = json!({"pkce_challenge": verifier.challenge(), "headless": true});
    let begun: Begun = ask(api, Method::POST, "/v1/sign-ins", Some(body)).await?;
    let page = Page::checked(&begun.url, wanted.origins)?;
    let path = format!("/v1/sign-ins/{}", path_segment(&begun.sign_in_id)?);
    let life = UnixMillis(begun.expires_ms).since(clock::now());
    talk.ask(&format!(
        "Open this address in a browser on a machine of yours: {}",
        page.url()
    ));
    talk.say(format!(
        "Type this code there, and give it to nobody: {}",
        printable(&begun.matching_code)
    ));
    wait(api, &path, life.min(PATIENCE)).await?;
    let body = json!({"verifier": verifier.expose()});
    let path = format!("{path}/finish");
    let finished: Finished = ask(api, Method::POST, &path, Some(body)).await?;
    let minutes = finished.sign_in.expires().since(clock::now()).as_secs() / 60;
    talk.say(format!("Signed in, for {minutes} minutes."));
    Ok(finished.sign_in)
}

async fn wait(api: &dyn Api, path: &str, life: Duration) -> Result<(), Failure> {
    let until = clock::now().after(life);
    loop {
        // The gateway answers when there is something to say, or after 25 s.
        let answer: Answered = ask(api, Method::GET, path, None).await?;
        if answer.answered {
            return Ok(());
        }
        if clock::now() >= until {
            let text = "nobody signed in before the page expired";
            return Err(Failure::of(Reason::SignInRequired, text));
        }
    }
}
