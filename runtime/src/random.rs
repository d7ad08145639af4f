//! Random bits by position: SplitMix64's finalizer over a key and an index, so that any
//! element can be had without the ones before it.
//!
//! Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64-bit words that spreads every bit.
#[inline(always)]
pub const fn mix(x: u64) -> u64 {
    let z = x.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key of a stream. Streams of equal `seed + counter` are the same.
pub const fn key(seed: u64, counter: u64) -> u64 {
    mix(seed.wrapping_add(counter))
}

/// Element `i` of the stream of a key.
#[inline(always)]
pub const fn bits(key: u64, i: u64) -> u32 {
    mix(key.wrapping_add(i)) as u32
}

/// The seed that follows a seed and a counter.
pub const fn next_seed(seed: u64, counter: u64) -> u64 {
    mix(seed.wrapping_add(counter).wrapping_add(GOLDEN))
}

/// The first `n` elements of the stream of `key[0]` (seed) and `key[1]` (counter).
///
/// # Safety
/// `keys` is valid for two reads, `out` for `n` writes; they do not overlap.
pub unsafe extern "C" fn random_bits(n: usize, keys: *const i64, out: *mut i64) {
    // SAFETY: the offsets are inside the extents that the contract names.
    unsafe {
        let key = key(*keys as u64, *keys.add(1) as u64);
        for i in 0..n {
            *out.add(i) = i64::from(bits(key, i as u64));
        }
    }
}
