//! Golden vectors: what every language's function must answer, in `functions/golden`. Written again
//! from the definitions with `FLOODWAY_REGENERATE=1 cargo test --test integration golden`. Whole requests, bad
//! records and function URLs among them, are in `requests.jsonl`, which is written by hand and run by
//! the functions' own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use floodway::batch::Batch;
use floodway::task::{self, RANGES, ranges};
use serde_json::{Value, json};

/// Text that languages disagree about, or that block-wise code gets wrong at its edges.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "a",
        "_",
        "-",
        "a b",
        " a  b ",
        "a,b;c",
        "It's 3.14, isn't it?",
        "snake_case-kebab",
        "CamelCase KEPT",
        "https://www.nexmark.com/a_b/item.htm?query=1&channel_id=7",
        "naïve café",
        "cafe\u{301}",
        "Straße GROẞ",
        "Ελληνικά, ελληνικά",
        "русский-язык",
        "日本語のテキスト。",
        "한국어 텍스트",
        "हिन्दी पाठ",
        "עברית שלום",
        "العربية ٣٤",
        "ไทย ภาษา",
        "Ⅷ ½ ² ①",
        "x\u{200d}y",
        "a\u{a0}b",
        "a\u{2028}b",
        "\u{feff}bom",
        "👩‍👩‍👧 family",
        "e=mc²",
        "tab\tnew\nline\r\nend",
        "nul\0inside",
        "quote\"back\\slash",
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
        "𐐷 𐑄",
        "\u{10ffff}",
        "Dž ǆ ǅ",
        "ª º ʰ",
        "zero\u{200b}width",
        "half-width ｱｲｳ",
        "👋🏽 1️⃣ 🇩🇪 ☺️",
        "٠١٢ ०१२ 012",
    ]
    .map(str::to_owned)
    .to_vec();
    // A separator, a pair of them, a letter beyond ASCII at every place around a block's end.
    for at in 28..36 {
        for middle in [",", "--", "é", "—", "\u{301}"] {
            texts.push(format!("{}{middle}{}", "a".repeat(at), "b".repeat(40)));
        }
    }
    // All scripts: the first and the last character of every range of the table, and what follows it.
    let table: Vec<(u32, u32)> = ranges(RANGES).collect();
    for some in table.chunks(64) {
        let edges = some.iter().flat_map(|(first, last)| [*first, *last, last + 1]);
        texts.push(edges.filter_map(char::from_u32).collect());
    }
    texts
}

/// The words of `text`, character by character, as the definition says.
fn words(text: &str) -> String {
    let table: Vec<(u32, u32)> = ranges(RANGES).collect();
    let is_word =
        |c: char| table.iter().any(|(first, last)| (*first..=*last).contains(&(c as u32)));
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn bpe(text: &str) -> String {
    let tokens = bpe_openai::o200k_base().encode(text);
    tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn check(name: &str, define: impl Fn(&str) -> String) {
    let path: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("functions/golden/{name}.jsonl"));
    if std::env::var_os("FLOODWAY_REGENERATE").is_some() {
        let texts = texts();
        let lines = texts.iter().map(|text| json!({ "text": text, "tokens": define(text) }));
        let lines: Vec<String> = lines.map(|line| line.to_string() + "\n").collect();
        fs::write(&path, lines.concat()).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    let vectors: Vec<Value> =
        golden.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(vectors.len(), texts().len());
    let text_of = |vector: &Value, field: &str| vector[field].as_str().unwrap().to_owned();
    let inputs: Vec<String> = vectors.iter().map(|vector| text_of(vector, "text")).collect();
    let batch: Batch = inputs.iter().map(String::as_str).collect();
    let task = task::text(name, Duration::ZERO).unwrap();
    let (mut out, mut bad) = (task.results(&batch, &(0..batch.len())), Vec::new());
    task.compute(&batch, 0..batch.len(), &mut out, &mut bad);
    assert!(bad.is_empty());
    for (at, vector) in vectors.iter().enumerate() {
        let (text, tokens) = (text_of(vector, "text"), text_of(vector, "tokens"));
        assert_eq!(out.strings.text(at), tokens, "{text:?}");
        assert_eq!(define(&text), tokens, "{text:?} by definition");
    }
}

#[test]
fn words_match_the_golden_vectors() {
    check("words", words);
}

#[test]
fn byte_pair_tokens_match_the_golden_vectors() {
    check("bpe", bpe);
}

#[test]
fn the_functions_version_is_the_crates() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/VERSION");
    assert_eq!(fs::read_to_string(path).unwrap(), concat!(env!("CARGO_PKG_VERSION"), "\n"));
}
