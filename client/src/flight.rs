//! Single flight: whoever wants what is being made already waits for that instead of making another.
//!
//! A flight is a task. It goes on for as long as somebody waits for it, and is given up when the last one leaves.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

type Running<K, T> = Arc<Mutex<HashMap<K, Arc<watch::Sender<Option<T>>>>>>;

/// What is being made, by key.
pub struct Flights<K, T> {
    running: Running<K, T>,
    tasks: TaskTracker,
}

impl<K: fmt::Debug, T> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.running.lock().keys()).finish()
    }
}

impl<K, T> Flights<K, T>
where
    K: Hash + Eq + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// No flights; `tasks` owns those to come.
    #[must_use]
    pub fn new(tasks: TaskTracker) -> Self {
        Self {
            running: Arc::default(),
            tasks,
        }
    }

    /// Waits for the flight of `key`, and begins it with `begin` if there is none. `None` only when it panicked.
    ///
    /// # Cancel safety
    /// Dropping it leaves the flight to those who still wait, and ends it if nobody does.
    pub async fn join<F>(&self, key: K, begin: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut landed = {
            let mut running = self.running.lock();
            if let Some(flight) = running.get(&key) {
                flight.subscribe()
            } else {
                let (sender, receiver) = watch::channel(None);
                let sender = Arc::new(sender);
                running.insert(key.clone(), sender.clone());
                self.tasks
                    .spawn(fly(self.running.clone(), key, sender, begin()));
                receiver
            }
        };
        let value = landed.wait_for(Option::is_some).await.ok()?;
        value.clone()
    }
}

/// Takes a flight off the list when its task ends, however it ends, unless another took its place.
struct Listed<K: Hash + Eq, T> {
    running: Running<K, T>,
    key: K,
    flight: Arc<watch::Sender<Option<T>>>,
}

impl<K: Hash + Eq, T> Drop for Listed<K, T> {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        let ours = |listed| Arc::ptr_eq(listed, &self.flight);
        if running.get(&self.key).is_some_and(ours) {
            running.remove(&self.key);
        }
    }
}

async fn fly<K, T>(
    running: Running<K, T>,
    key: K,
    sender: Arc<watch::Sender<Option<T>>>,
    work: impl Future<Output = T>,
) where
    K: Hash + Eq + Clone,
{
    let flight = sender.clone();
    let listed = Listed {
        running,
        key,
        flight,
    };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            value = &mut work => {
                // Off the list first: who comes now wants a new one.
                drop(listed);
                sender.send_replace(Some(value));
                return;
            }
            () = sender.closed() => {
                let mut running = listed.running.lock();
                // Somebody may have joined meanwhile.
                if sender.receiver_count() == 0 {
                    running.remove(&listed.key);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn forty_at_once_make_one_and_the_next_makes_another() {
        let flights = Flights::new(TaskTracker::new());
        let (made, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let begin = || {
            let (made, go) = (made.clone(), go.clone());
            async move {
                go.notified().await;
                made.fetch_add(1, Ordering::SeqCst) + 1
            }
        };
        let forty = join_all((0..40).map(|_| flights.join("sign-in", begin)));
        go.notify_one();
        assert_eq!(forty.await, vec![Some(1); 40]);
        go.notify_one();
        assert_eq!(flights.join("sign-in", begin).await, Some(2));
    }

    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    #[tokio::test]
    async fn a_flight_that_nobody_waits_for_is_given_up_and_one_that_panics_is_forgotten() {
        let flights: Flights<_, u8> = Flights::new(TaskTracker::new());
        let dropped = Arc::new(Notify::new());
        let tell = Tell(dropped.clone());
        let endless = || async move {
            let _tell = tell;
            std::future::pending().await
        };
        tokio::select! {
            biased;
            _ = flights.join("a", endless) => panic!("it cannot land"),
            () = tokio::task::yield_now() => {}
        }
        dropped.notified().await;
        assert_eq!(flights.join("a", || async { 1 }).await, Some(1));
        assert_eq!(
            flights.join("b", || async { panic!("on purpose") }).await,
            None
        );
        assert_eq!(flights.join("b", || async { 2 }).await, Some(2));
    }
}
