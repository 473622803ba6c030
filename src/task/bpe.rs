//! `bpe`: byte-pair tokens of a model's own vocabulary, as numbers.

use std::ops::Range;

use bpe_openai::{Tokenizer, o200k_base};

use super::{Code, Task, text};
use crate::batch::{Batch, Strings};
use crate::wire::Slots;

/// Tokens of o200k, the vocabulary of GPT-4o, in decimal: about 14 µs for a Nexmark event, which is
/// real work. The text is taken as it is: this vocabulary asks for no normalization.
#[derive(Clone, Copy)]
pub struct Bpe(&'static Tokenizer);

impl Bpe {
    /// Loads the vocabulary, which takes a moment the first time.
    pub fn new() -> Self {
        Bpe(o200k_base())
    }
}

impl Default for Bpe {
    fn default() -> Self {
        Bpe::new()
    }
}

impl Task for Bpe {
    type In = Batch;
    type Out = Batch;
    type Answers = Strings;

    fn name(&self) -> &str {
        "bpe"
    }

    fn results(&self, input: &Batch, range: &Range<usize>) -> Batch {
        input.for_results(range)
    }

    fn compute(
        &self,
        input: &Batch,
        range: Range<usize>,
        out: &mut Batch,
        _: &mut Vec<(usize, Code)>,
    ) {
        out.numbers.extend_from(out.len(), &input.numbers, range.clone());
        for index in range {
            let tokens = self.0.encode(input.strings.text(index));
            let buffer = out.strings.buffer();
            for (position, token) in tokens.into_iter().enumerate() {
                if position > 0 {
                    buffer.push(b' ');
                }
                push_decimal(buffer, token);
            }
            out.strings.end_string();
        }
    }

    fn answered(&self, answers: &Strings) -> usize {
        answers.len()
    }

    fn assemble(
        &self,
        input: &Batch,
        range: Range<usize>,
        answers: &mut Strings,
        slots: &Slots<'_>,
        out: &mut Batch,
    ) {
        text::assemble(input, range, answers, slots, out);
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
