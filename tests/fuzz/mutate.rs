//! New inputs out of old ones.

use rand::RngExt as _;
use rand::rngs::SmallRng;

/// Inputs stay shorter than this: what is wrong with a long one is wrong with a short one too.
const MOST_BYTES: usize = 4 << 10;

/// Numbers at which something ends.
const EDGES: [&str; 22] = [
    "0",
    "-0",
    "1",
    "-1",
    "0.0000001",
    "127",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551614",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "1e9",
    "1e19",
    "1e308",
    "1e-308",
];

/// `bytes` with one to four changes; `other` is an input that a part may come from.
pub fn mutated(rng: &mut SmallRng, bytes: &[u8], other: &[u8], tokens: &[&str]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        change(rng, &mut bytes, other, tokens);
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

fn change(rng: &mut SmallRng, bytes: &mut Vec<u8>, other: &[u8], tokens: &[&str]) {
    let at = rng.random_range(0..=bytes.len());
    let some = part(rng, bytes.len());
    match rng.random_range(0..10) {
        // A bit.
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
        // A byte.
        1 if at < bytes.len() => bytes[at] = rng.random(),
        2 => bytes.insert(at, rng.random()),
        // A part goes, or is there twice, or elsewhere.
        3 => drop(bytes.drain(some)),
        4 => {
            let copy = bytes[some].to_vec();
            bytes.splice(at..at, copy);
        }
        // The end of another input behind the beginning of this one, or a part of it amid this one.
        5 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
        }
        6 => drop(bytes.splice(some, other[part(rng, other.len())].iter().copied())),
        // A word of the format, in place of something or in between.
        7 | 8 if !tokens.is_empty() => {
            let token = tokens[rng.random_range(0..tokens.len())];
            let place = if rng.random() { some } else { at..at };
            bytes.splice(place, token.bytes());
        }
        _ => {
            let edge = EDGES[rng.random_range(0..EDGES.len())];
            let place = number(bytes, at).unwrap_or(at..at);
            bytes.splice(place, edge.bytes());
        }
    }
}

/// A part of `len` bytes, more often a short one.
fn part(rng: &mut SmallRng, len: usize) -> std::ops::Range<usize> {
    let start = rng.random_range(0..=len);
    let most = if rng.random() { 8 } else { len };
    start..(start + rng.random_range(0..=most)).min(len)
}

/// The first number at `at` or behind it.
fn number(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let start = at + bytes[at..].iter().position(u8::is_ascii_digit)?;
    let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some(start..start + len)
}
