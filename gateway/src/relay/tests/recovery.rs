//! What a link survives.

use std::sync::atomic::Ordering::Relaxed;

use adit_transport::rebind::MESSAGE_LEN;

use super::hostile::drained;
use super::link::{expect_end, receive, send, stream};
use super::rig::{Announcing, End, Gateway, Link, link, soon, until};
use super::tap::Tap;

/// Chunks of a transfer, and where in it something happens: more than windows and buffers together hold comes after.
const CHUNKS: usize = 40;
const BEFORE: usize = 5;

#[tokio::test]
async fn f1_a_busy_stream_goes_on_after_the_gateway_was_killed_and_started_again() {
    let mut gateway = Gateway::start(Announcing::Everybody);
    let connector = End::connector(&gateway);
    let client = End::client(gateway.addr, &gateway);
    let Link { near, far } = link(&client, &connector).await;
    let route = client.party.route();
    for (from, to, sends) in [(&far, &near, &connector), (&near, &far, &client)] {
        let (sender, mut receiver) = stream(from, to).await;
        let before = sends.party.counts();
        let receiving = async {
            receive(&mut receiver, 0..BEFORE).await;
            gateway.kill().await;
            until("a silence that both ask about", || {
                let nudges = [&client, &connector].map(|end| end.nudges.load(Relaxed));
                sends.party.counts().held > before.held && nudges.iter().all(|times| *times > 0)
            })
            .await;
            gateway.start_again(Announcing::Everybody).await;
            receive(&mut receiver, BEFORE..CHUNKS).await;
            expect_end(&mut receiver).await;
        };
        soon("a transfer", async {
            tokio::join!(send(sender, CHUNKS), receiving)
        })
        .await;
        assert!(
            sends.party.counts().resent > before.resent,
            "the newest datagram was sent again"
        );
    }
    assert_eq!(
        client.party.route(),
        route,
        "nothing was stored, and the route is the same"
    );
    assert!(
        near.close_reason().is_none() && far.close_reason().is_none(),
        "the same link"
    );
    assert!(*client.registrations.borrow() >= 3 && *connector.registrations.borrow() >= 3);
}

#[tokio::test]
async fn f19_a_busy_stream_follows_the_client_to_another_socket() {
    let mut gateway = Gateway::start(Announcing::Everybody);
    let connector = End::connector(&gateway);
    let client = End::client(gateway.addr, &gateway);
    let Link { near, far } = link(&client, &connector).await;
    let (sender, mut receiver) = stream(&far, &near).await;
    let before = client.party.local_addr().unwrap();
    let receiving = async {
        receive(&mut receiver, 0..BEFORE).await;
        client.party.move_to(client.party.gateway()).unwrap();
        receive(&mut receiver, BEFORE..CHUNKS).await;
        expect_end(&mut receiver).await;
    };
    soon("a transfer", async {
        tokio::join!(send(sender, CHUNKS), receiving)
    })
    .await;
    let moved = soon("word of the move", gateway.moves.recv())
        .await
        .unwrap();
    assert_eq!(Some(moved.route), client.party.route());
    assert_ne!(moved.to.addr.port(), before.port());
    assert_eq!(
        moved.to.addr.port(),
        client.party.local_addr().unwrap().port()
    );
    assert_eq!(
        *client.registrations.borrow(),
        1,
        "the control connection followed too"
    );
}

#[tokio::test]
async fn f19_a_pure_reader_is_found_again_after_a_nat_rebinding_behind_its_back() {
    let mut gateway = Gateway::start(Announcing::Everybody);
    let mut tap = Tap::before(gateway.addr).await;
    let connector = End::connector(&gateway);
    let client = End::client(tap.addr(), &gateway);
    let Link { near, far } = link(&client, &connector).await;
    // So that an answer from the first address is on record.
    client.party.woke_up();
    until("an answer", || {
        tap.recorded()
            .iter()
            .any(|sent| sent.len() == MESSAGE_LEN && sent[22] == 3)
    })
    .await;
    let (sender, mut receiver) = stream(&far, &near).await;
    let receiving = async {
        receive(&mut receiver, 0..BEFORE).await;
        tap.rebind().await;
        receive(&mut receiver, BEFORE..CHUNKS).await;
        expect_end(&mut receiver).await;
    };
    soon("a transfer", async {
        tokio::join!(send(sender, CHUNKS), receiving)
    })
    .await;
    let moved = soon("word of the move", gateway.moves.recv())
        .await
        .unwrap();
    assert_eq!(
        (Some(moved.route), moved.to.addr),
        (client.party.route(), tap.outer_addr())
    );
    // Whoever recorded the answers can send them again from where the party was.
    tap.replay_from_before().await;
    drained(&gateway).await;
    let place = gateway.relay().place_of(moved.route).unwrap();
    assert_eq!(
        place.addr,
        tap.outer_addr(),
        "u6: a replayed answer moves nothing back"
    );
}

#[tokio::test]
async fn an_idle_link_is_there_after_the_gateway_was_killed() {
    let mut gateway = Gateway::start(Announcing::Everybody);
    let connector = End::connector(&gateway);
    let client = End::client(gateway.addr, &gateway);
    let Link { near, far } = link(&client, &connector).await;
    gateway.kill().await;
    gateway.start_again(Announcing::Everybody).await;
    until("both registrations", || {
        *client.registrations.borrow() >= 2 && *connector.registrations.borrow() >= 2
    })
    .await;
    let (mut sender, mut receiver) = soon("a stream", stream(&near, &far)).await;
    sender.write_all(b"still there").await.unwrap();
    let mut heard = [0; 11];
    soon("an echo", receiver.read_exact(&mut heard))
        .await
        .unwrap();
    assert_eq!(&heard, b"still there");
}
