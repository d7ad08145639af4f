//! The same bits on every machine: digests of what the runtime's functions and products give,
//! against those that stand in `tests/data/digests.txt`. Where a function is changed on purpose,
//! `COTANGENT_WRITE_DIGESTS=1` writes the file anew.
#![cfg(feature = "jit")]

use cotangent::fuzzing::{Digest, Rng, Source};
use cotangent_runtime::math;
use cotangent_runtime::matmul::{Float, MatmulDims, matmul_checked};
use std::{env, fs};

/// Numbers of every kind: any bits, and those that functions are mostly called with.
fn numbers() -> Vec<f64> {
    let mut rng = Rng::new(1);
    let mut unit = || rng.bits() as f64 / 2f64.powi(63) - 1.0;
    let ordinary: Vec<f64> = (0..12_000).map(|i| unit() * [1e-3, 1.0, 20.0, 800.0, 1e6][i % 5]).collect();
    let mut rng = Rng::new(2);
    ordinary.into_iter().chain((0..4000).map(|_| f64::from_bits(rng.bits()))).collect()
}

fn digest(numbers: impl Iterator<Item = f64>) -> Digest {
    let mut digest = Digest::default();
    numbers.for_each(|x| digest.number(x));
    digest
}

/// The digests of a function of each element type.
fn line(name: &str, wide: impl Iterator<Item = f64>, narrow: impl Iterator<Item = f32>) -> String {
    format!("{name}: {} {}", digest(wide), digest(narrow.map(f64::from)))
}

fn functions(lines: &mut Vec<String>) {
    let mut show =
        |name: &str, wide: &mut dyn Iterator<Item = f64>, narrow: &mut dyn Iterator<Item = f32>| {
            lines.push(line(name, wide, narrow));
        };
    let x = numbers();
    let short: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let y = |i: usize| (i * 7919 + 13) % x.len();
    macro_rules! one {
        ($($f:ident $narrow:ident),*) => {$(
            show(stringify!($f), &mut x.iter().map(|&x| math::$f(x)), &mut short.iter().map(|&x| math::$narrow(x)));
        )*};
    }
    macro_rules! two {
        ($($f:ident $narrow:ident),*) => {$(
            let mut wide = x.iter().enumerate().map(|(i, &a)| math::$f(a, x[y(i)]));
            let mut narrow = short.iter().enumerate().map(|(i, &a)| math::$narrow(a, short[y(i)]));
            show(stringify!($f), &mut wide, &mut narrow);
        )*};
    }
    one!(exp exp_f32, exp2 exp2_f32, expm1 expm1_f32, log log_f32, log1p log1p_f32, log2 log2_f32);
    one!(sin sin_f32, cos cos_f32, tan tan_f32, asin asin_f32, acos acos_f32, atan atan_f32);
    one!(sinh sinh_f32, cosh cosh_f32, tanh tanh_f32, asinh asinh_f32, acosh acosh_f32, atanh atanh_f32);
    one!(cbrt cbrt_f32, rsqrt rsqrt_f32, erf erf_f32, erfc erfc_f32, lgamma lgamma_f32);
    one!(sigmoid sigmoid_f32, softplus softplus_f32, silu silu_f32, gelu_erf gelu_erf_f32);
    one!(gelu_tanh gelu_tanh_f32, normal_cdf normal_cdf_f32, sign sign_f32);
    one!(floor floor_f32, ceil ceil_f32, round_even round_even_f32);
    two!(atan2 atan2_f32, pow pow_f32, hypot hypot_f32, maximum maximum_f32, minimum minimum_f32);
    let orders = |i: usize| (i % 5) as f64;
    let mut wide = x.iter().enumerate().map(|(i, &x)| math::polygamma(orders(i), x));
    let mut narrow = short.iter().enumerate().map(|(i, &x)| math::polygamma_f32(orders(i) as f32, x));
    show("polygamma", &mut wide, &mut narrow);
    for f in math::all_many() {
        let (mut wide, mut narrow) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        // SAFETY: all arrays have as many elements.
        unsafe {
            (f.wide)(x.len(), x.as_ptr(), wide.as_mut_ptr());
            (f.narrow)(x.len(), short.as_ptr(), narrow.as_mut_ptr());
        }
        show(&format!("many {}", f.name), &mut wide.into_iter(), &mut narrow.into_iter());
    }
}

/// Of products on both sides of the sizes at which the kernels change.
fn products(lines: &mut Vec<String>) {
    fn product<T: Float + Default + Into<f64>>(
        (m, k, n): (usize, usize, usize),
        number: &mut dyn FnMut() -> T,
    ) -> Digest {
        let a: Vec<T> = (0..m * k).map(|_| number()).collect();
        let b: Vec<T> = (0..k * n).map(|_| number()).collect();
        let mut c = vec![T::default(); m * n];
        matmul_checked(&MatmulDims::row_major(m, k, n), (&a, 0), (&b, 0), (&mut c, 0)).expect("in bounds");
        digest(c.into_iter().map(Into::into))
    }
    let mut rng = Rng::new(3);
    let mut number = || (rng.bits() >> 44) as f64 / 4099.0 - 128.0;
    for sizes in [(1, 7, 5), (8, 8, 8), (17, 33, 9), (64, 64, 64), (130, 70, 129), (200, 300, 100)] {
        let wide: Digest = product(sizes, &mut number);
        let narrow: Digest = product(sizes, &mut || number() as f32);
        lines.push(format!("product {sizes:?}: {wide} {narrow}"));
    }
}

#[test]
fn bits_are_those_of_every_machine() {
    let mut lines = Vec::new();
    functions(&mut lines);
    products(&mut lines);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/digests.txt");
    if env::var_os("COTANGENT_WRITE_DIGESTS").is_some() {
        fs::write(path, lines.join("\n") + "\n").expect("the file of digests cannot be written");
    }
    let kept = fs::read_to_string(path).expect("there is a file of digests");
    let kept: Vec<&str> = kept.lines().collect();
    let changed: Vec<&String> = lines.iter().filter(|line| !kept.contains(&line.as_str())).collect();
    assert!(changed.is_empty(), "other bits than in {path}: {changed:#?}");
    assert_eq!(lines.len(), kept.len(), "{path} has lines of functions that are not there");
}
