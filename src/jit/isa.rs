//! Target and flags of the two tiers.

use crate::jit::JitError;
use crate::program::{Checks, Tier};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};

/// The machine at hand, with the flags of a tier.
pub fn target(tier: Tier, checks: Checks) -> Result<OwnedTargetIsa, JitError> {
    let mut flags = settings::builder();
    let mut set = |name: &str, value: &str| {
        flags.set(name, value).map_err(|error| JitError::Codegen(format!("flag {name}: {error}")))
    };
    let (level, allocator) = match tier {
        Tier::Fast => ("none", "single_pass"),
        Tier::Full => ("speed", "backtracking"),
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
