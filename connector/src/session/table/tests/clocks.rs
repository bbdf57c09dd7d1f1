//! F31: clocks that differ, and one that jumps.

use super::*;

const DAY: i64 = 86_400;

#[tokio::test(start_paused = true)]
async fn f31_offers_are_taken_within_five_minutes_of_difference_and_refused_with_the_reason_beyond()
{
    for ahead in [0, 1, -1, 299, -299, 301, -301, DAY, -DAY] {
        let world = World::new();
        let offer = world.annas_offer();
        world.clock.jump(ahead);
        let answer = world.table.offer(offer).await;
        if ahead.abs() < 300 {
            answer.unwrap();
            continue;
        }
        let refusal = answer.unwrap_err();
        assert_eq!(refusal.shown(), Reason::ClockSkew, "{ahead}");
        assert!(refusal.detail().contains("clocks"), "{}", refusal.detail());
    }
}

#[tokio::test(start_paused = true)]
async fn f31_a_wall_clock_that_is_set_neither_lengthens_nor_shortens_a_session_or_a_lease() {
    for jump in [1, -1, 299, -299] {
        let world = World::new();
        let session = world.table.offer(world.annas_offer()).await.unwrap();
        let device = world.anna.device.public().fingerprint();
        let stream = world.table.open_stream(session.id(), device).unwrap();
        world.clock.jump(jump);
        world.advance(Duration::from_mins(8 * 60 - 1));
        world.table.sweep();
        world.table.standing(&session).await.unwrap();
        world.advance(Duration::from_mins(1));
        world.table.sweep();
        assert_eq!(session.ended(), Some(Reason::SessionExpired), "{jump}");
        drop(stream);

        let session = world.table.offer(world.annas_offer()).await.unwrap();
        world.clock.jump(jump);
        world.clock.advance(Duration::from_secs(59));
        world.table.sweep();
        assert_eq!(session.ended(), None, "{jump}");
        world.clock.advance(Duration::from_secs(1));
        world.table.sweep();
        assert_eq!(session.ended(), Some(Reason::LeaseExpired), "{jump}");
    }
}

#[tokio::test(start_paused = true)]
async fn f31_a_jump_by_a_day_ends_what_was_allowed_before_with_the_reason() {
    for (jump, reason) in [(DAY, Reason::SignInExpired), (-DAY, Reason::ClockSkew)] {
        let world = World::new();
        let session = world.table.offer(world.annas_offer()).await.unwrap();
        world.clock.jump(jump);
        // A decision holds for five seconds.
        world.advance(Duration::from_secs(5));
        let refusal = world.table.standing(&session).await.unwrap_err();
        assert_eq!(refusal.shown(), reason, "{jump}");
        assert_eq!(session.ended(), Some(reason), "{jump}");
        // Set right again, everything begins anew.
        world.clock.jump(-jump);
        world.table.offer(world.annas_offer()).await.unwrap();
    }
}
