//! A new sign-in before the old one ends carries what is open on.

use std::time::Duration;

use adit_harness::netns::Network;
use adit_harness::stack::{BOUND, ENGINEERS_VIEW, GatewayOptions, Stack};
use adit_harness::wait;
use tokio::time::Instant;

use crate::busy::{BusyWatch, sessions_of};

/// Life of a sign-in here: long enough for a busy machine to begin and to sign in anew within it.
const LIFE: Duration = Duration::from_secs(40);

#[test]
fn a_watch_goes_on_over_the_end_of_the_first_sign_in_and_ends_with_the_second() {
    let options = GatewayOptions {
        extra: format!("[lives]\nsign_in_s = {}\n", LIFE.as_secs()),
        ..GatewayOptions::default()
    };
    let network = Network::new().unwrap();
    let stack = Stack::on(network, &options, ENGINEERS_VIEW, Ok).unwrap();
    let begun = Instant::now();
    let engineer = stack.engineer("ben@example.org").unwrap();
    let mut watch = BusyWatch::start(&engineer.kubectl("prod").unwrap()).unwrap();
    let before = sessions_of(&engineer).unwrap();
    // Late, so that the two ends lie apart.
    wait::last((LIFE / 2).saturating_sub(begun.elapsed()));
    engineer.ok(&["login"]).unwrap();
    assert!(begun.elapsed() < LIFE, "the first sign-in still holds");

    // The first one is over: the fault is its end.
    wait::last(LIFE.saturating_sub(begun.elapsed()) + Duration::from_secs(5));
    watch.goes_on(BOUND).unwrap();
    assert_eq!(sessions_of(&engineer).unwrap(), before, "the same sessions");

    // Nobody signs in again, and then it ends.
    watch.ended(LIFE + BOUND).unwrap();
    let refused = engineer.run(&["sessions"]).unwrap();
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
}
