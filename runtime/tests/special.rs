//! The functions behind the gamma function and the activations, against correctly rounded results.

use cotangent_runtime::math;
use std::collections::BTreeMap;

/// Units in the last place that a function may be off, measured and rounded up. Near a zero of
/// `lgamma` and the polygamma functions the unit is that of 1.
const ALLOWED: &[(&str, f64)] = &[
    ("normal_cdf", 1.0),
    ("silu", 1.0),
    ("gelu_erf", 1.0),
    ("gelu_tanh", 1.0),
    ("lgamma", 2.0),
    ("polygamma", 3.0),
];

fn call(name: &str, x: &[f64]) -> Option<f64> {
    Some(match (name, x) {
        ("normal_cdf", &[x]) => math::normal_cdf(x),
        ("silu", &[x]) => math::silu(x),
        ("gelu_erf", &[x]) => math::gelu_erf(x),
        ("gelu_tanh", &[x]) => math::gelu_tanh(x),
        ("lgamma", &[x]) => math::lgamma(x),
        ("polygamma", &[order, x]) => math::polygamma(order, x),
        _ => return None,
    })
}

/// The distance between neighbouring numbers.
fn unit(x: f64) -> f64 {
    let x = x.abs();
    f64::from_bits(x.to_bits() + 1) - x
}

#[test]
fn within_some_units() {
    let text = include_str!("data/special.csv");
    let mut worst = BTreeMap::<&str, (f64, Vec<f64>)>::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let mut fields = line.split(',');
        let name = fields.next().unwrap();
        let values: Vec<f64> = fields.map(|f| f64::from_bits(u64::from_str_radix(f, 16).unwrap())).collect();
        let (want, x) = values.split_last().unwrap();
        let got = call(name, x).expect(name);
        let size = if name.ends_with("gamma") { want.abs().max(1.0) } else { *want };
        // A power is as far off as its exponent is large.
        let power = if name == "polygamma" { x[0] + 1.0 } else { 1.0 };
        let off = (got - want).abs() / unit(size) / power;
        let entry = worst.entry(name).or_insert((-1.0, Vec::new()));
        if off > entry.0 || off.is_nan() {
            *entry = (off, x.to_vec());
        }
    }
    println!("{worst:?}");
    for (name, allowed) in ALLOWED {
        let (off, at) = &worst[name];
        assert!(off <= allowed, "{name} is off by {off} at {at:?}");
    }
}

#[test]
fn orders() {
    for order in [-1.0, 0.5, 171.0, f64::NAN, f64::INFINITY] {
        assert!(math::polygamma(order, 1.5).is_nan(), "{order}");
    }
    assert_eq!(math::polygamma(-0.0, 2.5), math::polygamma(0.0, 2.5));
    // zeta(171, 1) is 1 to the last place.
    let factorial = (1..=170).fold(1.0, |p, k| p * f64::from(k));
    assert_eq!(math::polygamma(170.0, 1.0), -factorial);
    assert_eq!(math::polygamma(1.0, 1e300), 1e-300);
    for x in [0.0, -3.0] {
        assert_eq!(math::polygamma(1.0, x), f64::INFINITY);
    }
    assert!(math::polygamma(2.0, -3.0).is_nan() && math::polygamma(0.0, -3.0).is_nan());
}

/// The f32 forms are the f64 ones, rounded.
#[test]
fn narrow_forms() {
    for k in -40..40 {
        let x = k as f32 * 0.37;
        let wide = f64::from(x);
        assert_eq!(math::silu_f32(x), math::silu(wide) as f32);
        assert_eq!(math::gelu_erf_f32(x), math::gelu_erf(wide) as f32);
        assert_eq!(math::gelu_tanh_f32(x), math::gelu_tanh(wide) as f32);
        assert_eq!(math::normal_cdf_f32(x), math::normal_cdf(wide) as f32);
        assert_eq!(math::floor_f32(x), x.floor());
        assert_eq!(math::ceil_f32(x), x.ceil());
        assert_eq!(math::round_even_f32(x), x.round_ties_even());
    }
}
