//! Words with AVX-512, on processors that can also compress bytes within a block (VBMI2: Intel's since 2019,
//! AMD's since 2022). It works on blocks of 64 bytes.

use std::arch::is_x86_feature_detected as has;
use std::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_mask_blend_epi8, _mm512_maskz_compress_epi8,
    _mm512_maskz_loadu_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8, _mm512_set1_epi8,
    _mm512_storeu_si512,
};
use std::ops::Range;

use super::write_words;
use crate::batch::Strings;

/// Writes the words of all strings of `range`. Returns false if this processor lacks the instructions.
pub(super) fn all_words(
    strings: &Strings,
    range: &Range<usize>,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) -> bool {
    let there = has!("avx512f")
        && has!("avx512bw")
        && has!("avx512vbmi")
        && has!("avx512vbmi2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("popcnt");
    if there {
        // SAFETY: the processor has the features that the function is compiled for, as checked above.
        // `docs/benchmarks.md` says what it gains.
        #[allow(unsafe_code)]
        unsafe {
            write_all(strings, range, out, ends);
        }
    }
    there
}

const BLOCK: usize = 64;

/// For each ASCII character, whether it belongs to a word: if so, the highest bit is set.
const TABLE: [[u8; BLOCK]; 2] = {
    let mut table = [[0; BLOCK]; 2];
    let mut character = 0;
    while character < 128 {
        if (character as u8).is_ascii_alphanumeric() || character as u8 == b'_' {
            table[character / BLOCK][character % BLOCK] = 0x80;
        }
        character += 1;
    }
    table
};

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi1,bmi2,popcnt")]
fn write_all(strings: &Strings, range: &Range<usize>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
    let ascii = |bytes: &[u8], text: Range<usize>, out: &mut [u8], at: usize| {
        ascii_words(&bytes[text], out, at)
    };
    write_words(ascii, strings, range, out, ends);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi1,bmi2,popcnt")]
fn ascii_words(text: &[u8], out: &mut [u8], at: usize) -> Option<usize> {
    let (low, high) = (load(&TABLE[0]), load(&TABLE[1]));
    let spaces = _mm512_set1_epi8(b' ' as i8);
    let mut to = at;
    // The start of the text counts as a separator, so that no separator is written before the first word.
    let mut after_separator = 1;
    for part in text.chunks(BLOCK) {
        let within = mask(part);
        let bytes = load_some(part);
        if _mm512_movepi8_mask(bytes) != 0 {
            return None;
        }
        let words = _mm512_movepi8_mask(_mm512_permutex2var_epi8(low, bytes, high));
        let separators = !words;
        // A separator is kept if it follows a word.
        let stays = words | separators & !(separators << 1 | after_separator);
        after_separator = separators >> (part.len() - 1) & 1;
        let blended = _mm512_mask_blend_epi8(words, spaces, bytes);
        let packed = _mm512_maskz_compress_epi8(stays & within, blended);
        store(packed, out[to..].first_chunk_mut()?);
        to += (stays & within).count_ones() as usize;
    }
    Some(if to > at && out[to - 1] == b' ' { to - 1 } else { to })
}

#[inline]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code)]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: the block has 64 bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// Returns a mask with a bit for each byte of a block or of the rest of a text.
#[inline(always)]
fn mask(part: &[u8]) -> u64 {
    u64::MAX.unbounded_shr(BLOCK.saturating_sub(part.len()) as u32)
}

/// Loads a block, or the rest of a text padded with zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
#[allow(unsafe_code)]
fn load_some(part: &[u8]) -> __m512i {
    // SAFETY: only the bytes in the mask are read, and the mask does not extend past the slice; the load
    // needs no alignment.
    unsafe { _mm512_maskz_loadu_epi8(mask(part), part.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code)]
fn store(bytes: __m512i, block: &mut [u8; BLOCK]) {
    // SAFETY: the block has 64 bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(block.as_mut_ptr().cast(), bytes) };
}
