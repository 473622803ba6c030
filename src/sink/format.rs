//! Output lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::Format;
use crate::batch::{Batch, Numbers, TextRecord, push_json_string};
use crate::task::Bad;

/// Appends a batch's lines.
pub(super) fn write(format: Format, batch: &Batch, out: &mut Vec<u8>) {
    match format {
        Format::Text => text(batch, out),
        Format::JsonLines => json(batch, out),
    }
}

/// Appends lines of text: number, tab, tokens, line break. A batch with a label has it and a colon before the number.
fn text(batch: &Batch, out: &mut Vec<u8>) {
    let label = batch.label.as_deref().map(str::as_bytes);
    out.reserve(batch.strings.bytes().len() + batch.len() * (24 + label.map_or(0, <[u8]>::len)));
    for_each(batch, |digits, tokens| {
        if let Some(label) = label {
            out.extend_from_slice(label);
            out.push(b':');
        }
        out.extend_from_slice(digits);
        out.push(b'\t');
        out.extend_from_slice(tokens);
        out.push(b'\n');
    });
}

/// Appends lines such as `{"id":7,"tokens":"a b"}`. A batch with a label has it as the field `source` before these.
fn json(batch: &Batch, out: &mut Vec<u8>) {
    let mut before = Vec::new();
    before.push(b'{');
    if let Some(label) = &batch.label {
        before.extend_from_slice(b"\"source\":");
        push_json_string(&mut before, label.as_bytes());
        before.push(b',');
    }
    before.extend_from_slice(b"\"id\":");
    out.reserve(batch.strings.bytes().len() + batch.len() * (40 + before.len()));
    for_each(batch, |digits, tokens| {
        out.extend_from_slice(&before);
        out.extend_from_slice(digits);
        out.extend_from_slice(b",\"tokens\":");
        push_json_string(out, tokens);
        out.extend_from_slice(b"}\n");
    });
}

/// Calls `line` with each record's number, in digits, and its tokens.
#[inline]
fn for_each(batch: &Batch, mut line: impl FnMut(&[u8], &[u8])) {
    let mut digits = Digits::of(batch.numbers.get(0));
    for index in 0..batch.len() {
        match &batch.numbers {
            Numbers::From(_) if index > 0 => digits.increment(),
            Numbers::From(_) => {}
            Numbers::Each(numbers) => digits = Digits::of(numbers[index]),
        }
        line(digits.text(), batch.strings.get(index));
    }
}

/// The decimal digits of a number. They are incremented in place, because most batches are numbered in order.
struct Digits {
    digits: [u8; 20],
    start: usize,
}

impl Digits {
    fn of(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Digits { digits, start };
            }
        }
    }

    fn increment(&mut self) {
        let mut at = self.digits.len() - 1;
        while self.digits[at] == b'9' {
            self.digits[at] = b'0';
            at -= 1;
        }
        self.digits[at] += 1;
        self.start = self.start.min(at);
    }

    fn text(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// A dead letter, which is a line with a JSON object.
#[derive(Serialize)]
struct DeadLetter<'a> {
    record: String,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The record in base64, if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

/// Appends a bad record with its reason.
pub(super) fn dead_letter(bad: &Bad<TextRecord>, out: &mut Vec<u8>) {
    let TextRecord { label, number, bytes } = &bad.record;
    let text = std::str::from_utf8(bytes).ok();
    let letter = DeadLetter {
        record: match (label, number) {
            (Some(label), Some(number)) => format!("{label}:{number}"),
            (Some(label), None) => label.to_string(),
            (None, number) => number.map(|number| number.to_string()).unwrap_or_default(),
        },
        code: bad.code.name(),
        message: bad.code.message(),
        text,
        bytes: text.is_none().then(|| STANDARD.encode(bytes)),
    };
    // A struct of strings can be serialized, and writing to a Vec does not fail.
    let _ = serde_json::to_writer(&mut *out, &letter);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::task::Code;

    #[test]
    fn numbers_count_up_over_every_length() {
        let mut batch: Batch = vec!["x"; 1_200].into_iter().collect();
        batch.numbers = Numbers::From(98);
        let mut out = Vec::new();
        text(&batch, &mut out);
        let expected: String = (98..1_298).map(|number| format!("{number}\tx\n")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        batch = ["a", ""].into_iter().collect();
        batch.numbers = Numbers::Each(vec![7, 3]);
        batch.label = Some("f.txt".into());
        let mut out = Vec::new();
        text(&batch, &mut out);
        assert_eq!(out, b"f.txt:7\ta\nf.txt:3\t\n");
    }

    #[test]
    fn json_lines_have_the_number_and_the_tokens() {
        let mut batch: Batch = ["a b", ""].into_iter().collect();
        batch.numbers = Numbers::From(9);
        let mut out = Vec::new();
        write(Format::JsonLines, &batch, &mut out);
        batch.label = Some("a \"b\".txt".into());
        write(Format::JsonLines, &batch, &mut out);
        let expected = r#"{"id":9,"tokens":"a b"}
{"id":10,"tokens":""}
{"source":"a \"b\".txt","id":9,"tokens":"a b"}
{"source":"a \"b\".txt","id":10,"tokens":""}
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn json_lines_read_back_whatever_the_text_holds(
            texts in prop::collection::vec("(\\PC|[\\x00-\\x7f]){0,60}", 1..20),
            label in "(\\PC|[\\x00-\\x7f]){0,20}",
            first in any::<u32>(),
        ) {
            let mut batch: Batch = texts.iter().map(String::as_str).collect();
            (batch.numbers, batch.label) = (Numbers::From(first.into()), Some(label.as_str().into()));
            let mut out = Vec::new();
            write(Format::JsonLines, &batch, &mut out);
            let lines = out.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n');
            let read: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
            let numbered = texts.iter().zip(u64::from(first)..);
            let expected: Vec<Value> = numbered
                .map(|(text, id)| json!({"source": label, "id": id, "tokens": text}))
                .collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn dead_letters_are_json_whatever_the_bytes() {
        let letter = |bytes: &[u8]| {
            let record = TextRecord { label: None, number: Some(3), bytes: bytes.to_vec() };
            let mut out = Vec::new();
            dead_letter(&Bad { record, code: Code::INVALID_UTF8 }, &mut out);
            String::from_utf8(out).unwrap()
        };
        let text = "{\"record\":\"3\",\"code\":\"invalid_utf8\",\"text\":\"a\\\"b\"}\n";
        assert_eq!(letter(b"a\"b"), text);
        let bytes = "{\"record\":\"3\",\"code\":\"invalid_utf8\",\"bytes\":\"/w==\"}\n";
        assert_eq!(letter(b"\xff"), bytes);
    }
}
