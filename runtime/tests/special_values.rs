//! The functions at zeros, infinities, NaN, the ends of their domains and of the `f64`, as C99
//! Annex F has them.

use cotangent_runtime::math::*;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;
const LEAST: f64 = 5e-324;
const MOST: f64 = f64::MAX;

fn same(name: &str, x: &[f64], got: f64, want: f64) {
    let equal = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
    assert!(equal, "{name} of {x:?} is {got:e}, not {want:e}");
}

/// Arguments and results, and the same of the `f32` form where both are numbers of `f32`.
macro_rules! check {
    ($($name:ident $narrow:ident: $($x:expr => $want:expr),+;)+) => {$($({
        let (x, want): (f64, f64) = ($x, $want);
        same(stringify!($name), &[x], $name(x), want);
        let narrow = |x: f64| f64::from(x as f32) == x || x.is_nan();
        if narrow(x) && narrow(want) {
            same(stringify!($narrow), &[x], $narrow(x as f32).into(), want);
        }
    })+)+};
}

#[test]
fn hyperbolic() {
    check! {
        sinh sinh_f32: 0.0 => 0.0, -0.0 => -0.0, LEAST => LEAST, -LEAST => -LEAST, 1e-308 => 1e-308, INF => INF,
            -INF => -INF, NAN => NAN, MOST => INF, -711.0 => -INF, 710.475860073943 => 1.7976931348605394e308;
        cosh cosh_f32: 0.0 => 1.0, -0.0 => 1.0, LEAST => 1.0, INF => INF, -INF => INF, NAN => NAN, MOST => INF,
            -711.0 => INF, -710.475860073943 => 1.7976931348605394e308;
        asinh asinh_f32: 0.0 => 0.0, -0.0 => -0.0, LEAST => LEAST, -1e-308 => -1e-308, INF => INF, -INF => -INF,
            NAN => NAN, MOST => 710.475860073944, -MOST => -710.475860073944;
        acosh acosh_f32: 1.0 => 0.0, 0.5 => NAN, -1.0 => NAN, -INF => NAN, INF => INF, NAN => NAN,
            MOST => 710.475860073944, 1.0 + f64::EPSILON => 2.1073424255447014e-8;
        atanh atanh_f32: 0.0 => 0.0, -0.0 => -0.0, LEAST => LEAST, -1e-308 => -1e-308, 1.0 => INF, -1.0 => -INF,
            1.5 => NAN, -INF => NAN, INF => NAN, NAN => NAN;
        log2 log2_f32: 1.0 => 0.0, 0.0 => -INF, -0.0 => -INF, -1.0 => NAN, INF => INF, -INF => NAN, NAN => NAN,
            LEAST => -1074.0, MOST => 1024.0, 8.0 => 3.0, 0.125 => -3.0, f64::MIN_POSITIVE => -1022.0;
    }
    for k in -1074..1024 {
        let power = if k < -1022 {
            f64::from_bits(1 << (k + 1074))
        } else {
            f64::from_bits(((k + 1023) as u64) << 52)
        };
        assert_eq!(log2(power), f64::from(k));
    }
}

#[test]
fn arcs() {
    check! {
        tan tan_f32: 0.0 => 0.0, -0.0 => -0.0, LEAST => LEAST, -1e-308 => -1e-308, INF => NAN, -INF => NAN,
            NAN => NAN, FRAC_PI_2 => 1.633123935319537e16, PI => -1.2246467991473532e-16;
        asin asin_f32: 0.0 => 0.0, -0.0 => -0.0, LEAST => LEAST, -1e-308 => -1e-308, 1.0 => FRAC_PI_2,
            -1.0 => -FRAC_PI_2, 1.0 + f64::EPSILON => NAN, -2.0 => NAN, INF => NAN, -INF => NAN, NAN => NAN;
        acos acos_f32: 1.0 => 0.0, -1.0 => PI, 0.0 => FRAC_PI_2, -0.0 => FRAC_PI_2, LEAST => FRAC_PI_2, 2.0 => NAN,
            -1.0 - f64::EPSILON => NAN, INF => NAN, -INF => NAN, NAN => NAN;
        atan atan_f32: 0.0 => 0.0, -0.0 => -0.0, LEAST => LEAST, -1e-308 => -1e-308, INF => FRAC_PI_2,
            -INF => -FRAC_PI_2, MOST => FRAC_PI_2, NAN => NAN, 1.0 => FRAC_PI_4;
    }
}

#[test]
fn angles_of_points() {
    let quarter = 3.0 * FRAC_PI_4;
    for (y, x, want) in [
        (0.0, 1.0, 0.0),
        (0.0, -1.0, PI),
        (0.0, 0.0, 0.0),
        (0.0, -0.0, PI),
        (1.0, 0.0, FRAC_PI_2),
        (1.0, -0.0, FRAC_PI_2),
        (INF, INF, FRAC_PI_4),
        (INF, -INF, quarter),
        (INF, 1.0, FRAC_PI_2),
        (1.0, INF, 0.0),
        (1.0, -INF, PI),
        (LEAST, LEAST, FRAC_PI_4),
        (LEAST, -LEAST, quarter),
        (LEAST, MOST, 0.0),
        (LEAST, -MOST, PI),
        (MOST, LEAST, FRAC_PI_2),
        (MOST, MOST, FRAC_PI_4),
        (MOST, -MOST, quarter),
        (LEAST, 1.0, LEAST),
        (1e-308, 2.0, 5e-309),
        (NAN, 1.0, NAN),
        (1.0, NAN, NAN),
        (NAN, INF, NAN),
    ] {
        same("atan2", &[y, x], atan2(y, x), want);
        same("atan2", &[-y, x], atan2(-y, x), -want);
    }
}
