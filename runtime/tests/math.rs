//! The scalar functions against correctly rounded results and at the special values.

use cotangent_runtime::math::{self, *};

/// Distance in representable numbers; zero for two NaNs.
fn ulps(a: f64, b: f64) -> u64 {
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    let line = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN - bits } else { bits }
    };
    line(a).abs_diff(line(b))
}

fn call(name: &str, x: &[f64]) -> Option<f64> {
    macro_rules! table {
        ($($n:ident)*; $($m:ident)*) => {
            match (name, x) {
                $((stringify!($n), &[x]) => math::$n(x),)*
                $((stringify!($m), &[x, y]) => math::$m(x, y),)*
                _ => return None,
            }
        };
    }
    Some(table!(exp exp2 expm1 log log1p log2 sin cos tan asin acos atan sinh cosh tanh asinh
        acosh atanh cbrt erf erfc rsqrt; atan2 pow hypot))
}

#[test]
fn hard_points_within_one_ulp() {
    // By function: the largest error and where, how many are not correctly rounded, and of how many.
    let mut worst = std::collections::BTreeMap::<String, (u64, f64, usize, usize)>::new();
    for line in include_str!("data/core_math.csv").lines().filter(|l| !l.starts_with('#')) {
        let mut fields = line.split(',');
        let name = fields.next().unwrap_or_default();
        let values: Vec<f64> =
            fields.filter_map(|f| u64::from_str_radix(f, 16).ok().map(f64::from_bits)).collect();
        let Some((want, x)) = values.split_last() else { continue };
        let got = call(name, x).expect(name);
        let entry = worst.entry(name.to_owned()).or_default();
        let error = ulps(got, *want);
        if error > entry.0 {
            (entry.0, entry.1) = (error, x[0]);
        }
        entry.2 += usize::from(error > 0);
        entry.3 += 1;
    }
    println!("{worst:#?}");
    assert_eq!(worst.len(), 25);
    for (name, (error, at, _, points)) in &worst {
        assert!(*error <= 1, "{name} is off by {error} at {at:e}");
        assert_eq!(*points, 160, "{name}");
    }
}

#[test]
fn special_values() {
    let inf = f64::INFINITY;
    let same = |a: f64, b: f64| assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{a} {b}");
    for f in [
        exp, exp2, expm1, log, log1p, sin, cos, tanh, sigmoid, softplus, rsqrt, erf, erfc, normal_cdf,
        gelu_erf, gelu_tanh,
    ] {
        assert!(f(f64::NAN).is_nan());
    }
    same(exp(0.0), 1.0);
    same(exp(-0.0), 1.0);
    same(exp(inf), inf);
    same(exp(-inf), 0.0);
    same(exp(709.782712893384), 1.7976931348622732e+308);
    same(exp(709.7827128933841), inf);
    same(exp(-745.1332191019411), 5e-324);
    same(exp(-745.1332191019412), 0.0);
    same(exp2(1023.0), 2f64.powi(1023));
    same(exp2(1024.0), inf);
    same(exp2(-1074.0), 5e-324);
    same(exp2(-1075.0), 0.0);
    same(exp2(-inf), 0.0);
    for f in [expm1, log1p, sin, tanh, erf] {
        same(f(0.0), 0.0);
        same(f(-0.0), -0.0);
        same(f(5e-324), 5e-324);
        same(f(-5e-324), -5e-324);
    }
    same(expm1(inf), inf);
    same(expm1(-inf), -1.0);
    same(log(0.0), -inf);
    same(log(-0.0), -inf);
    same(log(1.0), 0.0);
    same(log(inf), inf);
    same(log(-1.0), f64::NAN);
    same(log(5e-324), -744.4400719213812);
    same(log1p(-1.0), -inf);
    same(log1p(-2.0), f64::NAN);
    same(log1p(inf), inf);
    same(log1p(-inf), f64::NAN);
    for f in [sin, cos] {
        same(f(inf), f64::NAN);
        same(f(-inf), f64::NAN);
    }
    same(cos(0.0), 1.0);
    same(tanh(inf), 1.0);
    same(tanh(-inf), -1.0);
    same(erf(inf), 1.0);
    same(erf(-inf), -1.0);
    same(erf(-5.99), -1.0);
    same(erfc(0.0), 1.0);
    same(erfc(-0.0), 1.0);
    same(erfc(inf), 0.0);
    same(erfc(-inf), 2.0);
    same(erfc(-6.5), 2.0);
    same(erfc(27.226017111108362), 5e-324);
    same(erfc(27.226017111108366), 0.0);
    same(normal_cdf(0.0), 0.5);
    same(normal_cdf(-inf), 0.0);
    same(normal_cdf(inf), 1.0);
    same(gelu_erf(-0.0), -0.0);
    same(gelu_erf(inf), inf);
    same(sigmoid(inf), 1.0);
    same(sigmoid(-inf), 0.0);
    same(sigmoid(0.0), 0.5);
    assert!(sigmoid(-740.0) > 0.0);
    same(softplus(inf), inf);
    same(softplus(-inf), 0.0);
    same(sign(f64::NAN), 0.0);
    same(sign(-0.0), 0.0);
    same(sign(-3.0), -1.0);
    same(maximum(-0.0, 0.0), 0.0);
    same(maximum(0.0, -0.0), 0.0);
    same(minimum(0.0, -0.0), -0.0);
    same(minimum(-0.0, 0.0), -0.0);
    same(maximum(f64::NAN, 1.0), f64::NAN);
    same(minimum(1.0, f64::NAN), f64::NAN);
    same(maximum(-inf, inf), inf);
}

#[test]
fn own_functions_agree_with_libm() {
    type Scalar = fn(f64) -> f64;
    // With how many units in the last place the two may differ.
    let pairs: [(Scalar, Scalar, u64); 10] = [
        (exp, libm::exp, 2),
        (exp2, libm::exp2, 2),
        (expm1, libm::expm1, 2),
        (log, libm::log, 2),
        (log1p, libm::log1p, 2),
        (sin, libm::sin, 2),
        (cos, libm::cos, 2),
        (tanh, libm::tanh, 2),
        (erf, libm::erf, 2),
        // Up to 2.5; `accuracy` holds ours below 1.
        (erfc, libm::erfc, 3),
    ];
    let mut state = 1u64;
    for step in 0..200_000 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Every other argument is spread over all bit patterns, the rest over ordinary sizes.
        let x = if step % 2 == 0 {
            f64::from_bits(state)
        } else {
            (state >> 11) as f64 / (1u64 << 53) as f64 * 40.0 - 20.0
        };
        for (i, (own, other, allowed)) in pairs.iter().enumerate() {
            assert!(ulps(own(x), other(x)) <= *allowed, "{i} at {x:e}: {} {}", own(x), other(x));
        }
    }
}

#[test]
fn fused_rounds_once() {
    let x = 1.0 + f64::EPSILON;
    assert_eq!(fma(x, x, -(1.0 + 2.0 * f64::EPSILON)), f64::EPSILON * f64::EPSILON);
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            f64::from_bits(state)
        };
        let (a, b, c) = (next(), next(), next());
        assert_eq!(ulps(fma(a, b, c), libm::fma(a, b, c)), 0);
        let (a, b, c) = (a as f32, b as f32, c as f32);
        let (one, two) = (fma_f32(a, b, c), libm::fmaf(a, b, c));
        assert!(one.to_bits() == two.to_bits() || one.is_nan() && two.is_nan());
    }
}
