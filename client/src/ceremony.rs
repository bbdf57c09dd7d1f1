//! The gateway's pages: opened in the browser, or answered by the software authenticator for tests.

mod software;
mod web;

use std::path::Path;

use crate::browser::{self, Caller, Opened, Page};
use crate::exit::Failure;
use crate::talk::Talk;

/// The variable that chooses the software authenticator, and its value.
const CHOICE: (&str, &str) = ("ADIT_AUTHENTICATOR", "software");

/// A page that was shown; its redirect file goes when this is dropped.
#[derive(Debug)]
pub struct Shown {
    _opened: Option<Opened>,
    here: bool,
}

impl Shown {
    /// Whether it is shown on this machine already; else the person has the address.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.here
    }
}

/// Whether `caller` chose the software authenticator.
#[must_use]
pub fn in_software(caller: &Caller) -> bool {
    caller.variable(CHOICE.0) == Some(CHOICE.1)
}

/// Shows the page at `url`, which must be of one of `origins`, to the person. With the software authenticator the page
/// has been answered when this returns; a tab that goes on is the caller's next page.
///
/// `directory` is where the redirect file, or the software passkey, lies.
///
/// # Errors
/// When the address is refused, or the software authenticator is. That no browser could be started is said, with the
/// address to open by hand.
pub async fn show(
    url: &str,
    origins: &[String],
    caller: &Caller,
    directory: &Path,
    talk: &Talk,
) -> Result<Shown, Failure> {
    let page = Page::checked(url, origins)?;
    if in_software(caller) {
        talk.say(
            "WARNING: the software authenticator answers instead of a person. It proves nobody's presence; \
             it is for tests and demonstrations only.",
        );
        software::answer(&page, caller, directory).await?;
        return Ok(Shown {
            _opened: None,
            here: true,
        });
    }
    match browser::open(&page, caller, directory) {
        Ok(opened) => Ok(Shown {
            _opened: Some(opened),
            here: true,
        }),
        Err(failure) => {
            talk.say(format!(
                "{}. Open this address in a browser on this machine: {}",
                failure.message,
                page.url()
            ));
            Ok(Shown {
                _opened: None,
                here: false,
            })
        }
    }
}
