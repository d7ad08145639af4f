//! Target and flags of the two tiers.

use crate::jit::JitError;
use crate::program::{Checks, Tier};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};

/// The machine at hand for both kinds of chunks.
pub struct Targets {
    /// For chunks with loops.
    pub looping: OwnedTargetIsa,
    /// For chunks of nothing but scalars, stores and calls.
    pub straight: OwnedTargetIsa,
}

impl Targets {
    /// With the flags of a tier. `pinned`: stores stand all over the straight chunks.
    ///
    /// What Cranelift's optimiser does for straight-line code the lowering has done, and
    /// it moves every computation down to the first store that needs it. Where some are
    /// needed by stores at the end only (a sum of terms), whatever they are made of has
    /// to be kept until then: 10,000 variables of Rosenbrock took half as long again.
    pub fn new(tier: Tier, checks: Checks, pinned: bool) -> Result<Targets, JitError> {
        let (level, allocator) = match tier {
            Tier::Fast => ("none", "single_pass"),
            Tier::Full => ("speed", "backtracking"),
        };
        let looping = target(level, allocator, checks)?;
        let straight = if pinned { target("none", allocator, checks)? } else { looping.clone() };
        Ok(Targets { looping, straight })
    }
}

fn target(level: &str, allocator: &str, checks: Checks) -> Result<OwnedTargetIsa, JitError> {
    let mut flags = settings::builder();
    let mut set = |name: &str, value: &str| {
        flags.set(name, value).map_err(|error| JitError::Codegen(format!("flag {name}: {error}")))
    };
    set("opt_level", level)?;
    set("regalloc_algorithm", allocator)?;
    set("is_pic", "false")?;
    set("use_colocated_libcalls", "false")?;
    set("unwind_info", "false")?;
    set("enable_verifier", if checks == Checks::On { "true" } else { "false" })?;
    let builder = cranelift_native::builder().map_err(|why| JitError::Host(why.into()))?;
    builder.finish(settings::Flags::new(flags)).map_err(|error| JitError::Codegen(error.to_string()))
}

/// Whether a fused multiply-add is one instruction on this machine.
pub fn has_fma() -> bool {
    cotangent_runtime::math::has_fma()
}

/// Whether rounding to an integer is one instruction on this machine.
pub fn has_rounding() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("sse4.1")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        cfg!(target_arch = "aarch64")
    }
}
