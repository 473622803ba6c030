//! `bpe`: splits text into byte-pair tokens of a model's vocabulary, as numbers.

mod memo;

use std::cell::RefCell;
use std::ops::Range;

use bpe_openai::{Tokenizer, o200k_base};

use super::text::Tokenize;
use crate::batch::Strings;
use memo::Memo;

/// Computes tokens of o200k, the vocabulary of GPT-4o, in decimal. This is real work: about 10 µs for a
/// Nexmark event. The text is not normalized, because this vocabulary does not require it.
#[derive(Clone, Copy)]
pub struct Bpe(&'static Tokenizer);

impl Bpe {
    /// Loads the vocabulary, which takes a moment the first time.
    pub fn new() -> Self {
        Bpe(o200k_base())
    }

    /// Appends the tokens of `text` in decimal, with single spaces between them.
    ///
    /// The vocabulary's pattern splits text into pieces, and the tokens of a piece depend on nothing else.
    /// Those of short pieces, which occur often, are remembered.
    fn tokens(self, text: &str, memo: &mut Memo, out: &mut Vec<u8>) {
        let began = out.len();
        for piece in self.0.split(text) {
            if out.len() > began {
                out.push(b' ');
            }
            memo.append(piece, out, |out| {
                let tokens = self.0.bpe.encode_via_backtracking(piece.as_bytes());
                for (position, token) in tokens.into_iter().enumerate() {
                    if position > 0 {
                        out.push(b' ');
                    }
                    push_decimal(out, token);
                }
            });
        }
    }
}

thread_local! {
    static MEMO: RefCell<Memo> = RefCell::new(Memo::new());
}

impl Default for Bpe {
    fn default() -> Self {
        Bpe::new()
    }
}

impl Tokenize for Bpe {
    /// A token has four digits, and two bytes of text make about one token.
    const FACTOR: usize = 3;

    fn wire_name(&self) -> &'static str {
        "bpe"
    }

    fn tokenize(&self, input: &Strings, range: Range<usize>, out: &mut Strings) {
        MEMO.with_borrow_mut(|memo| {
            for index in range {
                self.tokens(input.text(index), memo, out.buffer());
                out.end_string();
            }
        });
    }
}

fn push_decimal(buffer: &mut Vec<u8>, mut number: u32) {
    let mut digits = [0; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    buffer.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let bpe = Bpe::new();
        let expected: Vec<String> =
            bpe.0.encode(text).into_iter().map(|token| token.to_string()).collect();
        let mut memo = Memo::new();
        // The second time, the tokens are those of the memo.
        for _ in 0..2 {
            let mut out = Vec::new();
            bpe.tokens(text, &mut memo, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected.join(" "), "{text:?}");
        }
    }

    #[test]
    fn a_known_text_has_known_tokens() {
        let mut out = Vec::new();
        Bpe::new().tokens("hello world", &mut Memo::new(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "24912 2375");
        for text in ["", " ", "\0", "a\0", "It's 12345 o'clock\n\n", "déjà vu 🎉"] {
            check(text);
        }
    }

    proptest! {
        #[test]
        fn tokens_are_those_of_the_vocabulary_without_the_memo(
            text in "([a-z0-9,./ ]{0,80}|\\PC{0,40}|[\\x00-\\x7f]{0,60})",
        ) {
            check(&text);
        }
    }
}
