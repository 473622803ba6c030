//! Writes JSON strings fast: most text needs no escape.

/// Appends `text` as a JSON string. `text` is UTF-8; control characters, quotes and backslashes
/// are escaped.
pub fn push_json_string(json: &mut Vec<u8>, text: &[u8]) {
    json.reserve(text.len() + 2);
    json.push(b'"');
    let mut rest = text;
    while let Some(position) = first_escape(rest) {
        json.extend_from_slice(&rest[..position]);
        push_escape(json, rest[position]);
        rest = &rest[position + 1..];
    }
    json.extend_from_slice(rest);
    json.push(b'"');
}

/// Returns the position of the first byte that has to be escaped in a JSON string.
///
/// The loop asks for each block of 32 bytes whether any byte has to be, which the compiler turns into vector
/// comparisons. Only a block with such a byte is searched byte by byte.
fn first_escape(text: &[u8]) -> Option<usize> {
    let mut start = 0;
    for block in text.chunks(32) {
        let hit = block.iter().fold(false, |hit, &byte| hit | needs_escape(byte));
        if hit {
            return block.iter().position(|&byte| needs_escape(byte)).map(|at| start + at);
        }
        start += block.len();
    }
    None
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escape(json: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => json.extend_from_slice(b"\\\""),
        b'\\' => json.extend_from_slice(b"\\\\"),
        b'\n' => json.extend_from_slice(b"\\n"),
        b'\r' => json.extend_from_slice(b"\\r"),
        b'\t' => json.extend_from_slice(b"\\t"),
        _ => {
            json.extend_from_slice(b"\\u00");
            json.push(HEX[usize::from(byte >> 4)]);
            json.push(HEX[usize::from(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_written_string_reads_back_as_the_same_text(text in "(\\PC|[\\x00-\\x7f]){0,200}") {
            let mut json = Vec::new();
            push_json_string(&mut json, text.as_bytes());
            prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }
    }
}
