//! The entry points compiled code may call, by name.

use crate::{array, index, math, matmul, overlap, random};

macro_rules! scalar_rows {
    ($($args:tt { $($wide:ident $narrow:ident = $f64:ident $f32:ident;)* })*) => {
        $($(scalar_rows!(@one $args $wide $f64 f64); scalar_rows!(@one $args $narrow $f32 f32);)*)*

        /// Wrappers of the scalar functions.
        static SCALAR: &[Symbol] = &[$($(
            Symbol(stringify!($f64), $f64 as *const u8),
            Symbol(stringify!($f32), $f32 as *const u8),
        )*)*];
    };
    (@one ($($x:ident),*) $f:ident $entry:ident $T:ident) => {
        extern "C" fn $entry($($x: $T),*) -> $T {
            math::$f($($x),*)
        }
    };
}

/// A name and an address.
struct Symbol(&'static str, *const u8);

// SAFETY: the addresses are those of functions, which every thread may call.
unsafe impl Sync for Symbol {}

scalar_rows! {
    (x) {
        exp exp_f32 = ct_exp_f64 ct_exp_f32;
        exp2 exp2_f32 = ct_exp2_f64 ct_exp2_f32;
        expm1 expm1_f32 = ct_expm1_f64 ct_expm1_f32;
        log log_f32 = ct_log_f64 ct_log_f32;
        log1p log1p_f32 = ct_log1p_f64 ct_log1p_f32;
        log2 log2_f32 = ct_log2_f64 ct_log2_f32;
        sin sin_f32 = ct_sin_f64 ct_sin_f32;
        cos cos_f32 = ct_cos_f64 ct_cos_f32;
        tan tan_f32 = ct_tan_f64 ct_tan_f32;
        asin asin_f32 = ct_asin_f64 ct_asin_f32;
        acos acos_f32 = ct_acos_f64 ct_acos_f32;
        atan atan_f32 = ct_atan_f64 ct_atan_f32;
        sinh sinh_f32 = ct_sinh_f64 ct_sinh_f32;
        cosh cosh_f32 = ct_cosh_f64 ct_cosh_f32;
        tanh tanh_f32 = ct_tanh_f64 ct_tanh_f32;
        asinh asinh_f32 = ct_asinh_f64 ct_asinh_f32;
        acosh acosh_f32 = ct_acosh_f64 ct_acosh_f32;
        atanh atanh_f32 = ct_atanh_f64 ct_atanh_f32;
        cbrt cbrt_f32 = ct_cbrt_f64 ct_cbrt_f32;
        erf erf_f32 = ct_erf_f64 ct_erf_f32;
        erfc erfc_f32 = ct_erfc_f64 ct_erfc_f32;
        lgamma lgamma_f32 = ct_lgamma_f64 ct_lgamma_f32;
        sigmoid sigmoid_f32 = ct_sigmoid_f64 ct_sigmoid_f32;
        softplus softplus_f32 = ct_softplus_f64 ct_softplus_f32;
        sign sign_f32 = ct_sign_f64 ct_sign_f32;
        rsqrt rsqrt_f32 = ct_rsqrt_f64 ct_rsqrt_f32;
        floor floor_f32 = ct_floor_f64 ct_floor_f32;
        ceil ceil_f32 = ct_ceil_f64 ct_ceil_f32;
        round_even round_even_f32 = ct_round_even_f64 ct_round_even_f32;
        normal_cdf normal_cdf_f32 = ct_normal_cdf_f64 ct_normal_cdf_f32;
        silu silu_f32 = ct_silu_f64 ct_silu_f32;
        gelu_erf gelu_erf_f32 = ct_gelu_erf_f64 ct_gelu_erf_f32;
        gelu_tanh gelu_tanh_f32 = ct_gelu_tanh_f64 ct_gelu_tanh_f32;
    }
    (x, y) {
        atan2 atan2_f32 = ct_atan2_f64 ct_atan2_f32;
        pow pow_f32 = ct_pow_f64 ct_pow_f32;
        hypot hypot_f32 = ct_hypot_f64 ct_hypot_f32;
        polygamma polygamma_f32 = ct_polygamma_f64 ct_polygamma_f32;
        maximum maximum_f32 = ct_maximum_f64 ct_maximum_f32;
        minimum minimum_f32 = ct_minimum_f64 ct_minimum_f32;
    }
    (a, b, c) {
        fma fma_f32 = ct_fma_f64 ct_fma_f32;
    }
}

macro_rules! array_rows {
    ($($name:literal = $f:expr;)*) => {
        /// The array functions.
        static ARRAY: &[Symbol] = &[$(Symbol($name, $f as *const u8),)*];
    };
}

array_rows! {
    "ct_matmul_f64" = matmul::matmul_f64;
    "ct_matmul_f32" = matmul::matmul_f32;
    "ct_gather_f64" = index::gather_f64;
    "ct_gather_f32" = index::gather_f32;
    "ct_gather_i64" = index::gather_i64;
    "ct_gather_u8" = index::gather_u8;
    "ct_take_along_f64" = index::take_along_f64;
    "ct_take_along_f32" = index::take_along_f32;
    "ct_take_along_i64" = index::take_along_i64;
    "ct_take_along_u8" = index::take_along_u8;
    "ct_scatter_add_f64" = index::scatter_add_f64;
    "ct_scatter_add_f32" = index::scatter_add_f32;
    "ct_put_along_add_f64" = index::put_along_add_f64;
    "ct_put_along_add_f32" = index::put_along_add_f32;
    "ct_overlap_add_f64" = overlap::overlap_add_f64;
    "ct_overlap_add_f32" = overlap::overlap_add_f32;
    "ct_cumulative_sum_f64" = array::cumulative_sum_f64;
    "ct_cumulative_sum_f32" = array::cumulative_sum_f32;
    "ct_recurrence_f64" = array::recurrence_f64;
    "ct_recurrence_f32" = array::recurrence_f32;
    "ct_triangular_solve_f64" = array::triangular_solve_f64;
    "ct_triangular_solve_f32" = array::triangular_solve_f32;
    "ct_solve_f64" = array::solve_f64;
    "ct_solve_f32" = array::solve_f32;
    "ct_cholesky_f64" = array::cholesky_f64;
    "ct_cholesky_f32" = array::cholesky_f32;
    "ct_det_f64" = array::det_f64;
    "ct_det_f32" = array::det_f32;
    "ct_logabsdet_f64" = array::logabsdet_f64;
    "ct_logabsdet_f32" = array::logabsdet_f32;
    "ct_cofactor_f64" = array::cofactor_f64;
    "ct_cofactor_f32" = array::cofactor_f32;
    "ct_argsort_f64" = array::argsort_f64;
    "ct_argsort_f32" = array::argsort_f32;
    "ct_argsort_i64" = array::argsort_i64;
    "ct_random_bits" = random::random_bits;
}

/// The address of an entry point.
pub fn lookup(name: &str) -> Option<*const u8> {
    entries().find(|entry| entry.0 == name).map(|entry| entry.1)
}

/// Every entry point, with its address.
pub fn all() -> Vec<(&'static str, *const u8)> {
    entries().collect()
}

fn entries() -> impl Iterator<Item = (&'static str, *const u8)> {
    let single = SCALAR.iter().chain(ARRAY).map(|s| (s.0, s.1));
    let many = math::all_many().iter().flat_map(math::Many::entries);
    single.chain(many).chain(math::all_pairs().iter().flat_map(math::Pairs::entries))
}
