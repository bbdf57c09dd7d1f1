use adit_transport::cid::RouteSecret;

use super::*;

fn route(number: u64) -> RouteId {
    RouteId::from_bits(1 << 63 | number).unwrap()
}

fn place(port: u16) -> Place {
    Place {
        addr: ([192, 0, 2, 1], port).into(),
        local_ip: None,
    }
}

fn key() -> BindKey {
    BindKey::from_bytes(&[1; 32])
}

/// Two registered parties with an announced pair.
fn joined() -> (Table, [Registration; 2]) {
    let table = Table::default();
    table.announce(route(1), route(2));
    let registrations = [
        table.register(route(1), place(1), key()),
        table.register(route(2), place(2), key()),
    ];
    (table, registrations)
}

#[test]
fn only_an_announced_pair_of_registered_parties_is_forwarded() {
    let table = Table::default();
    table.register(route(1), place(1), key());
    table.register(route(2), place(2), key());
    table.register(route(3), place(3), key());
    assert_eq!(table.forward(place(1).addr, route(2)), None);
    table.announce(route(1), route(2));
    assert_eq!(table.forward(place(1).addr, route(2)), Some(place(2)));
    assert_eq!(table.forward(place(2).addr, route(1)), Some(place(1)));
    assert_eq!(
        table.forward(place(3).addr, route(2)),
        None,
        "another party"
    );
    assert_eq!(
        table.forward(place(1).addr, route(3)),
        None,
        "another destination"
    );
    assert_eq!(table.forward(place(1).addr, route(1)), None, "itself");
    table.withdraw(route(2), route(1));
    assert_eq!(table.forward(place(1).addr, route(2)), None);
    assert_eq!(table.forward(place(2).addr, route(1)), None);
    assert!(table.forwards.read().is_empty() && table.registry.lock().pairs.is_empty());
}

#[test]
fn a_pair_survives_a_registration_that_ends_and_comes_back() {
    let (table, [one, _]) = joined();
    table.unregister(one);
    assert_eq!(table.forward(place(2).addr, route(1)), None);
    assert_eq!(table.forward(place(1).addr, route(2)), None);
    table.register(route(1), place(7), key());
    assert_eq!(table.forward(place(2).addr, route(1)), Some(place(7)));
    assert_eq!(table.forward(place(7).addr, route(2)), Some(place(2)));
}

#[test]
fn the_end_of_an_old_control_connection_does_not_end_the_new_registration() {
    let (table, [old, _]) = joined();
    table.register(route(1), place(7), key());
    table.unregister(old);
    assert_eq!(table.place_of(route(1)), Some(place(7)));
    assert_eq!(table.forward(place(2).addr, route(1)), Some(place(7)));
}

#[test]
fn a_move_takes_both_directions_along() {
    let (table, _) = joined();
    let moved = table.change(route(1), |_| Some((Some(place(9)), ())));
    assert_eq!(moved, Some(()));
    assert_eq!(
        table.forward(place(1).addr, route(2)),
        None,
        "nothing comes from the old address any more"
    );
    assert_eq!(table.forward(place(9).addr, route(2)), Some(place(2)));
    assert_eq!(table.forward(place(2).addr, route(1)), Some(place(9)));
    assert!(!table.knows(place(1).addr) && table.knows(place(9).addr));
}

#[test]
fn a_party_that_was_given_the_address_of_a_leased_one_keeps_its_pairs() {
    let (table, [old, _]) = joined();
    table.announce(route(3), route(2));
    table.register(route(3), place(1), key());
    table.unregister(old);
    assert_eq!(table.forward(place(1).addr, route(2)), Some(place(2)));
    assert!(table.knows(place(1).addr));
}

#[tokio::test]
async fn an_address_is_known_for_as_long_as_somebody_keeps_an_admission() {
    let secret = RouteSecret::from_bytes([7; 32]);
    let listen = ([127, 0, 0, 1], 0).into();
    let (relay, _socket, _moved) = Relay::bind(listen, &secret).unwrap();
    let addr = place(1).addr;
    let (one, other) = (relay.admit(addr), relay.admit(addr));
    drop(one);
    assert!(relay.table.knows(addr));
    drop(other);
    assert!(!relay.table.knows(addr));
}
