//! Each page of the public listener, by each browser.

use std::collections::HashMap;
use std::time::Duration;

use adit_proto::testing::random;
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::scene::{Scene, Somebody};
use super::{Differences, Table, same};
use crate::ceremony::CeremonyId;
use crate::ceremony::tests::ORIGIN;
use crate::ceremony::tests::browser::{assertion_json, asserts};

/// Pages of a ceremony, each of which may need one of its own.
const PAGES: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_refuses_whoever_may_not_use_it() {
    let table = Table::read(include_str!("pages.txt"));
    let declared = crate::web::declare();
    let pages = declared.pages().iter();
    table.covers(pages.map(|page| format!("{} {}", page.method, page.path)));
    let mut scene = Scene::new().await;
    let mut begun = Begun::default();
    for who in scene
        .suspended
        .iter()
        .chain(&scene.revoked)
        .chain([&scene.pam])
    {
        for _ in 0..PAGES {
            begun.begin(&scene, who).await;
        }
    }
    scene.suspend().await;
    scene.revoke().await;
    scene.passkey_revoked().await;
    let mut differences = Differences::default();
    for cell in table.cells() {
        let (row, column, _) = cell;
        let seen = scene.opens(row, column, &mut begun).await;
        differences.compare(cell, &seen);
    }
    differences.finish();
    scene.rig.stop().await;
}

/// Ceremonies that wait, with an answer of the person whose they are.
#[derive(Default)]
struct Begun(HashMap<String, Vec<(CeremonyId, Vec<u8>)>>);

impl Begun {
    async fn begin(&mut self, scene: &Scene, who: &Somebody) {
        let (_, ceremony) = scene.begin_sign_in(who).await;
        let answer = scene.answer_of(who, ceremony).await;
        let of = self.0.entry(who.person.name.clone()).or_default();
        of.push((ceremony, answer));
    }

    fn take(&mut self, who: &Somebody) -> (CeremonyId, Vec<u8>) {
        self.0.get_mut(&who.person.name).unwrap().pop().unwrap()
    }
}

impl Scene {
    async fn opens(&mut self, row: &str, column: &str, begun: &mut Begun) -> String {
        self.noted().await;
        let now = self.rig.clock.now();
        let ada = self.ada.clone();
        begun.begin(self, &ada).await;
        let (mut id, mut answer) = begun.take(&ada);
        let (mut host, mut origin) = ("localhost:8443", ORIGIN);
        let mut second = None;
        match column {
            "anybody" => {
                let id_of_nothing = CeremonyId::new(random());
                (id, answer) = (id_of_nothing, b"{}".to_vec());
            }
            "other host" => host = "rebound.example",
            "other origin" => origin = "https://other.example",
            "another's" => answer = self.answer_of(&self.eve, id).await,
            "expired" => self.goes_on(Duration::from_mins(5)),
            "used" => {
                let sent = self.ask("POST /ceremony/{id}/answer", (host, origin), (id, &answer));
                assert_eq!(sent.await.status(), StatusCode::OK);
            }
            "suspended" => {
                let [one, two] = &self.suspended;
                (id, answer) = begun.take(one);
                second = Some(begun.take(two));
            }
            "revoked" => {
                let [one, two] = &self.revoked;
                (id, answer) = begun.take(one);
                second = Some(begun.take(two));
            }
            "passkey revoked" => (id, answer) = begun.take(&self.pam),
            other => panic!("nobody is called {other}"),
        }
        let asked = self.ask(row, (host, origin), (id, &answer)).await;
        let mut outcome = outcome(asked).await + &self.noted().await;
        if let Some((id, answer)) = second {
            let asked = self.ask(row, (host, origin), (id, &answer)).await;
            let second = self::outcome(asked).await + &self.noted().await;
            outcome = same(outcome, &second);
        }
        self.rig.clock.set(now);
        outcome
    }

    async fn ask(
        &self,
        row: &str,
        (host, origin): (&str, &str),
        (id, answer): (CeremonyId, &[u8]),
    ) -> Response {
        let (method, path) = row.split_once(' ').unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path.replace("{id}", &id.to_string()))
            .header("host", host)
            .header("origin", origin)
            .body(Body::from(answer.to_vec()))
            .unwrap();
        let pages = crate::web::router(crate::app::site(&self.rig.services));
        pages.oneshot(request).await.unwrap()
    }

    /// What the browser of somebody sends when it is asked.
    async fn answer_of(&self, who: &Somebody, ceremony: CeremonyId) -> Vec<u8> {
        let ceremonies = &self.rig.services.ceremonies;
        let options = ceremonies.page(ceremony).await.unwrap().options;
        assertion_json(&asserts(&who.person, &options))
    }
}

/// A refusal of a script has a reason, one of a person is a page.
async fn outcome(response: Response) -> String {
    let status = response.status();
    if status.is_success() {
        return "allowed".to_owned();
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(refused) => refused["code"].as_str().unwrap().to_owned(),
        Err(_) if status == StatusCode::GONE => "gone".to_owned(),
        Err(_) => text.trim().to_owned(),
    }
}
