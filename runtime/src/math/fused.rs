//! Fused multiply-add: one rounding, by instruction where the CPU has it.

/// Whether the CPU multiplies and adds in one instruction.
///
/// The answer is cached, so asking costs a load.
#[inline]
pub fn has_fma() -> bool {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    {
        std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
    {
        cfg!(target_arch = "aarch64")
    }
}

macro_rules! fused {
    ($($(#[$doc:meta])* $name:ident, $hardware:ident, $float:ty, $libm:ident;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name(a: $float, b: $float, c: $float) -> $float {
            #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
            if has_fma() {
                // SAFETY: the CPU has the instruction.
                return unsafe { $hardware(a, b, c) };
            }
            #[cfg(target_arch = "aarch64")]
            {
                a.mul_add(b, c)
            }
            #[cfg(not(target_arch = "aarch64"))]
            {
                libm::$libm(a, b, c)
            }
        }

        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        #[target_feature(enable = "fma")]
        #[inline]
        fn $hardware(a: $float, b: $float, c: $float) -> $float {
            a.mul_add(b, c)
        })*
    };
}

fused! {
    /// `a * b + c` with one rounding.
    fma, fma_hardware, f64, fma;
    /// `a * b + c` with one rounding, in `f32`.
    fma_f32, fma_hardware_f32, f32, fmaf;
}

/// Functions whose code is made twice, so that `fma` is an instruction inside where there is one.
macro_rules! where_fused {
    ($($(#[$doc:meta])* $name:ident($x:ident) = $body:block;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name($x: f64) -> f64 {
            #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
            if $crate::math::has_fma() {
                #[target_feature(enable = "fma")]
                fn fused($x: f64) -> f64 $body
                // SAFETY: the CPU has the instruction.
                return unsafe { fused($x) };
            }
            $body
        })*
    };
}
pub(super) use where_fused;
