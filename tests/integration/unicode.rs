//! The table of ranges is what a pinned version of Unicode says.
//!
//! `FLOODWAY_REGENERATE=1 cargo test --test integration unicode` writes it anew.

use std::fmt::Write as _;

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/functions/words.ranges");

const HEADER: &str = "\
# The characters of a word: those of general category L*, M* or N*, and the underscore.
# Unicode 17.0.0, as the crate icu_properties 2.x has it. Read by Rust, Python and Java alike.
# One range a line: first and last code point, in hexadecimal, with a dash between them.
# Made by `FLOODWAY_REGENERATE=1 cargo test --test integration unicode`.
";

fn table() -> String {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let of_words = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Mark)
        .union(GeneralCategoryGroup::Number);
    let is_word = |code: u32| code == '_' as u32 || of_words.contains(categories.get32(code));
    let mut table = HEADER.to_owned();
    let mut code = 0;
    while code <= char::MAX as u32 {
        if !is_word(code) {
            code += 1;
            continue;
        }
        let first = code;
        while is_word(code) {
            code += 1;
        }
        writeln!(table, "{first:04X}-{:04X}", code - 1).unwrap();
    }
    table
}

#[test]
fn the_committed_table_matches_unicode() {
    let table = table();
    if std::env::var_os("FLOODWAY_REGENERATE").is_some() {
        std::fs::write(PATH, &table).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap();
    assert!(committed == table, "functions/words.ranges is not what the crate says");
}
