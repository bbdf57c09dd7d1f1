//! The agent's own cookie: a MAC over the application's name, under a key that lives as long as the agent.
//!
//! It is for one host alone, no script reads it, and pages of other sites do not send it. Whoever has the port while no
//! agent runs may be sent one, which is good for nothing then.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use ring::hmac;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::random;

/// What it is called.
const NAME: &str = "adit-visitor";
/// Domain separation of the MAC.
const LABEL: &[u8] = b"adit/1/web-visitor";

/// Proof that a browser showed the cookie of an application. Only [`CookieKey::check`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted(());

/// The key under which cookies are made and checked.
#[derive(Debug)]
pub struct CookieKey(hmac::Key);

impl CookieKey {
    /// Makes a key.
    ///
    /// # Errors
    /// Without randomness.
    pub fn new() -> Result<Self, Failure> {
        let bytes = Zeroizing::new(random::bytes::<32>()?);
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice())))
    }

    /// The `Set-Cookie` for the application of `label`.
    ///
    /// # Errors
    /// Never in practice: a MAC in base64url fits a header.
    pub fn set(&self, label: &str) -> Result<HeaderValue, Failure> {
        let mac = hmac::sign(&self.0, &content(label));
        let value = URL_SAFE_NO_PAD.encode(mac);
        let cookie = format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Lax");
        HeaderValue::try_from(cookie).map_err(Failure::new)
    }

    /// Looks for the cookie of the application of `label`, and checks it in constant time.
    #[must_use]
    pub fn check(&self, label: &str, headers: &HeaderMap) -> Option<Admitted> {
        let ours = cookies(headers).filter_map(|cookie| value_of(cookie).ok());
        let mut macs = ours.filter_map(|value| URL_SAFE_NO_PAD.decode(value).ok());
        macs.any(|mac| hmac::verify(&self.0, &content(label), &mac).is_ok())
            .then_some(Admitted(()))
    }
}

fn content(label: &str) -> Vec<u8> {
    [LABEL, label.as_bytes()].concat()
}

/// Takes the agent's cookie out of a request: it goes nowhere from here.
pub fn take_out(headers: &mut HeaderMap) {
    let kept: Vec<_> = cookies(headers)
        .filter(|cookie| value_of(cookie).is_err())
        .map(<[u8]>::to_vec)
        .collect();
    headers.remove(COOKIE);
    // Parts of a value make a value.
    if !kept.is_empty()
        && let Ok(cookies) = HeaderValue::from_bytes(&kept.join(&b"; "[..]))
    {
        headers.insert(COOKIE, cookies);
    }
}

/// Keeps an application from setting the agent's cookie.
pub fn keep_out(headers: &mut HeaderMap) {
    let all: Vec<_> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    let theirs = |cookie: &HeaderValue| {
        let named = cookie.as_bytes().split(|byte| *byte == b';').next();
        // A browser takes a cookie without a name for one that is called as its value begins.
        let named = named.unwrap_or_default().trim_ascii();
        value_of(named.strip_prefix(b"=").unwrap_or(named)).is_err()
    };
    for cookie in all.into_iter().filter(theirs) {
        headers.append(SET_COOKIE, cookie);
    }
}

/// The cookies of a request (RFC 6265, section 4.2.1).
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(COOKIE).into_iter();
    let parts = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    parts
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
}

/// The value of the agent's cookie; the error is that it is another's.
fn value_of(cookie: &[u8]) -> Result<&[u8], ()> {
    let at = cookie.iter().position(|byte| *byte == b'=');
    let (name, value) = at.and_then(|at| cookie.split_at_checked(at)).ok_or(())?;
    let ours = name.trim_ascii().eq_ignore_ascii_case(NAME.as_bytes());
    ours.then(|| value.get(1..).unwrap_or_default().trim_ascii())
        .ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn of(key: &CookieKey, label: &str) -> String {
        let set = key.set(label).unwrap();
        let text = set.to_str().unwrap();
        text.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn the_cookie_is_for_one_host_no_script_and_no_other_site() {
        let set = CookieKey::new().unwrap().set("wiki").unwrap();
        let text = set.to_str().unwrap();
        assert!(text.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{text}");
        assert!(!text.to_ascii_lowercase().contains("domain"), "{text}");
    }

    #[test]
    fn h15_only_this_agents_cookie_for_this_application_admits() {
        let (key, other) = (CookieKey::new().unwrap(), CookieKey::new().unwrap());
        let good = of(&key, "wiki");
        let admits = |cookie: &str| key.check("wiki", &map(&[(COOKIE, cookie)])).is_some();
        assert!(admits(&good) && admits(&format!("a=b; {good};c=d")));
        assert!(admits(&format!("adit-visitor=x; {good}")));
        for bad in [
            "",
            "adit-visitor",
            "adit-visitor=",
            "a=b",
            &of(&key, "shop"),
            &of(&other, "wiki"),
            &format!("x{good}"),
            good.get(..good.len() - 1).unwrap(),
        ] {
            assert!(!admits(bad), "{bad}");
        }
    }

    #[test]
    fn the_agents_cookie_never_goes_to_an_application() {
        let ours = of(&CookieKey::new().unwrap(), "wiki");
        for (sent, left) in [
            (format!("sid=1; {ours}; b=2"), Some("sid=1; b=2")),
            (format!("{ours};{ours}"), None),
            ("ADIT-visitor = x;sid=1".to_owned(), Some("sid=1")),
            ("sid=adit-visitor=x".to_owned(), Some("sid=adit-visitor=x")),
        ] {
            let mut headers = map(&[(COOKIE, &sent)]);
            take_out(&mut headers);
            let found = headers.get(COOKIE).map(|value| value.to_str().unwrap());
            assert_eq!(found, left, "{sent}");
        }
        let mut two = map(&[(COOKIE, "a=1"), (COOKIE, &ours)]);
        take_out(&mut two);
        assert_eq!(two.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1"]);
    }

    #[test]
    fn no_application_sets_the_agents_cookie() {
        let mut headers = map(&[
            (SET_COOKIE, "adit-visitor=x; Path=/"),
            (SET_COOKIE, "=adit-visitor=x"),
            (SET_COOKIE, " Adit-Visitor =x"),
            (SET_COOKIE, "sid=1; Path=/"),
        ]);
        keep_out(&mut headers);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["sid=1; Path=/"]);
    }
}
