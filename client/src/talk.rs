//! What is said to a person while something takes its time: lines for the caller's stderr.
//!
//! Several callers can wait for one sign-in; each hears everything that was said, whenever it joined.

use std::sync::Arc;

use tokio::sync::watch;

/// What begins a line that a person has to do something for: a terminal rings (BEL, ECMA-48).
pub const BELL: char = '\u{7}';

/// Where lines are said. Clones speak to the same listeners.
#[derive(Clone, Debug)]
pub struct Talk(Arc<watch::Sender<Vec<String>>>);

impl Default for Talk {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl Talk {
    /// Says a line.
    pub fn say(&self, line: impl Into<String>) {
        self.0.send_modify(|lines| lines.push(line.into()));
    }

    /// Says a line that a person has to do something for.
    pub fn ask(&self, line: &str) {
        self.say(format!("{BELL}{line}"));
    }

    /// Forgets what was said: something new begins.
    pub fn clear(&self) {
        self.0.send_modify(Vec::clear);
    }

    /// Listens from the beginning.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener {
            lines: self.0.subscribe(),
            heard: 0,
        }
    }
}

/// Hears lines.
#[derive(Debug)]
pub struct Listener {
    lines: watch::Receiver<Vec<String>>,
    heard: usize,
}

impl Listener {
    /// Waits for lines that were not heard yet; never ends.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn hear(&mut self) -> Vec<String> {
        let heard = self.heard;
        let Ok(lines) = self.lines.wait_for(|lines| lines.len() > heard).await else {
            return std::future::pending().await;
        };
        let fresh = lines.get(heard..).unwrap_or_default().to_vec();
        self.heard = lines.len();
        fresh
    }

    /// What was said and not heard yet.
    pub fn rest(&mut self) -> Vec<String> {
        let lines = self.lines.borrow();
        let fresh = lines.get(self.heard..).unwrap_or_default().to_vec();
        self.heard = lines.len();
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_joins_late_hears_all() {
        let talk = Talk::default();
        talk.say("one");
        let mut late = talk.listen();
        assert_eq!(late.hear().await, ["one"]);
        talk.say("two");
        assert_eq!(late.rest(), ["two"]);
        assert!(late.rest().is_empty());
    }
}
