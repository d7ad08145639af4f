//! High-order central differences of the value of a node along a direction,
//! against what its JVP rule says.
//!
//! With step h the eighth-order difference
//!
//! ```text
//! D8 = sum_j c_j (f(x + j h dx) - f(x - j h dx)) / h,   c = 4/5, -1/5, 4/105, -1/280
//! ```
//!
//! is off by h^8 f^(9) / 630 and by rounding, some eps F / h for values of size
//! F. Neither constant is known, so steps from 1/8 down to 2^-25 are tried; the
//! sixth-order difference D6 from the same values and the D8 of the next step
//! tell how good D8 is: how far they are from it is an estimate of errors larger
//! than its own. For each element the step with the least estimate counts.
//!
//! A kink shows where the slopes of the two sides differ by as much at a small
//! step as at a large one: of a smooth function that distance is h f''.

use crate::check::point::as_wide;
use crate::check::single::Single;
use crate::check::source::{Rng, Source};
use crate::tape::{Data, Native, Tape, Tensor};

const EIGHTH: [f64; 4] = [4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0];
const SIXTH: [f64; 3] = [3.0 / 4.0, -3.0 / 20.0, 1.0 / 60.0];
/// Steps 2^-3, 2^-5, ..., 2^-25.
const STEPS: u32 = 12;
/// Estimates are trusted up to this factor.
const SAFETY: f64 = 50.0;
/// Roundings that a value and its argument are granted.
const ROUNDINGS: f64 = 8.0;
/// A rule may be off by this much of its own size without being noticed: what
/// values of limited accuracy (1e-13 or so) leave of a difference.
const RELATIVE: f64 = 1e-8;
/// An element whose tolerance is more than this part of its size says nothing.
const RESOLVED: f64 = 1e-3;

/// What the differences of one node at one point say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Elements that agree.
    pub agree: usize,
    /// Elements at a kink or a jump, where there is no derivative.
    pub kinks: usize,
    /// Elements whose differences do not settle.
    pub unsettled: usize,
    /// The largest error found, as part of the largest tangent.
    pub worst: f64,
    /// The first element that differs: result, position, by rule, by differences.
    pub differs: Option<(usize, usize, f64, f64)>,
}

/// A direction of about the size of the numbers, no component near zero.
pub fn direction(x: &Tensor, rng: &mut Rng) -> Option<Tensor> {
    if !x.ty().dtype.is_float() {
        return None;
    }
    let numbers = x.to_f64();
    let largest = numbers.iter().filter(|v| v.is_finite()).fold(0.0, |a: f64, v| a.max(v.abs()));
    let least = if largest == 0.0 { 1.0 } else { 0.1 * largest };
    let moved = numbers.iter().map(|v| {
        let part = (256 + rng.below(769)) as f64 / 1024.0;
        let size = if v.is_finite() { v.abs().max(least) } else { 0.0 };
        if rng.chance(1, 2) { size * part } else { -size * part }
    });
    Tensor::new(x.ty().shape.clone(), Data::F64(moved.collect()))
}

/// A direction stretched by a factor.
pub fn scaled(dx: &Tensor, factor: f64) -> Option<Tensor> {
    let stretched = dx.to_f64().into_iter().map(|x| factor * x).collect();
    Tensor::new(dx.ty().shape.clone(), Data::F64(stretched))
}

/// The results at x + step dx; `None` where the node refuses.
fn values(single: &Single, x: &[Tensor], dx: &[Option<Tensor>], step: f64) -> Option<Vec<Vec<f64>>> {
    let shifted = x.iter().zip(dx).map(|(x, dx)| {
        let x = as_wide(x);
        let Some(dx) = dx else { return Some(x) };
        let sum =
            x.to_f64().into_iter().zip(dx.to_f64()).map(|(x, dx)| if dx == 0.0 { x } else { x + step * dx });
        Tensor::new(x.ty().shape.clone(), Data::F64(sum.collect()))
    });
    let tape = Tape::<Native>::compile(&single.wide, shifted.collect::<Option<_>>()?).ok()?;
    Some(tape.outputs().iter().map(Tensor::to_f64).collect())
}

/// What is known of one element.
#[derive(Clone, Copy)]
struct Element {
    derivative: f64,
    error: f64,
    /// Of the last two steps D8 with what is known of its error.
    last: [(f64, f64); 2],
    /// One-sided slopes' distances with their rounding errors, from large steps
    /// to small ones.
    jumps: [(f64, f64); STEPS as usize],
}

const UNKNOWN: Element = Element {
    derivative: f64::NAN,
    error: f64::INFINITY,
    last: [(f64::NAN, f64::INFINITY); 2],
    jumps: [(f64::NAN, 0.0); STEPS as usize],
};

impl Element {
    /// Whether the slopes of the two sides stay apart.
    fn is_kink(&self, scale: f64) -> bool {
        let seen = |&&(jump, noise): &&(f64, f64)| jump.is_finite() && jump > SAFETY * noise;
        let seen: Vec<f64> = self.jumps.iter().filter(seen).map(|j| j.0).collect();
        match seen.as_slice() {
            // Three steps down a smooth function's would be 1/64.
            [.., before, _, _, last] => *last > 0.25 * before && *last > 1e-6 * scale,
            _ => false,
        }
    }
}

/// Compares `by_rule`, the tangents of the results along `dx`, each known up to
/// `noise`, with differences at `x`.
pub fn compare(
    single: &Single,
    x: &[Tensor],
    dx: &[Option<Tensor>],
    by_rule: &[Vec<f64>],
    noise: &[Vec<f64>],
) -> Option<Compared> {
    let centre = values(single, x, dx, 0.0)?;
    let mut known: Vec<Vec<Element>> = centre.iter().map(|v| vec![UNKNOWN; v.len()]).collect();
    let largest = by_rule.iter().flatten().filter(|t| t.is_finite()).fold(0.0, |a: f64, t| a.max(t.abs()));
    for k in 0..STEPS {
        let h = 0.125 * 0.25f64.powi(k as i32);
        let at = |j: i32| values(single, x, dx, f64::from(j) * h);
        let sides: Option<Vec<_>> = (1..=4).map(|j| Some((at(j)?, at(-j)?))).collect();
        let Some(sides) = sides else { continue };
        let mut settled = true;
        for (r, elements) in known.iter_mut().enumerate() {
            for (i, element) in elements.iter_mut().enumerate() {
                let around = |j: usize| (sides[j].0[r][i], sides[j].1[r][i]);
                look(element, k as usize, h, centre[r][i], &[around(0), around(1), around(2), around(3)]);
                let size = largest.max(element.derivative.abs());
                settled &= element.error <= 1e-9 * size || !centre[r][i].is_finite();
            }
        }
        // Two more steps than needed, to tell kinks.
        if settled && k >= 4 {
            break;
        }
    }
    Some(judge(&centre, &known, by_rule, noise))
}

/// What one step says of one element.
fn look(element: &mut Element, k: usize, h: f64, centre: f64, around: &[(f64, f64); 4]) {
    let eighth: f64 = around.iter().zip(EIGHTH).map(|((a, b), c)| c * (a - b)).sum::<f64>() / h;
    let sixth: f64 = around.iter().zip(SIXTH).map(|((a, b), c)| c * (a - b)).sum::<f64>() / h;
    let size = around.iter().fold(centre.abs(), |s, (a, b)| s.max(a.abs()).max(b.abs()));
    // What underflows is off by a part of the smallest normal number.
    let rounding = ROUNDINGS * (f64::EPSILON * (size + 4.0 * eighth.abs()) + f64::MIN_POSITIVE) / h;
    let [oldest, mut before] = element.last;
    before.1 += (before.0 - eighth).abs();
    // Rounding grows fourfold from step to step. An estimate that grows by more
    // was good by chance.
    let error = oldest.1.max(before.1 / 8.0);
    if oldest.0.is_finite() && before.1.is_finite() && error < element.error {
        (element.derivative, element.error) = (oldest.0, error);
    }
    element.last = [before, (eighth, (eighth - sixth).abs() + rounding)];
    let (right, left) = ((around[0].0 - centre) / h, (centre - around[0].1) / h);
    element.jumps[k] = ((right - left).abs(), rounding);
}

fn judge(centre: &[Vec<f64>], known: &[Vec<Element>], by_rule: &[Vec<f64>], noise: &[Vec<f64>]) -> Compared {
    let mut found = Compared::default();
    let finite = |x: f64| if x.is_finite() { x.abs() } else { 0.0 };
    // Directions are of the size of the operands: so are derivatives and values.
    let values = centre.iter().flatten().fold(0.0, |s: f64, v| s.max(finite(*v)));
    let scale = known.iter().flatten().fold(values, |s, e| s.max(finite(e.derivative)));
    for (r, (elements, tangents)) in known.iter().zip(by_rule).enumerate() {
        for (i, (element, &t)) in elements.iter().zip(tangents).enumerate() {
            // At infinity there is no difference to take.
            if !centre[r][i].is_finite() || !element.error.is_finite() {
                found.unsettled += 1;
                continue;
            }
            let size = t.abs() + element.derivative.abs();
            let gap = (element.derivative - t).abs();
            // The rule's own word does not count here: it may be far off.
            let slack = SAFETY * (element.error + noise[r][i]);
            let resolved = slack <= RESOLVED * element.derivative.abs() || slack <= RELATIVE * scale;
            if t.is_finite() && gap <= slack + RELATIVE * size && (resolved || size == 0.0) {
                found.agree += 1;
                found.worst = found.worst.max(gap / scale.max(f64::MIN_POSITIVE));
            } else if element.is_kink(scale) {
                found.kinks += 1;
            } else if resolved || !t.is_finite() {
                found.differs = found.differs.or(Some((r, i, t, element.derivative)));
            } else {
                found.unsettled += 1;
            }
        }
    }
    found
}
