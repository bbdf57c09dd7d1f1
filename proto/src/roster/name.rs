//! Names that are safe in a header, a list and on a screen.

use crate::statement::EntryError;

/// Longest name in bytes. Kubernetes and HTTP carry more; a person reads less.
const MAX: usize = 256;
/// Kubernetes keeps this prefix for itself.
const RESERVED: &str = "system:";

/// Checks the name of a user or a group, which becomes an `Impersonate-User` or `Impersonate-Group` header.
///
/// # Errors
/// [`EntryError::Name`] for an empty or long name, control or invisible characters, a comma, outer spaces and the
/// prefix `system:` in any case.
pub fn check_name(name: &str) -> Result<(), EntryError> {
    let reserved = name
        .get(..RESERVED.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(RESERVED));
    if reserved || name.contains(',') {
        return Err(EntryError::Name);
    }
    check_label(name)
}

/// Checks the name of a device or a passkey, which is shown only.
///
/// # Errors
/// [`EntryError::Name`] as [`check_name`], but for commas and the prefix.
pub fn check_label(name: &str) -> Result<(), EntryError> {
    let bounded = (1..=MAX).contains(&name.len());
    (bounded && name.trim() == name && is_plain(name))
        .then_some(())
        .ok_or(EntryError::Name)
}

/// Whether a text has neither control characters nor characters that reorder or hide others.
pub(super) fn is_plain(text: &str) -> bool {
    !text.chars().any(|letter| {
        letter.is_control()
            || matches!(letter,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_names_and_groups_are_accepted() {
        for name in [
            "ann@example.test",
            "Ann Lee",
            "team:ops",
            "systems",
            "größe",
            "oidc:system:x",
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn k3_unsafe_names_are_refused() {
        let long = "a".repeat(MAX + 1);
        let names = [
            "",
            " ann",
            "ann ",
            "a\nb",
            "a\rb",
            "a\0b",
            "a\tb",
            "a,b",
            "system:masters",
            "SYSTEM:x",
            "system:",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{a0}a",
            "a\u{85}b",
            &long,
        ];
        for name in names {
            assert_eq!(check_name(name), Err(EntryError::Name), "{name:?}");
        }
    }
}
