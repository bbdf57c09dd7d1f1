//! S3 and the log's time: branches, older heads, bodies that waited.

use std::time::Duration;

use super::chain::body_of;
use super::*;
use crate::Reason;
use crate::roster::Relation;
use crate::time::UnixMillis;

#[test]
fn a_touch_waits_for_its_turn_for_ten_minutes_of_the_logs_time() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let first = body_of(&right(&mut log));
    let ten = Duration::from_mins(10);
    log.now = log.now.before(Duration::from_secs(1)).after(ten);
    log.add_user("ann", &[]);
    assert_eq!(log.roster.head().time.since(UnixMillis(first.time_ms)), ten);
    let waited = log.sealed(&admin, Kind::Policy, &first);
    let mut other = log.roster.clone();
    assert_eq!(other.append(&waited).unwrap().time, log.roster.head().time);
    log.add_user("bob", &[]);
    let waited = log.sealed(&admin, Kind::Policy, &first);
    let error = refused(&mut log.roster, &waited);
    assert_eq!(
        (error.clone(), error.reason()),
        (StatementError::TouchExpired, Reason::TouchExpired)
    );
}

#[test]
fn a_gateway_refuses_bodies_from_the_future_and_old_ones() {
    let mut log = Log::new();
    let statement = right(&mut log);
    let stated = UnixMillis(body_of(&statement).time_ms);
    let check = |now| {
        log.roster
            .check(&statement, now)
            .map(|appended| appended.number)
    };
    assert_eq!(check(stated), Ok(2));
    assert_eq!(check(stated.before(Duration::from_mins(5))), Ok(2));
    assert_eq!(
        check(stated.before(Duration::from_secs(301))),
        Err(StatementError::ClockSkew)
    );
    assert_eq!(check(stated.after(Duration::from_mins(10))), Ok(2));
    assert_eq!(
        check(stated.after(Duration::from_secs(601))),
        Err(StatementError::TouchExpired)
    );
}

#[test]
fn a_gateway_refuses_an_enrolment_that_waited() {
    let mut log = Log::new();
    let user = log.add_user("ann", &[]);
    let invited = log.invite(user);
    let enrolments = vec![log.enrolment_of(&invited).0];
    let body = Body {
        enrolments,
        ..log.body()
    };
    let stated = UnixMillis(body.time_ms);
    let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
    let check = |now| log.roster.check(&statement, now).map(|it| it.number);
    let five = Duration::from_mins(5);
    assert_eq!(check(stated), Ok(4));
    assert_eq!(check(stated.after(five)), Ok(4));
    assert_eq!(
        check(stated.after(five + Duration::from_millis(1))),
        Err(StatementError::ClockSkew)
    );
}

#[test]
fn s3_branches_older_heads_and_foreign_heads_are_told_apart() {
    let mut log = Log::new();
    log.add_user("ann", &[]);
    let older = log.roster.head();
    let mut branch = log.clone();
    log.add_user("bob", &[]);
    branch.add_user("eve", &[]);
    let roster = &log.roster;
    assert_eq!(roster.relation(&roster.head()), Relation::Same);
    assert_eq!(roster.relation(&older), Relation::Behind);
    assert_eq!(roster.relation(&Head::none()), Relation::Behind);
    assert_eq!(roster.relation(&branch.roster.head()), Relation::Fork);
    assert_eq!(
        roster.relation(&Log::new().roster.head()),
        Relation::OtherLog
    );
    branch.add_user("mallory", &[]);
    assert_eq!(roster.relation(&branch.roster.head()), Relation::Ahead);
    for statement in &branch.statements[2..] {
        let error = refused(&mut log.roster, statement);
        assert_eq!(error.reason(), Reason::RosterFork, "{error}");
    }
}

#[test]
fn s3_a_statement_of_another_log_is_refused() {
    let mut log = Log::new();
    let mut other = log.clone();
    other.roster = Log::new().roster;
    let foreign = right(&mut other);
    let moved = Statement {
        previous: log.roster.genesis().to_vec(),
        ..foreign
    };
    assert_eq!(refused(&mut log.roster, &moved), StatementError::Signature);
}
