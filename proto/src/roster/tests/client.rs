//! S6: what a client reads, and what must not be withheld from it.

use super::*;
use crate::roster::View;
use crate::testing::TestKey;
use crate::wire::roster::Role;
use crate::wire::roster::statement::Content;

fn client_of(log: &Log) -> Roster {
    let mut statements = log.client_view().into_iter();
    let mut client = Roster::found_as(&statements.next().unwrap(), View::Client).unwrap();
    for statement in statements {
        client.append(&statement).unwrap();
    }
    client
}

#[test]
fn a_client_follows_clusters_and_revocations_without_the_bodies_of_the_rest() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &["dev"]);
    let mut cluster = log.add_cluster("prod");
    log.set_policy("permit");
    cluster.key = TestKey::generate();
    log.put_cluster(&cluster);
    log.revoke(Subject::Device(ann.device_id));
    let client = client_of(&log);
    assert_eq!(client.head().hash, log.roster.head().hash);
    let name = "prod".parse().unwrap();
    assert_eq!(client.cluster(&name).unwrap().key, *cluster.key.public());
    assert!(client.user_by_name("ann").is_none() && client.policy().is_none());
    assert!(client.is_revoked(Subject::Device(ann.device_id)));
    assert!(!client.is_revoked(Subject::User(ann.user)));
    let sent: usize = log
        .client_view()
        .iter()
        .filter(|it| matches!(it.content, Some(Content::Body(_))))
        .count();
    assert_eq!(sent, 4);
}

#[test]
fn what_a_client_does_not_see_is_revoked_once_all_the_same() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let ann = log.add_person("ann", &[]);
    let subject = Subject::Device(ann.device_id);
    log.revoke(subject);
    let mut client = client_of(&log);
    let body = Body {
        revocations: vec![Log::revocation_of(subject)],
        ..log.body()
    };
    let again = log.sealed(&admin, Kind::Revocation, &body);
    let error = refused(&mut client, &again);
    assert_eq!(error, entry(EntryError::AlreadyRevoked));
}

#[test]
fn s6_a_hash_in_place_of_a_body_that_a_client_needs_is_refused() {
    let mut log = Log::new();
    let mut client = client_of(&log);
    log.add_cluster("prod");
    let mut statement = log.statements.last().unwrap().clone();
    let Some(Content::Body(body)) = &statement.content else {
        panic!("a body")
    };
    statement.content = Some(Content::BodyHash(crate::label::sha256(body).to_vec()));
    let error = refused(&mut client, &statement);
    assert_eq!(error, StatementError::Withheld(Kind::Cluster));
    statement.content = None;
    assert_eq!(
        refused(&mut client, &statement),
        StatementError::Malformed { field: "body" }
    );
    let genesis = Statement {
        content: Some(Content::BodyHash(vec![0; 32])),
        ..log.statements[0].clone()
    };
    let error = Roster::found_as(&genesis, View::Client).unwrap_err();
    assert_eq!(error, StatementError::Withheld(Kind::Genesis));
}

#[test]
fn s6_a_client_verifies_hidden_statements_of_signers_whom_it_knows() {
    let mut log = Log::new();
    let mut client = client_of(&log);
    log.set_policy("permit");
    let mut hidden = log.roster.client_view(log.statements.last().unwrap());
    assert!(hidden.touch.is_none());
    hidden.content = Some(Content::BodyHash(vec![1; 32]));
    assert_eq!(refused(&mut client, &hidden), StatementError::Signature);
}

#[test]
fn s6_nobody_but_an_admin_gives_a_client_another_clusters_key() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let mut cluster = log.add_cluster("prod");
    let mut client = client_of(&log);
    cluster.key = TestKey::generate();
    let entry_ = crate::wire::roster::Cluster {
        cluster_id: cluster.id.to_string(),
        name: cluster.name.clone(),
        key: cluster.key.public().spki().to_vec(),
    };
    let body = Body {
        clusters: vec![entry_],
        ..log.body()
    };
    let hers = log.sealed(&ann, Kind::Cluster, &body);
    assert_eq!(
        refused(&mut client, &hers),
        StatementError::NoRight(Kind::Cluster)
    );
    let admin = log.admin.clone();
    let untouched = Statement {
        touch: None,
        ..log.sealed(&admin, Kind::Cluster, &body)
    };
    assert_eq!(
        refused(&mut client, &untouched),
        StatementError::TouchMissing(Kind::Cluster)
    );
    let forged = forge(&log, &ann, Kind::Cluster, &body, admin.device.fingerprint());
    assert_eq!(refused(&mut client, &forged), StatementError::Signature);
}

#[test]
fn s6_signers_whom_a_client_does_not_know_revoke_nothing_that_concerns_it() {
    let mut log = Log::new();
    let manager = log.add_person_as("max", &[], Role::DeviceManager);
    let ann = log.add_person("ann", &[]);
    let cluster = log.add_cluster("prod");
    let mut client = client_of(&log);
    for subject in [
        Subject::Cluster(cluster.id),
        Subject::User(ann.user),
        Subject::Policy(1),
        Subject::Device(log.admin.device_id),
        Subject::Passkey(log.admin.passkey_id),
    ] {
        let revocations = vec![Log::revocation_of(subject)];
        let body = Body {
            revocations,
            ..log.body()
        };
        let statement = log.sealed(&manager, Kind::Revocation, &body);
        let error = refused(&mut client, &statement);
        assert_eq!(
            error,
            StatementError::NoRight(Kind::Revocation),
            "{subject:?}"
        );
    }
    let revocations = vec![Log::revocation_of(Subject::Device(ann.device_id))];
    let body = Body {
        revocations,
        ..log.body()
    };
    let statement = log.sealed(&manager, Kind::Revocation, &body);
    log.push(statement.clone());
    client.append(&log.roster.client_view(&statement)).unwrap();
    assert!(client.is_revoked(Subject::Device(ann.device_id)));
}

#[test]
fn a_client_follows_an_admin_who_changes_his_passkey() {
    let mut log = Log::new();
    let mut client = client_of(&log);
    let admin = log.admin.clone();
    log.set_self_service(admin.user, true);
    log.admin = log.add_passkey(&admin);
    let ann = log.add_person_with_self_service("ann", &[]);
    log.add_passkey(&ann);
    log.revoke(Subject::Passkey(admin.passkey_id));
    // Touched with the new passkey, and read by clients.
    log.add_cluster("prod");
    for statement in &log.client_view()[1..] {
        client.append(statement).unwrap();
    }
    assert_eq!(client.head().hash, log.roster.head().hash);
    assert!(client.cluster(&"prod".parse().unwrap()).is_some());
    let seen: Vec<_> = client.passkeys().map(|it| it.id).collect();
    assert_eq!(
        seen,
        [admin.passkey_id, log.admin.passkey_id],
        "ann's are not shown"
    );
    let body = log.own_passkey(&log.with_new_passkey(&log.admin));
    let old = log.sealed(&admin, Kind::Own, &body);
    assert_eq!(refused(&mut client, &old), StatementError::TouchPasskey);
    let admin = log.admin.clone();
    let hidden = log.sealed(&admin, Kind::Own, &body);
    let Some(Content::Body(bytes)) = &hidden.content else {
        panic!("a body")
    };
    let hidden = Statement {
        content: Some(Content::BodyHash(crate::label::sha256(bytes).to_vec())),
        ..hidden
    };
    assert_eq!(
        refused(&mut client, &hidden),
        StatementError::Withheld(Kind::Own)
    );
}

#[test]
fn a_client_gets_bodies_of_kinds_that_it_must_not_skip() {
    let mut log = Log::new();
    let statement = right(&mut log);
    for (kind, given) in [
        (Kind::Policy.into(), false),
        (Kind::SKIPPABLE - 1, true),
        (Kind::SKIPPABLE, false),
        (Kind::SKIPPABLE + 1, false),
    ] {
        let other = Statement {
            kind,
            ..statement.clone()
        };
        let view = log.roster.client_view(&other);
        let has_body = matches!(view.content, Some(Content::Body(_)));
        assert_eq!((has_body, view.touch.is_some()), (given, given), "{kind}");
    }
}
