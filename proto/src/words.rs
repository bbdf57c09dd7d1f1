//! Four words of a digest, for a person to compare on two screens.

use bip39::Language;

use crate::label::{WORDS, digest};

/// How many words: 11 bits each, so 44 bits of the digest.
const COUNT: usize = 4;
const BITS: usize = 11;

/// Four words of the BIP-39 English list, made from the first 44 bits of a labelled hash of `content`.
#[must_use]
pub fn words(content: &[u8]) -> String {
    let hash = digest(WORDS, &[content]);
    let head = hash
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let list = Language::English.word_list();
    let word = |index: usize| {
        let shift = 64 - BITS * (index + 1);
        let bits = usize::try_from(head >> shift).unwrap_or_default() & (list.len() - 1);
        list.get(bits).copied().unwrap_or_default()
    };
    (0..COUNT).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_content() {
        assert_eq!(words(b"a").split(' ').count(), 4);
        assert_eq!(words(b"a"), words(b"a"));
        assert_ne!(words(b"a"), words(b"b"));
    }
}
