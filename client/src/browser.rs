//! Opening one of the gateway's pages, or of the agent's own, in the person's browser.
//!
//! An address of a gateway is opened only if it belongs to an origin that the roster names. It reaches the browser in a file of mode
//! 0600 that redirects there, so that it is in no process list, and no shell is involved.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::exit::Failure;
use crate::loopback::escaped;
use crate::{private_file, random};

/// Variables of the caller that a browser needs, and the choice of authenticator.
const VARIABLES: [&str; 11] = [
    "ADIT_AUTHENTICATOR",
    "ADIT_AUTHENTICATOR_CA",
    "BROWSER",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HOME",
    "PATH",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_RUNTIME_DIR",
];

/// What shows a notification on a desktop (freedesktop.org's libnotify), and what it shows.
const NOTIFIER: &str = "notify-send";
const NOTICE: [&str; 3] = [
    "--app-name=Adit",
    "Adit waits for you",
    "Go on in your browser.",
];

/// What opens files where the person names no browser.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Who asks: what of its environment counts, and whether a person sits there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Whether a browser may be opened.
    pub interactive: bool,
    /// Variables of the caller's environment.
    pub environment: BTreeMap<String, String>,
}

impl Caller {
    /// Describes this process.
    #[must_use]
    pub fn this_process(interactive: bool) -> Self {
        let environment = VARIABLES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        Self {
            interactive,
            environment,
        }
    }

    /// A variable, unless it is empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let value = self.environment.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    fn is_on_desktop(&self) -> bool {
        let displays = ["DISPLAY", "WAYLAND_DISPLAY"];
        displays.iter().any(|it| self.variable(it).is_some())
    }

    fn allowed(&self) -> impl Iterator<Item = (&String, &String)> {
        self.environment
            .iter()
            .filter(|(name, _)| VARIABLES.contains(&name.as_str()))
    }
}

/// A page that may be opened: the gateway's by [`Page::checked`], or the agent's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(Url);

impl Page {
    /// Checks an address that the gateway gave: `https`, or `http` to this machine, and an origin of `origins`.
    ///
    /// # Errors
    /// A failure for every other address.
    pub fn checked(address: &str, origins: &[String]) -> Result<Self, Failure> {
        let refused = || {
            Failure::new("the gateway names a page outside its own origins; it is not opened")
                .repaired_by("tell an admin: the gateway may be hostile")
        };
        let url = Url::parse(address).map_err(|_| refused())?;
        let scheme = match url.scheme() {
            "https" => true,
            "http" => matches!(url.host(), Some(Host::Domain("localhost"))),
            _ => false,
        };
        let bare = url.username().is_empty() && url.password().is_none();
        let origin = url.origin().ascii_serialization();
        let known = origins.iter().any(|known| {
            Url::parse(known).is_ok_and(|known| known.origin().ascii_serialization() == origin)
        });
        if scheme && bare && known {
            Ok(Self(url))
        } else {
            Err(refused())
        }
    }

    /// A page that this agent serves itself.
    #[must_use]
    pub(crate) fn own(url: Url) -> Self {
        Self(url)
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// An open page; its redirect file goes when this is dropped.
#[derive(Debug)]
pub struct Opened {
    file: PathBuf,
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::debug!(%error, "A redirect file was gone already.");
        }
    }
}

/// Opens `page` with what `caller` names as its browser, by a redirect file in `directory`. On a desktop a notification
/// says so: the browser's window may lie behind others.
///
/// # Errors
/// A failure when no program could be started; the page can be opened by hand then.
pub fn open(page: &Page, caller: &Caller, directory: &Path) -> Result<Opened, Failure> {
    let file = directory.join(format!("page-{}.html", random::text::<12>()?));
    private_file::replace(&file, redirect(page).as_bytes())
        .map_err(|error| Failure::new(format!("the page cannot be prepared: {error}")))?;
    let opened = Opened { file };
    let named = caller.variable("BROWSER").map(str::to_owned);
    let programs = named.map_or_else(|| OPENERS.map(str::to_owned).to_vec(), |named| vec![named]);
    for program in programs {
        if start(&program, [&opened.file], caller).is_ok() {
            notify(caller);
            return Ok(opened);
        }
    }
    Err(Failure::new("no browser could be started").repaired_by("set BROWSER to one"))
}

fn notify(caller: &Caller) {
    if caller.is_on_desktop()
        && let Err(error) = start(NOTIFIER, NOTICE, caller)
    {
        tracing::debug!(%error, "No notification was shown.");
    }
}

fn start<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    caller: &Caller,
) -> std::io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(caller.allowed())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Reaped whenever it ends; a browser may live longer than we do.
    std::thread::spawn(move || child.wait());
    Ok(())
}

fn redirect(page: &Page) -> String {
    let address = escaped(page.url().as_str());
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={address}\"><title>Adit</title>\
         <p><a href=\"{address}\">Go on</a></p>\n"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn origins() -> Vec<String> {
        vec![
            "https://gw.example.org".to_owned(),
            "http://localhost:8080".to_owned(),
        ]
    }

    #[test]
    fn l7_only_https_to_an_enrolled_origin_or_this_machine_is_opened() {
        for good in [
            "https://gw.example.org/ceremony/abc",
            "https://GW.example.org:443/ceremony/abc?x=1",
            "http://localhost:8080/ceremony/abc",
        ] {
            assert!(Page::checked(good, &origins()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "-flag",
            "smb://gw.example.org/x",
            "http://gw.example.org/",
            "https://gw.example.org.evil.example/",
            "https://gw.example.org@evil.example/",
            "https://user@gw.example.org/",
            "https://gw.example.org:8443/",
            "http://localhost:9090/",
            "http://127.0.0.1:8080/",
            "data:text/html,x",
        ] {
            assert!(Page::checked(bad, &origins()).is_err(), "{bad}");
        }
        let plain = ["http://gw.example.org".to_owned()];
        assert!(Page::checked("http://gw.example.org/", &plain).is_err());
    }

    #[test]
    fn the_redirect_file_is_private_and_escapes_the_address() {
        let scratch = tempfile::tempdir().unwrap();
        let address = "https://gw.example.org/ceremony/a?x=1&y=%22%3E'\"<script>";
        let page = Page::checked(address, &origins()).unwrap();
        let caller = Caller {
            interactive: true,
            environment: [
                ("BROWSER".to_owned(), "true".to_owned()),
                ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ]
            .into(),
        };
        let opened = open(&page, &caller, scratch.path()).unwrap();
        let mode = std::fs::metadata(&opened.file)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        let text = std::fs::read_to_string(&opened.file).unwrap();
        assert!(
            text.contains("x=1&amp;y=%22%3E") && !text.contains("<script>"),
            "{text}"
        );
        let file = opened.file.clone();
        drop(opened);
        assert!(!file.exists());
    }

    #[test]
    fn only_a_caller_on_a_desktop_is_notified() {
        for (name, value, notified) in [
            ("DISPLAY", ":0", true),
            ("WAYLAND_DISPLAY", "wayland-0", true),
            ("DISPLAY", "", false),
            ("XDG_CURRENT_DESKTOP", "GNOME", false),
        ] {
            let caller = Caller {
                interactive: true,
                environment: [(name.to_owned(), value.to_owned())].into(),
            };
            assert_eq!(caller.is_on_desktop(), notified, "{name}={value}");
        }
    }

    #[test]
    fn l7_the_browser_gets_one_argument_and_no_shell() {
        let scratch = tempfile::tempdir().unwrap();
        let page = Page::checked("https://gw.example.org/", &origins()).unwrap();
        let caller = Caller {
            interactive: true,
            environment: [("BROWSER".to_owned(), "true; touch /tmp/x".to_owned())].into(),
        };
        assert!(
            open(&page, &caller, scratch.path()).is_err(),
            "there is no such program"
        );
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
