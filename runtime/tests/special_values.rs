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

#[test]
fn roots_and_logistic() {
    check! {
        cbrt cbrt_f32: 0.0 => 0.0, -0.0 => -0.0, INF => INF, -INF => -INF, NAN => NAN, 27.0 => 3.0, -8.0 => -2.0,
            LEAST => 1.7031839360032603e-108, MOST => 5.643803094122362e102, 1e-309 => 1.0000000000000006e-103;
        rsqrt rsqrt_f32: 0.0 => INF, -0.0 => -INF, INF => 0.0, -1.0 => NAN, -INF => NAN, NAN => NAN, 4.0 => 0.5,
            LEAST => 4.4989137945431964e161, MOST => 7.458340731200207e-155;
        sigmoid sigmoid_f32: 0.0 => 0.5, -0.0 => 0.5, INF => 1.0, -INF => 0.0, NAN => NAN, MOST => 1.0, -MOST => 0.0,
            -745.0 => LEAST, 40.0 => 1.0;
        softplus softplus_f32: 0.0 => std::f64::consts::LN_2, INF => INF, -INF => 0.0, NAN => NAN, MOST => MOST,
            -MOST => 0.0, -745.0 => LEAST, 710.0 => 710.0;
    }
    for (x, y, want) in [
        (0.0, 0.0, 0.0),
        (-0.0, -0.0, 0.0),
        (-3.0, 4.0, 5.0),
        (INF, NAN, INF),
        (NAN, -INF, INF),
        (NAN, 1.0, NAN),
        (LEAST, 0.0, LEAST),
        (MOST, 0.0, MOST),
        (MOST, MOST, INF),
        (1e-308, 1e-308, 1.414213562373095e-308),
        (1e300, 1.0, 1e300),
    ] {
        same("hypot", &[x, y], hypot(x, y), want);
        same("hypot", &[y, x], hypot(y, x), want);
    }
}

#[test]
fn powers() {
    for (x, y, want) in [
        (0.0, 3.0, 0.0),
        (-0.0, 3.0, -0.0),
        (-0.0, 2.0, 0.0),
        (-0.0, 2.5, 0.0),
        (0.0, -3.0, INF),
        (-0.0, -3.0, -INF),
        (-0.0, -2.0, INF),
        (-0.0, -2.5, INF),
        (0.0, INF, 0.0),
        (0.0, -INF, INF),
        (-1.0, INF, 1.0),
        (-1.0, -INF, 1.0),
        (1.0, NAN, 1.0),
        (1.0, INF, 1.0),
        (1.0, MOST, 1.0),
        (1.0, -MOST, 1.0),
        (-1.0, MOST, 1.0),
        (NAN, 0.0, 1.0),
        (NAN, -0.0, 1.0),
        (NAN, 1.0, NAN),
        (2.0, NAN, NAN),
        (-8.0, 1.0 / 3.0, NAN),
        (-2.0, 3.0, -8.0),
        (-2.0, 2.0, 4.0),
        (-2.0, 1e300, INF),
        (-2.0, -1e300, 0.0),
        (-1.0, 9007199254740993.0, 1.0),
        (-1.0, 9007199254740991.0, -1.0),
        (-1.0, 2251799813685248.5, NAN),
        (0.5, INF, 0.0),
        (0.5, -INF, INF),
        (2.0, INF, INF),
        (2.0, -INF, 0.0),
        (-2.0, -INF, 0.0),
        (INF, 1e-300, INF),
        (INF, -1e-300, 0.0),
        (-INF, 3.0, -INF),
        (-INF, 2.0, INF),
        (-INF, 2.5, INF),
        (-INF, -3.0, -0.0),
        (-INF, -2.5, 0.0),
        (2.0, 1024.0, INF),
        (2.0, -1074.0, LEAST),
        (2.0, -1076.0, 0.0),
        (-2.0, 1025.0, -INF),
        (-2.0, -1075.5, NAN),
        (LEAST, 1.0, LEAST),
        (LEAST, -1.0, INF),
        (LEAST, 0.5, 2.2227587494850775e-162),
        (MOST, 1.0, MOST),
        (MOST, MOST, INF),
        (MOST, -MOST, 0.0),
        (1.0 + f64::EPSILON, MOST, INF),
        (1.0 - f64::EPSILON / 2.0, MOST, 0.0),
        (1.5, LEAST, 1.0),
    ] {
        same("pow", &[x, y], pow(x, y), want);
    }
    // Of small whole numbers a power that is one is exact.
    for x in 2..20u32 {
        for n in (0..).take_while(|&n| f64::from(x).powi(n) < 9e15) {
            assert_eq!(pow(f64::from(x), f64::from(n)), u64::from(x).pow(n as u32) as f64);
        }
    }
}

#[test]
fn gamma() {
    check! {
        lgamma lgamma_f32: 1.0 => 0.0, 2.0 => 0.0, 0.0 => INF, -0.0 => INF, -1.0 => INF, -170.0 => INF, -1e300 => INF,
            INF => INF, -INF => INF, NAN => NAN, LEAST => 744.4400719213812, -LEAST => 744.4400719213812,
            MOST => INF, 0.5 => 0.5723649429247001, 3.0 => std::f64::consts::LN_2, 2.5e305 => 1.7555118602376452e308;
    }
}
