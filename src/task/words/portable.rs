//! Classification of characters for any machine.

use super::blocks::{BLOCK, Block};

#[inline(always)]
pub(super) fn classify(block: &[u8; BLOCK]) -> Block {
    let mut blended = [b' '; BLOCK];
    let mut of_word = [false; BLOCK];
    // The first loop becomes vector instructions; the second one collects eight bits at a time.
    for index in 0..BLOCK {
        let byte = block[index];
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        of_word[index] = letter | digit | (byte == b'_');
        blended[index] = if of_word[index] { byte } else { b' ' };
    }
    let words = bits(&of_word.map(u8::from));
    let high = bits(&block.map(|byte| byte >> 7));
    Block { blended, separators: !words, high }
}

/// Returns the lowest bits of all bytes.
#[inline(always)]
fn bits(bytes: &[u8; BLOCK]) -> u32 {
    // The multiplication moves each byte's bit to its own place in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = bytes.as_chunks::<8>();
    eights.iter().rev().fold(0, |bits, eight| {
        let gathered = u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56;
        bits << 8 | gathered as u32
    })
}
