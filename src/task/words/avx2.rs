//! Classification with AVX2, on processors that have it.

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setr_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256,
};
use std::ops::Range;

use super::blocks::{self, BLOCK, Block};
use super::write_words;
use crate::batch::Strings;

/// Writes the words of all strings of `range`. Returns false if this processor lacks AVX2.
pub(super) fn all_words(
    strings: &Strings,
    range: &Range<usize>,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
) -> bool {
    let there = std::arch::is_x86_feature_detected!("avx2");
    if there {
        // SAFETY: the processor has AVX2, as checked above. `docs/benchmarks.md` says what it gains.
        #[allow(unsafe_code)]
        unsafe {
            write_all(strings, range, out, ends);
        }
    }
    there
}

#[target_feature(enable = "avx2")]
fn write_all(strings: &Strings, range: &Range<usize>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
    write_words(blocks::with(|block| classify(block)), strings, range, out, ends);
}

/// A byte belongs to a word if its two halves have a class in common. There is one class for the digits, one
/// for `A` to `O`, one for `P` to `Z` and the underscore, and one for `p` to `z`; `a` to `o` are in the
/// second one too. Bytes that are not ASCII have no class.
#[inline]
#[target_feature(enable = "avx2")]
fn classify(block: &[u8; BLOCK]) -> Block {
    #[rustfmt::skip]
    let of_low = _mm256_setr_epi8(
        13, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 2, 2, 2, 2, 6,
        13, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 2, 2, 2, 2, 6,
    );
    #[rustfmt::skip]
    let of_high = _mm256_setr_epi8(
        0, 0, 0, 1, 2, 4, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 1, 2, 4, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0,
    );
    let bytes = load(block);
    let half = _mm256_set1_epi8(15);
    let low = _mm256_shuffle_epi8(of_low, bytes);
    let shifted = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), half);
    let high = _mm256_shuffle_epi8(of_high, shifted);
    let class = _mm256_and_si256(low, high);
    let separators = _mm256_cmpeq_epi8(class, _mm256_setzero_si256());
    let spaces = _mm256_set1_epi8(b' ' as i8);
    Block {
        blended: store(_mm256_blendv_epi8(bytes, spaces, separators)),
        separators: _mm256_movemask_epi8(separators) as u32,
        high: _mm256_movemask_epi8(bytes) as u32,
    }
}

#[inline]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)]
fn load(block: &[u8; BLOCK]) -> __m256i {
    // SAFETY: the block has 32 bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)]
fn store(bytes: __m256i) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    // SAFETY: the block has 32 bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(block.as_mut_ptr().cast(), bytes) };
    block
}
