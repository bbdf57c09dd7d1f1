use adit_proto::roster::Subject;
use adit_proto::testing::Log;

use super::*;

fn followed(dir: &Path, log: &Log) -> Followed {
    Followed::load(dir, log.genesis()).unwrap()
}

fn log() -> Log {
    let mut log = Log::new();
    log.add_user("ada", &["devs"]);
    log.add_cluster("prod");
    log
}

#[test]
fn what_was_followed_is_there_after_a_restart() {
    let (scratch, log) = (tempfile::tempdir().unwrap(), log());
    let statements = log.client_view();
    let one = followed(scratch.path(), &log);
    assert!(one.head().is_none());
    one.take(&statements[..2]).unwrap();
    // What is known already may come again.
    one.take(&statements).unwrap();
    let two = followed(scratch.path(), &log);
    assert_eq!(two.head(), one.head());
    assert_eq!(
        two.cluster_key(&"prod".parse().unwrap()),
        one.cluster_key(&"prod".parse().unwrap())
    );
    assert!(two.cluster_key(&"prod".parse().unwrap()).is_some());
    assert!(two.cluster_key(&"dev".parse().unwrap()).is_none());
}

#[test]
fn a_half_written_statement_is_left_out_and_taken_again() {
    let (scratch, log) = (tempfile::tempdir().unwrap(), log());
    let statements = log.client_view();
    followed(scratch.path(), &log).take(&statements).unwrap();
    let file = scratch.path().join(FILE);
    let whole = std::fs::read(&file).unwrap();
    private_file::replace(&file, &whole[..whole.len() - 3]).unwrap();
    let again = followed(scratch.path(), &log);
    assert_eq!(
        again.head().number,
        u64::try_from(statements.len() - 1).unwrap()
    );
    again.take(&statements).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}

#[test]
fn s3_a_file_that_is_damaged_inside_does_not_become_an_older_roster() {
    let (scratch, log) = (tempfile::tempdir().unwrap(), log());
    followed(scratch.path(), &log)
        .take(&log.client_view())
        .unwrap();
    let file = scratch.path().join(FILE);
    let mut damaged = std::fs::read(&file).unwrap();
    let first = u32::from_be_bytes(*damaged.first_chunk().unwrap());
    damaged[4 + usize::try_from(first).unwrap()] = 0xff;
    private_file::replace(&file, &damaged).unwrap();
    let refused = Followed::load(scratch.path(), log.genesis()).unwrap_err();
    assert!(matches!(refused, RosterError::Damaged(_)), "{refused:?}");
    assert_eq!(std::fs::read(&file).unwrap(), damaged);
    // Zeros at the end are what a crash leaves of a file that had grown already.
    let whole = &damaged[..4 + usize::try_from(first).unwrap()];
    private_file::replace(&file, &[whole, &[0; 9]].concat()).unwrap();
    assert_eq!(followed(scratch.path(), &log).head().number, 1);
}

#[test]
fn s1_another_log_a_fork_a_gap_and_an_altered_statement_are_refused() {
    let (scratch, log) = (tempfile::tempdir().unwrap(), log());
    let statements = log.client_view();
    let followed = followed(scratch.path(), &log);
    let other = Log::new().client_view();
    assert!(matches!(followed.take(&other), Err(RosterError::Genesis)));
    followed.take(&statements[..1]).unwrap();
    let gap = followed.take(&statements[2..]);
    assert!(matches!(gap, Err(RosterError::Gap { held: 1, number: 3 })));
    let mut altered = statements[1].clone();
    altered.signature[10] ^= 1;
    assert!(matches!(
        followed.take(&[altered]),
        Err(RosterError::Statement { number: 2, .. })
    ));
    followed.take(&statements).unwrap();
    let mut fork = statements[2].clone();
    fork.previous[0] ^= 1;
    assert!(matches!(followed.take(&[fork]), Err(RosterError::Fork(3))));
    assert_eq!(
        followed.head().number,
        u64::try_from(statements.len()).unwrap()
    );
}

#[test]
fn a_revoked_cluster_has_no_key() {
    let (scratch, mut log) = (tempfile::tempdir().unwrap(), Log::new());
    let cluster = log.add_cluster("prod");
    let followed = followed(scratch.path(), &log);
    followed.take(&log.client_view()).unwrap();
    let name: Name = "prod".parse().unwrap();
    assert!(followed.cluster_key(&name).is_some());
    log.revoke(Subject::Cluster(cluster.id));
    followed.take(&log.client_view()).unwrap();
    assert!(followed.cluster_key(&name).is_none());
}
