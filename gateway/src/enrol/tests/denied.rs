//! Each message of an enrolment, by whoever may not send it.

use adit_proto::roster::Subject;
use adit_proto::testing::{Invited, Log};
use adit_proto::wire::enrol::{
    EnrolChain, EnrolChallenge, EnrolDone, EnrolPage, EnrolProof, EnrolStatement, EnrolTouch,
    EnrolTouched, EnrolTurn,
};

use super::client::Client;
use super::gateway::Gateway;
use crate::denied::{Differences, Table};
use crate::enrol::messages::{MESSAGES, declared};
use crate::enrol::*;
use crate::store::tests::Bench;

/// Invitations in each state.
struct Invitations {
    good: Invited,
    used: Invited,
    revoked: Invited,
    of_revoked_user: Invited,
    foreign: Invited,
    enrolled: adit_proto::testing::Person,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_of_an_enrolment_refuses_whoever_may_not_send_it() {
    let table = Table::read(include_str!("denied.txt"));
    table.covers(MESSAGES.iter().map(|message| message.name.to_owned()));
    let bench = Bench::sqlite();
    let (log, invitations) = Invitations::make();
    let gateway = Gateway::of(bench.open().await, &log).await;
    let mut differences = Differences::default();
    for cell in table.cells() {
        let (row, column, _) = cell;
        let client = invitations.client(column, &log);
        let now = gateway.clock.now();
        if column == "expired" {
            gateway.clock.set(now.after(Duration::from_hours(25)));
        }
        let before = gateway.store.audit_after(0, 10_000).await.unwrap().len();
        let message = message(row, &client);
        let said = if column == "challenged" {
            vec![Message::Start(client.start()), message]
        } else {
            vec![message]
        };
        let outcome = gateway.says(client.peer(), said).await;
        let after = gateway.store.audit_after(0, 10_000).await.unwrap().len();
        gateway.clock.set(now);
        differences.compare(cell, &(outcome + &"+".repeat(after - before)));
    }
    differences.finish();
    assert_eq!(gateway.log.head(), log.roster.head());
    bench.finish(gateway.store).await;
}

impl Invitations {
    fn make() -> (Log, Self) {
        let mut log = Log::new();
        let (bob, eve) = (log.add_user("bob", &[]), log.add_user("eve", &[]));
        let used = log.invite(bob);
        let enrolled = log.enrol(&used);
        let revoked = log.invite(bob);
        log.revoke(Subject::Invitation(revoked.id));
        let of_revoked_user = log.invite(eve);
        log.revoke(Subject::User(eve));
        let good = log.invite(bob);
        let mut other = Log::new();
        let foreign = other.add_user("bob", &[]);
        let foreign = other.invite(foreign);
        let made = Self {
            good,
            used,
            revoked,
            of_revoked_user,
            foreign,
            enrolled,
        };
        (log, made)
    }

    fn client(&self, column: &str, log: &Log) -> Client {
        let invited = match column {
            "unknown key" => &self.foreign,
            "used" => &self.used,
            "revoked" => &self.revoked,
            "user revoked" => &self.of_revoked_user,
            "enrolled" => {
                let person = self.enrolled.clone();
                return Client::new(person, &self.good.invitation, log);
            }
            "first" | "challenged" | "another's" | "expired" => &self.good,
            other => panic!("nobody is called {other}"),
        };
        let mut client = Client::invited(&invited.invitation, log);
        if column == "another's" {
            client.bind = adit_proto::testing::random();
        }
        client
    }
}

/// The message of a row. One that is declared and not here turns the table red.
fn message(row: &str, client: &Client) -> Message {
    let message = match row {
        "start" => Message::Start(client.start()),
        "challenge" => Message::Challenge(EnrolChallenge::default()),
        "proof" => Message::Proof(EnrolProof::default()),
        "page" => Message::Page(EnrolPage::default()),
        "chain" => Message::Chain(EnrolChain::default()),
        "turn" => Message::Turn(EnrolTurn::default()),
        "touch" => Message::Touch(EnrolTouch::default()),
        "touched" => Message::Touched(EnrolTouched::default()),
        "statement" => Message::Statement(EnrolStatement::default()),
        "done" => Message::Done(EnrolDone::default()),
        "refused" => Message::Refused(EnrolRefused::default()),
        other => panic!("no message is known for {other}"),
    };
    assert_eq!(declared(&message).name, row);
    message
}

/// A message that the schema has and the declaration lacks does not compile; one that it has twice fails here.
#[test]
fn each_message_of_the_schema_is_declared_once() {
    let schema = include_str!("../../../../proto/wire/enrol.proto");
    let frame = schema.split("oneof message {").nth(1).unwrap();
    let fields = frame.split('}').next().unwrap().lines();
    let fields = fields.filter(|line| line.contains('='));
    let mut in_schema: Vec<_> = fields
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    let mut here: Vec<_> = MESSAGES.iter().map(|message| message.name).collect();
    in_schema.sort_unstable();
    here.sort_unstable();
    assert_eq!(here, in_schema);
}
