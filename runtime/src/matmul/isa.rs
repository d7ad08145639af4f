//! Which kernels this CPU can run.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set with kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Isa {
    /// Whatever the target always has; software fused multiply-adds where need be.
    Portable = 1,
    /// AVX2 with FMA: four `f64` a vector.
    Avx2 = 2,
    /// AVX-512F: eight `f64` a vector.
    Avx512 = 3,
}

impl Isa {
    /// Every instruction set, slowest first.
    pub const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    /// Whether this CPU has it.
    pub fn available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => std::arch::is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The fastest this CPU has, found once.
    #[inline]
    pub fn best() -> Isa {
        static BEST: AtomicU8 = AtomicU8::new(0);
        match BEST.load(Ordering::Relaxed) {
            1 => Isa::Portable,
            2 => Isa::Avx2,
            3 => Isa::Avx512,
            _ => {
                let best = Isa::ALL.into_iter().rev().find(|i| i.available());
                let best = best.unwrap_or(Isa::Portable);
                BEST.store(best as u8, Ordering::Relaxed);
                best
            }
        }
    }
}
