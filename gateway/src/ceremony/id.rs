//! Names of ceremonies, and the code that a person compares.

use std::fmt;
use std::str::FromStr;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, which are read as something else.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of 128 bits at 5 bits each.
const LENGTH: usize = 26;
/// Characters of a matching code: 30 bits. It is compared by a person for five minutes and authenticates nothing.
const CODE_LENGTH: usize = 6;

/// A text that names no ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a ceremony")]
pub struct CeremonyIdError;

/// The name of a ceremony: 128 random bits in 26 characters. Whoever has it can open the page, so it is not logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CeremonyId(u128);

impl CeremonyId {
    /// Makes an id from randomness.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(random))
    }
}

impl fmt::Display for CeremonyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0, LENGTH))
    }
}

impl fmt::Debug for CeremonyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CeremonyId(…)")
    }
}

impl FromStr for CeremonyId {
    type Err = CeremonyIdError;

    fn from_str(text: &str) -> Result<Self, CeremonyIdError> {
        if text.len() != LENGTH {
            return Err(CeremonyIdError);
        }
        let mut value = 0_u128;
        for letter in text.bytes() {
            let digit = ALPHABET
                .iter()
                .position(|known| *known == letter)
                .and_then(|digit| u128::try_from(digit).ok())
                .ok_or(CeremonyIdError)?;
            value = value.wrapping_shl(5) | digit;
        }
        // 26 characters hold 130 bits: a first one above 7 would name a ceremony twice.
        let id = Self(value);
        (id.to_string() == text)
            .then_some(id)
            .ok_or(CeremonyIdError)
    }
}

/// A short code that terminal and page both show, as `k7q-2mx`.
#[must_use]
pub fn matching_code(random: [u8; 4]) -> String {
    let code = encode(u32::from_be_bytes(random).into(), CODE_LENGTH);
    let (head, tail) = code.split_at(CODE_LENGTH / 2);
    format!("{head}-{tail}").to_uppercase()
}

fn encode(value: u128, length: usize) -> String {
    (0..length)
        .rev()
        .map(|place| {
            let digit = usize::try_from((value >> (5 * place)) & 31).unwrap_or_default();
            ALPHABET.get(digit).copied().map_or('0', char::from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_shows() {
        for random in [[0; 16], [0xff; 16], *b"0123456789abcdef"] {
            let id = CeremonyId::new(random);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), LENGTH);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let good = CeremonyId::new([9; 16]).to_string();
        let upper = good.to_uppercase();
        let overflow = "z".repeat(LENGTH);
        for bad in [
            "",
            "0",
            &upper,
            &overflow,
            &format!("{good}0"),
            "../../etc/passwd",
        ] {
            assert_eq!(bad.parse::<CeremonyId>(), Err(CeremonyIdError), "{bad}");
        }
    }

    #[test]
    fn a_code_is_two_groups_of_three() {
        assert_eq!(matching_code([0; 4]), "000-000");
        assert_eq!(matching_code([0xff; 4]).len(), 7);
        assert_ne!(matching_code([1; 4]), matching_code([2; 4]));
    }

    #[test]
    fn debug_does_not_show_an_id() {
        assert_eq!(format!("{:?}", CeremonyId::new([1; 16])), "CeremonyId(…)");
    }
}
