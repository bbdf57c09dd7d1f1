//! How deep and how long a rule is, measured on its text before Cedar parses it.
//!
//! Cedar's parser recurses without a limit: some fifty nested parentheses overflow the stack of a worker thread. Its
//! validator gives up when little stack is left, and then reports no mistake. So depth and length are bounded here,
//! and whoever calls Cedar does so with the stack that the bound needs.

use super::PolicyError;

/// Brackets of all kinds within each other. A rule that people can read has five.
const DEPTH_MAX: usize = 16;
/// Operators and clauses of one rule, counted by character, since each can become a level of the syntax tree.
const OPERATORS_MAX: usize = 512;
/// Bytes of stack that one level can need, generously; without optimisation frames are several times as large.
const STACK_PER_LEVEL: usize = if cfg!(debug_assertions) {
    64 * 1024
} else {
    16 * 1024
};
/// Bytes of stack for everything beside the levels; Cedar wants 100 KiB to be free at all times.
const STACK_BASE: usize = 512 * 1024;
/// Bytes of stack in which any text within the limits can be read. Parsing needs far more of it than deciding.
const STACK_TO_READ: usize = 64 * 1024 * 1024;

/// The depth of a policy's deepest rule, at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Complexity {
    levels: usize,
}

impl Complexity {
    /// Measures a policy's text. Strings and comments count nothing.
    pub(super) fn of(text: &str) -> Result<Self, PolicyError> {
        let mut scanner = Scanner::default();
        let mut levels = 0;
        for (index, byte) in text.bytes().enumerate() {
            scanner.step(byte);
            if scanner.depth > DEPTH_MAX || scanner.operators > OPERATORS_MAX {
                let line = 1 + text
                    .bytes()
                    .take(index)
                    .filter(|byte| *byte == b'\n')
                    .count();
                return Err(PolicyError::TooComplex { line });
            }
            levels = levels.max(scanner.operators + scanner.depth);
        }
        Ok(Self { levels })
    }

    /// Runs a decision with enough stack. It stays on the present stack unless the policy is unusually deep.
    pub(super) fn with_stack<T>(self, decide: impl FnOnce() -> T) -> T {
        let needed = STACK_BASE + self.levels * STACK_PER_LEVEL;
        stacker::maybe_grow(needed, needed, decide)
    }
}

/// Reads a policy with enough stack for any text within the limits.
pub(super) fn with_stack_to_read<T>(read: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_TO_READ, read)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Code,
    Slash,
    Comment,
    Text,
    Escape,
}

#[derive(Debug, Default)]
struct Scanner {
    place: Place,
    depth: usize,
    operators: usize,
    word: Vec<u8>,
}

impl Scanner {
    fn step(&mut self, byte: u8) {
        self.place = match (self.place, byte) {
            (Place::Comment, b'\n') | (Place::Text, b'"') => Place::Code,
            (Place::Comment, _) | (Place::Slash, b'/') => Place::Comment,
            (Place::Text, b'\\') => Place::Escape,
            (Place::Text | Place::Escape, _) => Place::Text,
            (Place::Code | Place::Slash, _) => {
                self.code(byte);
                match byte {
                    b'"' => Place::Text,
                    b'/' => Place::Slash,
                    _ => Place::Code,
                }
            }
        };
    }

    fn code(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            self.word.push(byte);
            return;
        }
        if matches!(self.word.as_slice(), b"if" | b"when" | b"unless") {
            self.operators += 1;
        }
        self.word.clear();
        match byte {
            b'(' | b'[' | b'{' => self.depth += 1,
            b')' | b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b';' if self.depth == 0 => self.operators = 0,
            b'|' | b'&' | b'+' | b'-' | b'*' | b'!' | b'<' | b'>' | b'=' | b'.' | b'@' => {
                self.operators += 1;
            }
            _ => {}
        }
    }
}
