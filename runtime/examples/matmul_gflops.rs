//! Prints the speed of matrix products, per size and instruction set.

use cotangent_runtime::matmul::{Float, Isa, MatmulDims, matmul_with};
use std::time::Instant;

/// The part from the first cache line on: loads across two lines take twice as long.
fn lined<T>(x: &mut [T]) -> &mut [T] {
    let skip = x.as_ptr().align_offset(64).min(x.len());
    &mut x[skip..]
}

/// Best of several timings, in flops per nanosecond.
fn measure<T: Float + From<f32>>(isa: Isa, d: &MatmulDims) -> f64 {
    let mut a = vec![T::from(1.5); d.m * d.k + 16];
    let mut b = vec![T::from(0.25); d.k * d.n + 16];
    let mut c = vec![T::from(0.0); d.m * d.n + 16];
    let (a, b, c) = (lined(&mut a), lined(&mut b), lined(&mut c));
    let flops = 2.0 * (d.m * d.n * d.k) as f64;
    let repeats = (2e7 / flops).clamp(1.0, 1e5) as usize;
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let start = Instant::now();
        for _ in 0..repeats {
            // SAFETY: the slices have the extents of the dims.
            unsafe { matmul_with(isa, d, a.as_ptr(), b.as_ptr(), c.as_mut_ptr()) };
        }
        best = best.min(start.elapsed().as_nanos() as f64 / repeats as f64);
    }
    flops / best
}

/// A row-major operand read as its transpose.
fn transposed(mut d: MatmulDims, a: bool, b: bool) -> MatmulDims {
    if a {
        (d.a_row, d.a_col) = (1, d.m as isize);
    }
    if b {
        (d.b_row, d.b_col) = (1, d.k as isize);
    }
    d
}

fn main() {
    #[cfg(target_arch = "x86_64")]
    println!(
        "avx2 {} fma {} avx512f {}",
        std::arch::is_x86_feature_detected!("avx2"),
        std::arch::is_x86_feature_detected!("fma"),
        std::arch::is_x86_feature_detected!("avx512f"),
    );
    println!("{:>6} {:>16} {:>3} {:>8} {:>8}  GFLOP/s", "isa", "m x k x n", "", "f64", "f32");
    let sizes = [
        (4, 4, 4, false, false),
        (8, 8, 8, false, false),
        (16, 16, 16, false, false),
        (32, 32, 32, false, false),
        (64, 64, 64, false, false),
        (64, 64, 64, true, false),
        (64, 64, 64, false, true),
        (128, 128, 128, false, false),
        (256, 256, 256, false, false),
        (512, 512, 512, false, false),
        (512, 512, 512, true, false),
        (512, 512, 512, false, true),
        (1000, 1000, 1000, false, false),
        (1, 784, 128, false, false),
        (32, 784, 128, false, false),
        (784, 32, 128, true, false),
        (32, 128, 784, false, true),
        (128, 32, 784, true, false),
        (32, 128, 10, false, false),
        (128, 32, 10, true, false),
        (32, 10, 128, false, true),
        (512, 512, 1, false, false),
        (512, 512, 1, true, false),
    ];
    for isa in Isa::ALL.into_iter().rev().filter(|i| i.available()) {
        for (m, k, n, ta, tb) in sizes {
            if isa == Isa::Portable && m * k * n > 300_000 {
                continue;
            }
            let d = transposed(MatmulDims::row_major(m, k, n), ta, tb);
            let size = format!("{m}x{k}x{n}");
            let mark = format!("{}{}", if ta { "T" } else { "-" }, if tb { "T" } else { "-" });
            let (wide, narrow) = (measure::<f64>(isa, &d), measure::<f32>(isa, &d));
            println!("{isa:>6?} {size:>16} {mark:>3} {wide:>8.1} {narrow:>8.1}");
        }
    }
}
