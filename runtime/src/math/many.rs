//! Functions of many numbers: what nearly all numbers take goes side by side through the widest
//! vectors of the CPU, the rest through the function of one number. That is the same code, so it
//! gives the same bits.

use super::basic::{sigmoid_common, softplus_common};
use super::exp::{exp_common, exp2_common, expm1_common, tanh_common};
use super::gated::silu_common;
use super::log::{log_common, log1p_common};
use super::trig::{cos_common, sin_common};

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

/// What both element types share: arrays of them to lanes and back.
macro_rules! groups {
    ($x:ident, $out:ident, $V:ident, $N:literal, $load:ident, $store:ident, $common:ident, $one:path) => {{
        let (groups, rest) = $x.as_chunks::<$N>();
        let (sinks, rest_out) = $out.as_chunks_mut::<$N>();
        for (group, sink) in groups.iter().zip(sinks) {
            let (y, fine) = $common($V::$load(group));
            y.$store(sink);
            let mut others = $V::others(fine);
            while others != 0 {
                let i = others.trailing_zeros() as usize % $N;
                sink[i] = $one(group[i]);
                others &= others - 1;
            }
        }
        if !rest.is_empty() {
            // Numbers that nobody looks at fill the last group.
            let (mut group, mut sink) = ([rest[0]; $N], [rest[0]; $N]);
            group[..rest.len()].copy_from_slice(rest);
            let (y, fine) = $common($V::$load(&group));
            y.$store(&mut sink);
            rest_out.copy_from_slice(&sink[..rest.len()]);
            let others = $V::others(fine);
            for (i, (out, &x)) in rest_out.iter_mut().zip(rest).enumerate() {
                if others >> i & 1 != 0 {
                    *out = $one(x);
                }
            }
        }
    }};
}

macro_rules! forms {
    ($($name:ident $common:ident $narrow:ident;)*) => {
        static MANY: &[Many] = &[$(Many {
            name: stringify!($name),
            symbols: [concat!("ct_many_", stringify!($name), "_f64"), concat!("ct_many_", stringify!($name), "_f32")],
            wide: $name::f64,
            narrow: $name::f32,
        },)*];

        $(mod $name {
            use super::*;
            forms!(@ f64 $common super::super::$name load store);
            forms!(@ f32 $common super::super::$narrow load_f32 store_f32);
        })*
    };
    (@ $T:ident $common:ident $($one:ident)::+ $load:ident $store:ident) => {
        pub unsafe extern "C" fn $T(n: usize, x: *const $T, out: *mut $T) {
            // SAFETY: the caller gives the numbers and as much room, apart from each other.
            let (x, out) = unsafe { (std::slice::from_raw_parts(x, n), std::slice::from_raw_parts_mut(out, n)) };
            #[cfg(target_arch = "x86_64")]
            {
                use super::super::wide::{Eight, Four};

                #[target_feature(enable = "avx512f")]
                fn eight(x: &[$T], out: &mut [$T]) {
                    groups!(x, out, Eight, 8, $load, $store, $common, $($one)::+)
                }

                #[target_feature(enable = "avx2")]
                fn four(x: &[$T], out: &mut [$T]) {
                    groups!(x, out, Four, 4, $load, $store, $common, $($one)::+)
                }

                if std::arch::is_x86_feature_detected!("avx512f") {
                    // SAFETY: the CPU has the feature.
                    return unsafe { eight(x, out) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has the feature.
                    return unsafe { four(x, out) };
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
    sin sin_common sin_f32;
    cos cos_common cos_f32;
    tanh tanh_common tanh_f32;
    sigmoid sigmoid_common sigmoid_f32;
    softplus softplus_common softplus_f32;
    silu silu_common silu_f32;
}
