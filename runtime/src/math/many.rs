//! Functions of many numbers: what nearly all numbers take goes side by side through the widest
//! vectors of the CPU, the rest through the function of one number. That is the same code, so it
//! gives the same bits.

#[cfg(target_arch = "x86_64")]
use super::{
    erf::{erf_common, erfc_common},
    exp::{exp_common, exp2_common, expm1_common, tanh_common, tanh_short_common},
    gated::{gelu_erf_common, gelu_tanh_common, normal_cdf_common, silu_common, silu_short_common},
    hyperbolic::{cosh_common, sinh_common},
    inverse::{acos_common, asin_common, atan_common},
    lgamma::lgamma_common,
    log::{log_common, log1p_common},
    log_two::{acosh_common, asinh_common, atanh_common, log2_common},
    logistic::{sigmoid_common, sigmoid_short_common, softplus_common},
    root::{cbrt_common, rsqrt_common},
    tangent::tan_common,
    trig::{cos_common, sin_common},
    wide::{Eight, Four},
};

/// A function of many numbers: `out[i] = f(x[i])` for the `n` numbers from each of two places,
/// which do not overlap.
pub type Entry<T> = unsafe extern "C" fn(n: usize, x: *const T, out: *mut T);

/// The forms of a function of many numbers, by element type.
#[derive(Debug, Clone, Copy)]
pub struct Many {
    /// The function's name.
    pub name: &'static str,
    /// The names of both forms for compiled code, `f64` first.
    pub symbols: [&'static str; 2],
    /// Of `f64`.
    pub wide: Entry<f64>,
    /// Of `f32`.
    pub narrow: Entry<f32>,
}

impl Many {
    /// What compiled code may call: names and addresses.
    pub fn entries(&self) -> [(&'static str, *const u8); 2] {
        let [wide, narrow] = self.symbols;
        [(wide, self.wide as *const u8), (narrow, self.narrow as *const u8)]
    }
}

/// The functions of many numbers.
pub fn all_many() -> &'static [Many] {
    MANY
}

/// The function of many numbers with this name, if there is one.
pub fn many(name: &str) -> Option<&'static Many> {
    MANY.iter().find(|f| f.name == name)
}

/// Takes the lanes that left the common path one by one.
#[cfg(target_arch = "x86_64")]
macro_rules! one_by_one {
    ($others:expr, $x:expr, $out:expr, $one:path) => {{
        let mut others: u32 = $others;
        while others != 0 {
            let i = others.trailing_zeros() as usize;
            if let (Some(out), Some(&x)) = ($out.get_mut(i), $x.get(i)) {
                *out = $one(x);
            }
            others &= others - 1;
        }
    }};
}

/// The function of lanes: that of `f32`, if it has one of its own.
#[cfg(target_arch = "x86_64")]
macro_rules! common {
    ([$common:ident]) => {
        $common
    };
    ([$common:ident $short:ident]) => {
        $short
    };
}

/// What both element types share: arrays of them to lanes and back.
#[cfg(target_arch = "x86_64")]
macro_rules! groups {
    ($x:ident, $out:ident, $V:ident, $N:literal, $load:ident, $store:ident, $common:tt, $one:path) => {{
        let (groups, rest) = $x.as_chunks::<$N>();
        let (sinks, rest_out) = $out.as_chunks_mut::<$N>();
        for (group, sink) in groups.iter().zip(sinks) {
            let (y, fine) = common!($common)($V::$load(group, $N));
            y.$store(sink, $N);
            one_by_one!($V::others(fine), group, sink, $one);
        }
        let n = rest.len().min(rest_out.len());
        if n > 0 {
            let (y, fine) = common!($common)($V::$load(rest, n));
            y.$store(rest_out, n);
            one_by_one!($V::others(fine) & !(u32::MAX << n), rest, rest_out, $one);
        }
    }};
}

macro_rules! forms {
    ($($name:ident $common:ident $narrow:ident $($short:ident)?;)*) => {
        static MANY: &[Many] = &[$(Many {
            name: stringify!($name),
            symbols: [concat!("ct_many_", stringify!($name), "_f64"), concat!("ct_many_", stringify!($name), "_f32")],
            wide: $name::f64,
            narrow: $name::f32,
        },)*];

        $(mod $name {
            #[cfg(target_arch = "x86_64")]
            use super::*;

            forms!(@ f64 eight four [$common] super::super::$name load store);
            forms!(@ f32 eight_f32 four_f32 [$common $($short)?] super::super::$narrow load_f32 store_f32);
        })*
    };
    (@ $T:ident $eight:ident $four:ident $common:tt $($one:ident)::+ $load:ident $store:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        fn $eight(x: &[$T], out: &mut [$T]) {
            groups!(x, out, Eight, 8, $load, $store, $common, $($one)::+)
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        pub fn $four(x: &[$T], out: &mut [$T]) {
            groups!(x, out, Four, 4, $load, $store, $common, $($one)::+)
        }

        pub unsafe extern "C" fn $T(n: usize, x: *const $T, out: *mut $T) {
            // SAFETY: the caller gives the numbers and as much room, apart from each other.
            let (x, out) = unsafe { (std::slice::from_raw_parts(x, n), std::slice::from_raw_parts_mut(out, n)) };
            #[cfg(target_arch = "x86_64")]
            {
                if std::arch::is_x86_feature_detected!("avx512f") {
                    // SAFETY: the CPU has the feature.
                    return unsafe { $eight(x, out) };
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the CPU has both features.
                    return unsafe { $four(x, out) };
                }
            }
            out.iter_mut().zip(x).for_each(|(out, &x)| *out = $($one)::+(x));
        }
    };
}

forms! {
    exp exp_common exp_f32;
    exp2 exp2_common exp2_f32;
    expm1 expm1_common expm1_f32;
    log log_common log_f32;
    log1p log1p_common log1p_f32;
    log2 log2_common log2_f32;
    sin sin_common sin_f32;
    cos cos_common cos_f32;
    tan tan_common tan_f32;
    asin asin_common asin_f32;
    acos acos_common acos_f32;
    atan atan_common atan_f32;
    tanh tanh_common tanh_f32 tanh_short_common;
    sinh sinh_common sinh_f32;
    cosh cosh_common cosh_f32;
    asinh asinh_common asinh_f32;
    acosh acosh_common acosh_f32;
    atanh atanh_common atanh_f32;
    cbrt cbrt_common cbrt_f32;
    rsqrt rsqrt_common rsqrt_f32;
    lgamma lgamma_common lgamma_f32;
    sigmoid sigmoid_common sigmoid_f32 sigmoid_short_common;
    softplus softplus_common softplus_f32;
    silu silu_common silu_f32 silu_short_common;
    gelu_tanh gelu_tanh_common gelu_tanh_f32;
    gelu_erf gelu_erf_common gelu_erf_f32;
    normal_cdf normal_cdf_common normal_cdf_f32;
    erf erf_common erf_f32;
    erfc erfc_common erfc_f32;
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    fn same_f64(name: &str, x: f64, got: f64, want: f64) {
        let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
        assert!(same, "{name} of {x:e}: {got:e}, one by one {want:e}");
    }

    /// Numbers of every kind, ordinary ones most of all.
    fn all_kinds() -> Vec<f64> {
        let mut seed = 1u64;
        let mut draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 11
        };
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            5e-324,
            -5e-324,
            1e-310,
            1e-9,
            -1e-12,
            0.125,
            -0.125,
            22.0,
            708.0,
            -708.5,
            -745.0,
            709.9,
            1e300,
            -1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            -f64::NAN,
            std::f64::consts::PI,
            std::f64::consts::FRAC_PI_2,
            1e22,
            355.0,
        ];
        (0..25_000)
            .map(|_| match draw() % 10 {
                0 => special[draw() as usize % special.len()],
                1 => f64::from_bits(draw() << 11 | draw() & 2047),
                2 => (draw() as f64 / (1u64 << 52) as f64 - 1.0) * 1e-3,
                3 => (draw() as f64 / (1u64 << 52) as f64 - 1.0) * 800.0,
                4 => (draw() as f64 / (1u64 << 52) as f64 - 1.0) * 1e6,
                5 => draw() as f64 / (1u64 << 52) as f64 - 1.0,
                6 => 1.0 + (draw() as f64 / (1u64 << 52) as f64 - 1.0) * 1e-3,
                _ => (draw() as f64 / (1u64 << 52) as f64 - 1.0) * 20.0,
            })
            .collect()
    }

    /// Runs a form on stretches of every short length and two long ones, against the function of one.
    fn compare<T: Copy + Into<f64> + Default>(
        name: &str,
        numbers: &[T],
        one: fn(T) -> T,
        form: impl Fn(&[T], &mut [T]),
    ) {
        let mut start = 0;
        for n in (0..40).chain([1000, numbers.len() - 40 * 20 - 1000]) {
            let x = &numbers[start..start + n];
            start += n;
            let mut out = vec![T::default(); n];
            form(x, &mut out);
            for (&x, &got) in x.iter().zip(&out) {
                // A number of f32 is one of f64, sign of zero and all.
                same_f64(name, x.into(), got.into(), one(x).into());
            }
        }
    }

    macro_rules! every_function {
        ($go:ident) => {
            $go!(exp exp_f32, exp2 exp2_f32, expm1 expm1_f32, log log_f32, log1p log1p_f32, log2 log2_f32, sinh sinh_f32,
 cosh cosh_f32, asinh asinh_f32, acosh acosh_f32, cbrt cbrt_f32, lgamma lgamma_f32, rsqrt rsqrt_f32, tan tan_f32, asin asin_f32, acos acos_f32, atan atan_f32, atanh atanh_f32, sin sin_f32,
                cos cos_f32, tanh tanh_f32, sigmoid sigmoid_f32, softplus softplus_f32, silu silu_f32, gelu_tanh gelu_tanh_f32,
                gelu_erf gelu_erf_f32, normal_cdf normal_cdf_f32, erf erf_f32, erfc erfc_f32)
        };
    }

    #[test]
    fn many_at_once_are_one_by_one() {
        let numbers = all_kinds();
        let narrow: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
        macro_rules! go {
            ($($name:ident $narrow:ident),*) => {$(
                let f = many(stringify!($name)).expect(stringify!($name));
                // SAFETY: both slices have as many elements.
                compare(f.name, &numbers, $name, |x, out| unsafe { (f.wide)(x.len(), x.as_ptr(), out.as_mut_ptr()) });
                // SAFETY: both slices have as many elements.
                compare(f.name, &narrow, $narrow, |x, out| unsafe { (f.narrow)(x.len(), x.as_ptr(), out.as_mut_ptr()) });
            )*};
        }
        every_function!(go);
    }

    /// Where there are eight lanes nobody asks for four.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn four_at_once_are_one_by_one() {
        if !(std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")) {
            return;
        }
        let numbers = all_kinds();
        let narrow: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
        macro_rules! go {
            ($($name:ident $narrow:ident),*) => {$(
                // SAFETY: the CPU has both features.
                compare(stringify!($name), &numbers, $name, |x, out| unsafe { super::$name::four(x, out) });
                // SAFETY: the CPU has both features.
                compare(stringify!($narrow), &narrow, $narrow, |x, out| unsafe { super::$name::four_f32(x, out) });
            )*};
        }
        every_function!(go);
    }
}
