use adit_proto::roster::Subject;
use adit_proto::testing::Log;
use adit_proto::wire::roster::Statement;

use super::*;
use crate::config::ConfiguredHead;
use crate::testing::origin;

fn log() -> Log {
    let mut log = Log::new();
    log.add_person("anna@example.com", &["devs"]);
    log.add_cluster("prod");
    log
}

fn open(dir: &tempfile::TempDir, origin: Origin) -> Result<Book, BookError> {
    Book::open(dir.path(), origin)
}

#[test]
fn statements_survive_a_restart_and_are_taken_once() {
    let (log, dir) = (log(), tempfile::tempdir().unwrap());
    let book = open(&dir, origin(&log)).unwrap();
    assert_eq!(
        book.add(log.statements.clone()).unwrap().len(),
        log.statements.len()
    );
    assert!(book.add(log.statements.clone()).unwrap().is_empty());
    drop(book);
    let book = open(&dir, origin(&log)).unwrap();
    assert_eq!(book.head(), log.roster.head());
    assert_eq!(book.known().unwrap().roster().head(), log.roster.head());
}

#[test]
fn f25_what_a_full_disk_does_not_take_counts_at_once_and_is_kept_when_there_is_room() {
    let (mut log, dir) = (log(), tempfile::tempdir().unwrap());
    let book = open(&dir, origin(&log)).unwrap();
    book.add(log.statements.clone()).unwrap();
    let before = log.roster.head();
    let anna = log.roster.user_by_name("anna@example.com").unwrap().id;

    let full = std::fs::OpenOptions::new().append(true).open("/dev/full");
    let disk = book.change_file(full.unwrap());
    log.revoke(Subject::User(anna));
    assert_eq!(book.add(log.statements.clone()).unwrap().len(), 1);
    let known = book.known().unwrap();
    assert_eq!(known.roster().head(), log.roster.head());
    assert!(known.roster().active_user(anna).is_none());
    log.add_user("later@example.com", &[]);
    assert_eq!(book.add(log.statements.clone()).unwrap().len(), 1);
    assert_eq!(open(&dir, origin(&log)).unwrap().head(), before);

    book.change_file(disk);
    book.flush();
    assert_eq!(open(&dir, origin(&log)).unwrap().head(), log.roster.head());
    log.add_user("last@example.com", &[]);
    book.add(log.statements.clone()).unwrap();
    assert_eq!(open(&dir, origin(&log)).unwrap().head(), log.roster.head());
}

#[test]
fn s3_a_second_branch_is_refused_and_the_first_one_kept() {
    let (mut log, dir) = (log(), tempfile::tempdir().unwrap());
    let mut other = log.clone();
    log.add_user("first@example.com", &[]);
    other.add_user("second@example.com", &[]);
    let book = open(&dir, origin(&log)).unwrap();
    book.add(log.statements.clone()).unwrap();
    for _ in 0..2 {
        let error = book.add(other.statements.clone()).unwrap_err();
        assert_eq!(error.reason(), Reason::RosterFork);
        assert_eq!(book.head(), log.roster.head());
    }
}

#[test]
fn s3_a_head_of_another_genesis_is_refused() {
    let (one, two, dir) = (log(), log(), tempfile::tempdir().unwrap());
    let book = open(&dir, origin(&one)).unwrap();
    let error = book.add(two.statements).unwrap_err();
    assert_eq!(error.reason(), Reason::RosterFork);
}

#[test]
fn s1_a_gap_or_an_altered_statement_takes_the_head_no_further() {
    let (mut log, dir) = (log(), tempfile::tempdir().unwrap());
    let book = open(&dir, origin(&log)).unwrap();
    book.add(log.statements.clone()).unwrap();
    let head = log.roster.head();
    log.add_user("a@example.com", &[]);
    log.add_user("b@example.com", &[]);
    let last = log.statements.last().unwrap().clone();
    assert!(matches!(book.add(vec![last]), Err(BookError::Gap { .. })));
    assert_eq!(book.head(), head);
    let mut altered: Vec<Statement> = log.statements.clone();
    altered.last_mut().unwrap().signature[8] ^= 1;
    assert!(matches!(book.add(altered), Err(BookError::Refused { .. })));
    // The one before it is right, and is taken.
    assert_eq!(book.head().number, head.number + 1);
    assert_eq!(book.add(log.statements.clone()).unwrap().len(), 1);
}

#[test]
fn a_revocation_before_a_statement_of_an_unknown_kind_counts_and_is_kept() {
    let (mut log, dir) = (log(), tempfile::tempdir().unwrap());
    let anna = log.roster.user_by_name("anna@example.com").unwrap().id;
    log.revoke(Subject::User(anna));
    let revoked = log.roster.head();
    log.add_user("b@example.com", &[]);
    let mut sent = log.statements.clone();
    sent.last_mut().unwrap().kind = 0x7fff;
    let book = open(&dir, origin(&log)).unwrap();
    assert_eq!(
        book.add(sent).unwrap_err().reason(),
        Reason::VersionUnsupported
    );
    assert!(book.known().unwrap().roster().active_user(anna).is_none());
    drop(book);
    assert_eq!(open(&dir, origin(&log)).unwrap().head(), revoked);
}

#[test]
fn s3_nothing_is_served_by_a_roster_older_than_the_configured_head() {
    let (log, dir) = (log(), tempfile::tempdir().unwrap());
    let head = log.roster.head();
    let configured = Origin {
        genesis: log.genesis(),
        head: ConfiguredHead {
            number: head.number,
            hash: head.hash,
        },
    };
    let book = open(&dir, configured).unwrap();
    let (last, older) = log.statements.split_last().unwrap();
    book.add(older.to_vec()).unwrap();
    assert_eq!(book.known().unwrap_err().reason(), Reason::RosterStale);
    book.add(vec![last.clone()]).unwrap();
    assert!(book.known().is_ok());
}

#[test]
fn s3_a_history_without_the_configured_head_is_refused_after_a_restart_too() {
    let (log, dir) = (log(), tempfile::tempdir().unwrap());
    let head = log.roster.head();
    open(&dir, origin(&log))
        .unwrap()
        .add(log.statements.clone())
        .unwrap();
    let other = Origin {
        genesis: log.genesis(),
        head: ConfiguredHead {
            number: head.number,
            hash: [7; 32],
        },
    };
    let fresh = tempfile::tempdir().unwrap();
    let error = open(&fresh, other)
        .unwrap()
        .add(log.statements.clone())
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RosterFork);
    assert_eq!(open(&dir, other).unwrap_err().reason(), Reason::RosterFork);
}

#[test]
fn s3_an_old_head_after_a_restart_with_the_volume_changes_nothing() {
    let (mut log, dir) = (log(), tempfile::tempdir().unwrap());
    let before = log.statements.clone();
    let anna = log.roster.user_by_name("anna@example.com").unwrap().id;
    log.revoke(Subject::User(anna));
    open(&dir, origin(&log))
        .unwrap()
        .add(log.statements.clone())
        .unwrap();
    let book = open(&dir, origin(&log)).unwrap();
    // The gateway shows the log without the revocation.
    assert!(book.add(before).unwrap().is_empty());
    assert!(book.known().unwrap().roster().active_user(anna).is_none());
}

#[test]
fn a_statement_torn_at_any_byte_is_cut_and_comes_again() {
    let (mut log, dir) = (log(), tempfile::tempdir().unwrap());
    let path = dir.path().join("statements");
    open(&dir, origin(&log))
        .unwrap()
        .add(log.statements.clone())
        .unwrap();
    let before = std::fs::read(&path).unwrap().len();
    log.add_user("a@example.com", &[]);
    open(&dir, origin(&log))
        .unwrap()
        .add(log.statements.clone())
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    for cut in [
        before + 1,
        before + 3,
        before + 4,
        before + 50,
        whole.len() - 1,
    ] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let book = open(&dir, origin(&log)).unwrap();
        assert_eq!(book.head().number + 1, log.roster.number(), "{cut}");
        assert_eq!(book.add(log.statements.clone()).unwrap().len(), 1);
    }
}

#[test]
fn a_client_gets_what_it_lacks_in_its_own_view() {
    let (log, dir) = (log(), tempfile::tempdir().unwrap());
    let book = open(&dir, origin(&log)).unwrap();
    book.add(log.statements.clone()).unwrap();
    let view = log.client_view();
    assert_eq!(book.for_client(0, usize::MAX), view);
    assert_eq!(book.for_client(3, usize::MAX), view[3..]);
    assert!(book.for_client(0, 100).is_empty());
    assert!(book.for_client(u64::MAX, usize::MAX).is_empty());
}

#[test]
fn a_policy_that_this_version_cannot_use_denies_everything() {
    let (mut log, dir) = (log(), tempfile::tempdir().unwrap());
    log.set_policy("permit(principal, action == Action::\"fly\", resource);");
    let book = open(&dir, origin(&log)).unwrap();
    book.add(log.statements.clone()).unwrap();
    assert_eq!(
        book.known().unwrap().policy().unwrap_err().reason(),
        Reason::RosterStale
    );
    book.policy_text(
        1,
        "permit(principal, action == Action::\"fly\", resource);".to_owned(),
    );
    assert_eq!(
        book.known().unwrap().policy().unwrap_err().reason(),
        Reason::PolicyError
    );
}
