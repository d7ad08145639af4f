//! The four operations of arithmetic on whole slices, with the widest vectors of the CPU.
//! Elements do not meet, so the width leaves no trace in the bits.

/// A function body compiled for each width, and the widest one that the CPU has.
macro_rules! widest {
    (($($arg:ident: $ty:ty),*) $body:block) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f")]
            fn avx512($($arg: $ty),*) $body
            #[target_feature(enable = "avx2")]
            fn avx2($($arg: $ty),*) $body
            if std::arch::is_x86_feature_detected!("avx512f") {
                // SAFETY: the CPU has the feature.
                return unsafe { avx512($($arg),*) };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has the feature.
                return unsafe { avx2($($arg),*) };
            }
        }
        $body
    }};
}

macro_rules! passes {
    ($T:ident: $($name:ident $op:tt $what:literal;)* => $add_to:ident) => {
        $(#[doc = concat!("Appends ", $what, ", pair by pair; the shorter slice ends it.")]
        pub fn $name(a: &[$T], b: &[$T], out: &mut Vec<$T>) {
            widest!((a: &[$T], b: &[$T], out: &mut Vec<$T>) {
                out.extend(a.iter().zip(b).map(|(x, y)| x $op y));
            })
        })*

        /// Adds to each sum what stands beside it; the shorter slice ends it.
        pub fn $add_to(sums: &mut [$T], x: &[$T]) {
            widest!((sums: &mut [$T], x: &[$T]) {
                sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
            })
        }
    };
}

passes!(f64: add + "sums"; sub - "differences"; mul * "products"; div / "quotients"; => add_to);
passes!(f32: add_f32 + "sums"; sub_f32 - "differences"; mul_f32 * "products"; div_f32 / "quotients"; => add_to_f32);

#[cfg(test)]
mod tests {
    use super::{add, add_to, add_to_f32, div, mul, mul_f32, sub};

    fn numbers(n: usize, step: f64) -> Vec<f64> {
        (0..n).map(|i| (i as f64 - 7.0) * step).collect()
    }

    /// Every length around the widths: the same bits as one by one, behind what was there.
    #[test]
    fn passes_are_the_operations_one_by_one() {
        for n in 0..70 {
            let (a, b) = (numbers(n, 0.1), numbers(n, -1.7));
            for (pass, one) in [
                (add as fn(&[f64], &[f64], &mut Vec<f64>), (|x, y| x + y) as fn(f64, f64) -> f64),
                (sub, |x, y| x - y),
                (mul, |x, y| x * y),
                (div, |x, y| x / y),
            ] {
                let mut out = vec![3.0];
                pass(&a, &b, &mut out);
                assert_eq!((out[0], out.len()), (3.0, n + 1));
                for i in 0..n {
                    let (got, expected) = (out[i + 1], one(a[i], b[i]));
                    assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan());
                }
            }
            let mut sums = a.clone();
            add_to(&mut sums, &b);
            assert!((0..n).all(|i| sums[i] == a[i] + b[i]));
        }
    }

    #[test]
    fn the_shorter_slice_ends_a_pass() {
        let mut out = Vec::new();
        mul_f32(&[2.0; 40], &[3.0; 33], &mut out);
        assert_eq!(out, [6.0; 33]);
        let mut sums = [1.0f32; 20];
        add_to_f32(&mut sums, &[1.0; 19]);
        assert_eq!((sums[18], sums[19]), (2.0, 1.0));
    }
}
