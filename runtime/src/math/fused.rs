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

/// A number for which `fma` is an instruction. It is only made where the CPU has that.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
#[derive(Clone, Copy)]
pub struct Fused(f64);

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
mod operators {
    use super::Fused;
    use std::ops::{Add, Div, Mul, Neg, Sub};

    macro_rules! operators {
        ($($Trait:ident $method:ident)*) => {
            $(impl $Trait for Fused {
                type Output = Fused;

                #[inline(always)]
                fn $method(self, other: Fused) -> Fused {
                    Fused(self.0.$method(other.0))
                }
            })*
        };
    }

    operators!(Add add Sub sub Mul mul Div div);

    impl Neg for Fused {
        type Output = Fused;

        #[inline(always)]
        fn neg(self) -> Fused {
            Fused(-self.0)
        }
    }

    impl crate::math::lanes::One for Fused {
        #[inline(always)]
        fn new(x: f64) -> Fused {
            Fused(x)
        }

        #[inline(always)]
        fn get(self) -> f64 {
            self.0
        }

        #[inline(always)]
        fn fused(self, factor: Fused, term: Fused) -> Fused {
            Fused(self.0.mul_add(factor.0, term.0))
        }

        #[inline(always)]
        fn in_two(self, factor: Fused) -> (Fused, Fused) {
            let high = self * factor;
            (high, self.fused(factor, -high))
        }
    }
}

/// Functions `name(x, ..) = common, far`: the value of a function of lanes where its mask says that it
/// is good, else another expression. The code of the former is made twice, so that `fma` is an
/// instruction in it where there is one.
macro_rules! where_fused {
    ($($(#[$doc:meta])* $name:ident($($x:ident),+) = $common:ident, $far:expr;)*) => {
        $($(#[$doc])*
        #[inline]
        pub fn $name($($x: f64),+) -> f64 {
            use $crate::math::lanes::One;
            #[cold]
            #[inline(never)]
            fn far($($x: f64),+) -> f64 {
                $far
            }
            #[inline(always)]
            fn by<V: One>($($x: f64),+) -> f64 {
                let (y, good) = $common($(V::new($x)),+);
                if good { y.get() } else { far($($x),+) }
            }
            #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
            if $crate::math::has_fma() {
                #[target_feature(enable = "fma")]
                fn fused($($x: f64),+) -> f64 {
                    by::<$crate::math::fused::Fused>($($x),+)
                }
                // SAFETY: the CPU has the instruction.
                return unsafe { fused($($x),+) };
            }
            // Apart, so that its registers are not saved where it is not called.
            #[inline(never)]
            fn plain($($x: f64),+) -> f64 {
                by::<f64>($($x),+)
            }
            plain($($x),+)
        })*
    };
}
pub(super) use where_fused;
