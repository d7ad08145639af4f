//! The `f32` forms: evaluated in `f64`, rounded once. A form `short` has some `2^-44` of error, which
//! `f32` does not see.

macro_rules! narrow {
    ($($name:ident = $wide:ident($($x:ident),+) $(by $short:ident)?;)*) => {
        $(#[doc = concat!("[`", stringify!($wide), "`](super::", stringify!($wide), ") rounded to `f32`.")]
        #[inline]
        pub fn $name($($x: f32),+) -> f32 {
            narrow!(@ $wide $($short)?)($(f64::from($x)),+) as f32
        })*
    };
    (@ $wide:ident) => { super::$wide };
    (@ $wide:ident $short:ident) => { super::$short };
}

narrow! {
    exp_f32 = exp(x);
    exp2_f32 = exp2(x);
    expm1_f32 = expm1(x);
    log_f32 = log(x);
    log1p_f32 = log1p(x);
    log2_f32 = log2(x);
    sin_f32 = sin(x);
    cos_f32 = cos(x);
    tan_f32 = tan(x);
    asin_f32 = asin(x);
    acos_f32 = acos(x);
    atan_f32 = atan(x);
    atan2_f32 = atan2(y, x);
    sinh_f32 = sinh(x);
    cosh_f32 = cosh(x);
    tanh_f32 = tanh(x) by tanh_short;
    asinh_f32 = asinh(x);
    acosh_f32 = acosh(x);
    atanh_f32 = atanh(x);
    pow_f32 = pow(x, y);
    cbrt_f32 = cbrt(x);
    erf_f32 = erf(x);
    erfc_f32 = erfc(x);
    hypot_f32 = hypot(x, y);
    lgamma_f32 = lgamma(x);
    sigmoid_f32 = sigmoid(x) by sigmoid_short;
    softplus_f32 = softplus(x);
    maximum_f32 = maximum(x, y);
    minimum_f32 = minimum(x, y);
    sign_f32 = sign(x);
    rsqrt_f32 = rsqrt(x);
    floor_f32 = floor(x);
    ceil_f32 = ceil(x);
    round_even_f32 = round_even(x);
    normal_cdf_f32 = normal_cdf(x);
    silu_f32 = silu(x) by silu_short;
    gelu_erf_f32 = gelu_erf(x);
    gelu_tanh_f32 = gelu_tanh(x);
    polygamma_f32 = polygamma(order, x);
}
