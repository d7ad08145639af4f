//! The random bits are those of the generator's definition.

use cotangent_runtime::random::{bits, key, mix, next_seed, random_bits};

#[test]
fn keys_and_first_elements() {
    let rows: [(u64, u64, u64, &[u32]); 4] = [
        (0, 0, 0xe220_a839_7b1d_cdaf, &[1_293_516_399, 2_939_677_055, 1_326_138_252, 994_118_778]),
        (0, 1, 0x910a_2dec_8902_5cc1, &[1_949_917_470, 840_412_675, 2_524_120_683, 1_272_474_839]),
        (0, 2, 0x9758_35de_1c97_56ce, &[]),
        (42, 3, 0xf7e9_f3f8_8cc0_4ad6, &[4_183_322_127, 4_270_391_397, 2_716_961_364, 1_373_604_689]),
    ];
    assert_eq!(mix(0), rows[0].2);
    for (seed, counter, want, elements) in rows {
        assert_eq!(key(seed, counter), want);
        for (i, &e) in elements.iter().enumerate() {
            assert_eq!(bits(want, i as u64), e, "({seed}, {counter}) [{i}]");
        }
    }
    assert_eq!(key(1, 0), key(0, 1), "streams of equal sums are one");
    assert_eq!(next_seed(7, 3), mix(10u64.wrapping_add(0x9e37_79b9_7f4a_7c15)));
}

#[test]
fn whole_arrays() {
    let mut out = [-1; 5];
    // SAFETY: two keys, room for four elements.
    unsafe { random_bits(4, [42, 3].as_ptr(), out.as_mut_ptr()) };
    assert_eq!(out, [4_183_322_127, 4_270_391_397, 2_716_961_364, 1_373_604_689, -1]);
    // Negative and large numbers wrap: the sum is modulo 2^64.
    let mut wrapped = [0; 4];
    // SAFETY: as above.
    unsafe { random_bits(4, [i64::MIN + 42, i64::MIN + 3].as_ptr(), wrapped.as_mut_ptr()) };
    assert_eq!(wrapped, out[..4]);
}
