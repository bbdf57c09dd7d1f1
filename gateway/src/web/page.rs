//! Pages as text: templates, and values that are escaped on the way in.

use crate::ceremony::{CeremonyId, Kind, Page};

/// The script of the ceremony page.
pub(super) const SCRIPT: &str = include_str!("../../assets/ceremony.js");
/// The style of all pages.
pub(super) const STYLE: &str = include_str!("../../assets/ceremony.css");

const CEREMONY: &str = include_str!("../../assets/ceremony.html");
const TYPED: &str = include_str!("../../assets/typed.html");
const LANDING: &str = include_str!("../../assets/landing.html");
const MESSAGE: &str = include_str!("../../assets/message.html");

/// What a page says for a kind of ceremony.
struct Wording {
    title: &'static str,
    lead: &'static str,
    code_label: &'static str,
    code_hint: &'static str,
    owner_label: &'static str,
    warning: &'static str,
    action: &'static str,
}

const REGISTER: Wording = Wording {
    title: "Register a passkey",
    lead: "A device enrols with an invitation for you. It needs a passkey that only you can use.",
    code_label: "Compare this code with your terminal",
    code_hint: "Both must be the same.",
    owner_label: "For",
    warning: "Go on only if you ran adit enrol yourself, just now. If somebody sent you this link, close the page.",
    action: "Create a passkey",
};

const FURTHER: Wording = Wording {
    title: "Add a passkey",
    lead: "A command on a device of yours adds a passkey that can sign in as you, beside those that you have. Next, one of those approves it.",
    code_label: "Compare this code with your terminal",
    code_hint: "Both must be the same.",
    owner_label: "For",
    warning: "Go on only if you ran adit passkeys add yourself, just now. If somebody sent you this link, close the page.",
    action: "Create the new passkey",
};

const SIGN_IN: Wording = Wording {
    title: "Sign in",
    lead: "A device of yours asks you to sign in. Your passkey lets it act for you for a limited time.",
    code_label: "Compare this code with your terminal",
    code_hint: "Both must be the same.",
    owner_label: "Owner",
    warning: "Go on only if you began this yourself, just now. If somebody sent you this link, close the page.",
    action: "Sign in with your passkey",
};

const TYPED_SIGN_IN: Wording = Wording {
    title: "Sign in a machine without a browser",
    lead: "A device of yours, on another machine, asks you to sign in. Your passkey lets it act for you for a short time.",
    code_label: "Type the code that its terminal shows",
    code_hint: "This page does not know it, and one wrong code ends it.",
    owner_label: "Owner",
    warning: "Go on only if you ran adit login there yourself, just now, and read the code on its screen. \
        Nobody else has a reason to give you a code or this address: if somebody did, close the page.",
    action: "Sign in with your passkey",
};

const TOUCH: Wording = Wording {
    title: "Approve a change",
    lead: "A command on a device of yours wants to change who has access to what. Your terminal shows the change in full.",
    code_label: "Compare these words with your terminal",
    code_hint: "They stand for exactly the change that your terminal shows.",
    owner_label: "Owner",
    warning: "Go on only if you have read the change in your terminal and the words are the same.",
    action: "Approve with your passkey",
};

/// The page of a ceremony.
pub(super) fn ceremony(host: &str, id: CeremonyId, page: &Page) -> String {
    let words = match page.kind {
        Kind::Register => REGISTER,
        Kind::Further => FURTHER,
        Kind::SignIn => SIGN_IN,
        Kind::TypedSignIn => TYPED_SIGN_IN,
        Kind::Touch => TOUCH,
    };
    let (id, asked) = (id.to_string(), page.shown.asked_ms.to_string());
    let template = match page.kind {
        Kind::TypedSignIn => TYPED,
        Kind::Register | Kind::Further | Kind::SignIn | Kind::Touch => CEREMONY,
    };
    fill(
        template,
        &[
            ("title", words.title),
            ("lead", words.lead),
            ("code_label", words.code_label),
            ("code_hint", words.code_hint),
            ("owner_label", words.owner_label),
            ("warning", words.warning),
            ("action", words.action),
            ("kind", page.kind.as_str()),
            ("host", host),
            ("id", &id),
            ("code", &page.shown.matching_code),
            ("device", &page.shown.device),
            ("owner", &page.shown.owner),
            ("source", &page.shown.source_address),
            ("asked_ms", &asked),
        ],
    )
}

/// The page with instructions.
pub(super) fn landing(host: &str) -> String {
    fill(LANDING, &[("host", host)])
}

/// A page that says one thing.
pub(super) fn message(host: &str, title: &str, lead: &str) -> String {
    fill(MESSAGE, &[("host", host), ("title", title), ("lead", lead)])
}

/// Puts values into a template in one pass, so that a value that looks like a place stays text.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        escape(value.map_or("", |(_, value)| *value), &mut page);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Text for HTML content and quoted attributes. Control and format characters are shown as a replacement: they could
/// turn the order of what is read.
fn escape(text: &str, page: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {
                page.push('\u{fffd}');
            }
            other if other.is_control() => page.push('\u{fffd}'),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceremony::Shown;

    fn shown(device: &str) -> Page {
        Page {
            kind: Kind::SignIn,
            shown: Shown {
                matching_code: "ABC-DEF".into(),
                device: device.into(),
                owner: "{{device}}".into(),
                source_address: "192.0.2.1".into(),
                words: None,
                asked_ms: 7,
            },
            options: serde_json::Value::Null,
        }
    }

    #[test]
    fn texts_of_others_are_text() {
        let page = ceremony(
            "gw.example.org",
            CeremonyId::new([1; 16]),
            &shown("<script>alert('x')</script>\u{202e}\r\n\"&"),
        );
        assert!(!page.contains("<script>"));
        assert!(page.contains(
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u{fffd}\u{fffd}\u{fffd}&quot;&amp;"
        ));
    }

    #[test]
    fn a_value_that_looks_like_a_place_stays_text() {
        let page = ceremony("h", CeremonyId::new([1; 16]), &shown("laptop"));
        assert!(page.contains("{{device}}"));
    }

    #[test]
    fn every_place_of_every_template_is_filled() {
        for kind in [
            Kind::Register,
            Kind::Further,
            Kind::SignIn,
            Kind::TypedSignIn,
            Kind::Touch,
        ] {
            let mut page = shown("laptop");
            page.kind = kind;
            page.shown.owner = "ann".into();
            assert!(!ceremony("h", CeremonyId::new([1; 16]), &page).contains("{{"));
        }
        assert!(!landing("h").contains("{{"));
        assert!(!message("h", "t", "l").contains("{{"));
    }

    #[test]
    fn no_page_has_inline_script_style_or_a_field() {
        for template in [CEREMONY, TYPED, LANDING, MESSAGE] {
            for bad in [
                "<style",
                "style=",
                "onclick",
                "onload",
                "<script>",
                "<textarea",
                "<form",
                "://",
            ] {
                assert!(!template.contains(bad), "{bad}");
            }
        }
        for template in [CEREMONY, LANDING, MESSAGE] {
            assert!(!template.contains("<input"));
        }
    }

    #[test]
    fn j3_the_one_field_is_too_short_for_an_invitation() {
        assert_eq!(TYPED.matches("<input").count(), 1);
        assert!(TYPED.contains("maxlength=\"9\""));
    }

    #[test]
    fn a_page_whose_code_is_typed_does_not_show_it() {
        let mut page = shown("laptop");
        page.kind = Kind::TypedSignIn;
        let text = ceremony("h", CeremonyId::new([1; 16]), &page);
        assert!(!text.contains(&page.shown.matching_code), "{text}");
    }
}
