//! Learning rates by step.

use crate::optim::error::OptimError;
use cotangent_runtime::math;
use std::f64::consts::PI;

/// The learning rate as a function of the number of steps taken before. Rates are
/// computed in `f64` and rounded once to the element type.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Schedule {
    /// Always the same.
    Constant { rate: f64 },
    /// `rate gamma^t`
    Exponential { rate: f64, gamma: f64 },
    /// `rate gamma^floor(t / size)`, constant if `size` is 0. PyTorch's `StepLR`.
    Step { rate: f64, gamma: f64, size: u64 },
    /// From `max` to `min` on half a cosine over `steps`, then `min`.
    CosineAnnealing { max: f64, min: f64, steps: u64 },
    /// The same cosine, going on and up again. PyTorch's `CosineAnnealingLR`.
    CosineWave { max: f64, min: f64, steps: u64 },
    /// `start + t / steps (target - start)`, then `target`.
    LinearWarmup { start: f64, target: f64, steps: u64 },
    /// [`Schedule::LinearWarmup`] from `start` to `peak` over `warmup` steps, then
    /// [`Schedule::CosineAnnealing`] to `end` at step `total`.
    WarmupCosine { start: f64, peak: f64, end: f64, warmup: u64, total: u64 },
    /// From `base` up to `max` in `up` steps and down again in `down`, over and over
    /// (Smith 2017). PyTorch's `CyclicLR`.
    Cyclic { base: f64, max: f64, up: u64, down: u64, cycle: Cycle },
    /// From `start` up to `max` over the share `warm` of `total` steps, then down to
    /// `end` at the last of them (Smith, Topin 2018). PyTorch's `OneCycleLR`.
    OneCycle { start: f64, max: f64, end: f64, total: u64, warm: f64, anneal: Anneal },
}

/// How the height of a cycle changes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Cycle {
    /// It does not.
    Triangular,
    /// Each cycle is half as high as the one before.
    Triangular2,
    /// It falls by this factor with each step.
    ExpRange { gamma: f64 },
}

/// The form of a passage from one rate to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anneal {
    /// A straight line.
    Linear,
    /// Half a cosine.
    Cosine,
}

impl Anneal {
    /// `share` of the way from `from` to `to`.
    fn between(self, from: f64, to: f64, share: f64) -> f64 {
        match self {
            Anneal::Linear => from + share * (to - from),
            Anneal::Cosine => to + (from - to) * (1.0 + math::cos(PI * share)) / 2.0,
        }
    }
}

impl Schedule {
    /// [`Schedule::Constant`].
    pub fn constant(rate: f64) -> Schedule {
        Schedule::Constant { rate }
    }

    /// [`Schedule::OneCycle`] with PyTorch's defaults: from a 25th of `max` over 30 % of
    /// the steps, to a 10,000th of where it began, on cosines.
    pub fn one_cycle(max: f64, total: u64) -> Schedule {
        let start = max / 25.0;
        Schedule::OneCycle { start, max, end: start / 1e4, total, warm: 0.3, anneal: Anneal::Cosine }
    }

    /// The rate of the step that follows `t` others.
    pub fn rate(&self, t: u64) -> f64 {
        let at = t as f64;
        match *self {
            Schedule::Constant { rate } => rate,
            Schedule::Exponential { rate, gamma } => rate * power(gamma, t),
            Schedule::Step { rate, gamma, size } => rate * power(gamma, t.checked_div(size).unwrap_or(0)),
            Schedule::CosineAnnealing { max, min, steps } => {
                if t < steps {
                    Anneal::Cosine.between(max, min, at / steps as f64)
                } else {
                    min
                }
            }
            Schedule::CosineWave { max, min, steps } => {
                // The cosine repeats after two passages; a small angle is an exact one.
                let wrapped = (t % steps.saturating_mul(2).max(1)) as f64;
                Anneal::Cosine.between(max, min, wrapped / steps.max(1) as f64)
            }
            Schedule::LinearWarmup { start, target, steps } => {
                if t < steps {
                    Anneal::Linear.between(start, target, at / steps as f64)
                } else {
                    target
                }
            }
            Schedule::WarmupCosine { start, peak, end, warmup, total } => {
                if t < warmup {
                    Schedule::LinearWarmup { start, target: peak, steps: warmup }.rate(t)
                } else {
                    let steps = total.saturating_sub(warmup);
                    Schedule::CosineAnnealing { max: peak, min: end, steps }.rate(t - warmup)
                }
            }
            Schedule::Cyclic { base, max, up, down, cycle } => {
                let total = up.saturating_add(down).max(1);
                let (round, within) = (t / total, t % total);
                let height = if within < up {
                    within as f64 / up as f64
                } else {
                    (total - within) as f64 / down.max(1) as f64
                };
                let factor = match cycle {
                    Cycle::Triangular => 1.0,
                    Cycle::Triangular2 => power(0.5, round),
                    Cycle::ExpRange { gamma } => power(gamma, t),
                };
                base + (max - base) * height * factor
            }
            Schedule::OneCycle { start, max, end, total, warm, anneal } => {
                let last = total.saturating_sub(1) as f64;
                let top = (warm * total as f64 - 1.0).clamp(0.0, last);
                if at >= last && last > top {
                    end
                } else if at <= top {
                    anneal.between(start, max, if top > 0.0 { at / top } else { 1.0 })
                } else if last > top {
                    anneal.between(max, end, (at - top) / (last - top))
                } else {
                    max
                }
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), OptimError> {
        let rates: &[(&'static str, f64)] = &match *self {
            Schedule::Constant { rate } => [("rate", rate); 3],
            Schedule::Exponential { rate, gamma } | Schedule::Step { rate, gamma, .. } => {
                [("rate", rate), ("gamma", gamma), ("gamma", gamma)]
            }
            Schedule::CosineAnnealing { max, min, .. } | Schedule::CosineWave { max, min, .. } => {
                [("max", max), ("min", min), ("min", min)]
            }
            Schedule::LinearWarmup { start, target, .. } => {
                [("start", start), ("target", target), ("target", target)]
            }
            Schedule::WarmupCosine { start, peak, end, .. } => {
                [("start", start), ("peak", peak), ("end", end)]
            }
            Schedule::Cyclic { base, max, cycle, .. } => {
                let gamma = if let Cycle::ExpRange { gamma } = cycle { gamma } else { 1.0 };
                [("base", base), ("max", max), ("gamma", gamma)]
            }
            Schedule::OneCycle { start, max, end, .. } => [("start", start), ("max", max), ("end", end)],
        };
        for &(name, value) in rates {
            OptimError::check(value.is_finite() && value >= 0.0, name, "finite and not negative", value)?;
        }
        match *self {
            Schedule::OneCycle { warm, .. } => {
                OptimError::check((0.0..=1.0).contains(&warm), "warm", "in [0, 1]", warm)
            }
            _ => Ok(()),
        }
    }
}

/// `x^n` by repeated squaring.
fn power(mut x: f64, mut n: u64) -> f64 {
    let mut result = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            result *= x;
        }
        x *= x;
        n >>= 1;
    }
    result
}
