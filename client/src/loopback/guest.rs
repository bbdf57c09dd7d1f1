//! Who is connected without having shown that it may pass: another user of the machine, or a page, can open as many
//! connections as it likes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Connections of strangers at once; the oldest makes room for the newest.
pub(crate) const STRANGERS: usize = 128;

/// The strangers of one port, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<VecDeque<Arc<Stranger>>>);

#[derive(Debug, Default)]
struct Stranger {
    known: AtomicBool,
    turned_out: CancellationToken,
}

impl Strangers {
    /// Lets a connection in, and turns the oldest out if there are too many.
    pub(super) fn enter(self: &Arc<Self>, gently: CancellationToken) -> Guest {
        let stranger = Arc::<Stranger>::default();
        let mut strangers = self.0.lock();
        if strangers.len() >= STRANGERS
            && let Some(oldest) = strangers.pop_front()
        {
            oldest.turned_out.cancel();
        }
        strangers.push_back(stranger.clone());
        Guest {
            gently,
            stranger,
            strangers: self.clone(),
        }
    }

    fn forget(&self, stranger: &Arc<Stranger>) {
        self.0.lock().retain(|it| !Arc::ptr_eq(it, stranger));
    }
}

/// A connection's place. It can be lost until the connection has shown that it may pass.
#[derive(Debug)]
pub struct Guest {
    /// Ends the connection with the requests that it has.
    pub gently: CancellationToken,
    stranger: Arc<Stranger>,
    strangers: Arc<Strangers>,
}

impl Guest {
    /// One of its requests may pass: nobody takes its place any more.
    pub fn keep_place(&self) {
        if !self.stranger.known.swap(true, Ordering::Relaxed) {
            self.strangers.forget(&self.stranger);
        }
    }

    /// Cancelled when somebody else needs its place.
    pub(super) fn turned_out(&self) -> CancellationToken {
        self.stranger.turned_out.clone()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if !self.stranger.known.load(Ordering::Relaxed) {
            self.strangers.forget(&self.stranger);
        }
    }
}
