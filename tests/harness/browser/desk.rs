//! A person at a browser with a passkey, who answers what `adit` opens.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{Authenticator, Browser, Opener, Seen};
use crate::netns::Netns;
use crate::wait;

/// A browser, the passkey plugged into it, and the program through which a client opens its pages.
#[derive(Debug)]
pub struct Desk {
    browser: Browser,
    authenticator: Authenticator,
    opener: Opener,
}

impl Desk {
    /// Starts a browser inside a namespace.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn start_in(netns: &Netns) -> Result<Self> {
        let browser = Browser::start_in(netns)?;
        let authenticator = browser.plug_in()?;
        let opener = Opener::new()?;
        Ok(Self {
            browser,
            authenticator,
            opener,
        })
    }

    /// What `BROWSER` is set to.
    #[must_use]
    pub fn program(&self) -> &Path {
        self.opener.program()
    }

    /// The browser.
    #[must_use]
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// The passkey's holder.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// How many pages were opened so far.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn opened(&self) -> Result<usize> {
        self.opener.opened()
    }

    /// Waits for the next page that is opened, and looks at it without pressing anything.
    ///
    /// # Errors
    /// When none is opened within `bound`.
    pub fn look(&self, bound: Duration) -> Result<()> {
        self.browser.open(&self.opener.next(bound)?)
    }

    /// Waits for the next page that is opened, and goes through its ceremonies.
    ///
    /// # Errors
    /// When none is opened, or a ceremony does not end, within `bound`.
    pub fn answer(&self, bound: Duration) -> Result<Vec<Seen>> {
        self.look(bound)?;
        self.browser.press_through(bound)
    }

    /// Does `work` and answers every page that is opened meanwhile; returns also what the pages showed.
    ///
    /// # Errors
    /// What `work` returns, or that a page could not be answered within `bound`.
    pub fn attend<T: Send>(
        &self,
        bound: Duration,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<(T, Vec<Seen>)> {
        let mut seen = Vec::new();
        thread::scope(|scope| {
            let working = scope.spawn(work);
            let attended = wait::until("the end of what needs a person", 10 * bound, || {
                // Asked first, so that a page that was opened just before the end is still answered.
                let over = working.is_finished();
                if let Some(address) = self.opener.try_next()? {
                    self.browser.open(&address)?;
                    seen.extend(self.browser.press_through(bound)?);
                    return Ok(None);
                }
                Ok(over.then_some(()))
            });
            let done = working.join().map_err(|_| anyhow!("the work panicked"))?;
            // What the work said of its failure says more than that a page went unanswered.
            let done = done?;
            attended?;
            Ok((done, seen))
        })
    }
}
