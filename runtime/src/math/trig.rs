//! Sine and cosine: reduction to steps of a sixteenth of a half turn, a table of those, and two
//! short polynomials.
//!
//! A function `f_common` is good where its mask says so, which is nearly everywhere.

use super::fused::where_fused;
use super::lanes::Lanes;

/// Adding this rounds to an integer, which is left in the low bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;
/// Up to this angle the multiples of a step in two parts are good enough.
const NEAR: f64 = (1u64 << 30) as f64;
/// How much of an angle must be left for that.
const LEFT: f64 = 1e-12;

/// What multiples are taken off an angle.
pub struct Step {
    /// Its reciprocal.
    pub inverse: f64,
    /// The step in two parts.
    pub high: f64,
    pub low: f64,
}

/// A sixteenth of a half turn.
const SIXTEENTH: Step =
    Step { inverse: 5.092958178940651, high: 0.19634954084936207, low: 7.654042494670958e-18 };

/// An angle less the nearest multiple of a step.
pub struct Angle<V: Lanes> {
    /// The steps taken off, in the low bits.
    pub steps: V::Bits,
    /// What is left, in two parts.
    pub high: V,
    pub low: V,
}

/// The angle, and whether it is good: not far out, nor where hardly anything is left.
#[inline(always)]
pub fn reduce<V: Lanes>(x: V, step: &Step) -> (Angle<V>, V::Mask) {
    let shifted = x.fma(V::of(step.inverse), V::of(ROUND));
    let k = shifted - V::of(ROUND);
    // Exact, since multiples of the step are of the angle's size.
    let near = k.fma(V::of(-step.high), x);
    let high = k.fma(V::of(-step.low), near);
    let low = k.fma(V::of(-step.low), near - high);
    let size = x.abs();
    let good = V::both(size.lt(V::of(NEAR)), (size * V::of(LEFT)).le(high.abs()));
    (Angle { steps: shifted.bits(), high, low }, good)
}

/// Sines of the first half turn's steps in two parts, and their cosines.
struct Table {
    sine: [f64; 16],
    rest: [f64; 16],
    cosine: [f64; 16],
}

/// Sine of some steps in two parts.
const fn sine_of(steps: usize) -> [f64; 2] {
    const QUARTER: [[f64; 2]; 9] = [
        [0.0, 0.0],
        [0.19509032201612828, -7.991079068461731e-18],
        [0.3826834323650898, -1.0050772696461588e-17],
        [0.5555702330196022, 4.709410940561677e-17],
        [std::f64::consts::FRAC_1_SQRT_2, -4.833646656726457e-17],
        [0.8314696123025452, 1.4073856984728024e-18],
        [0.9238795325112867, 1.7645047084336677e-17],
        [0.9807852804032304, 1.8546939997825006e-17],
        [1.0, 0.0],
    ];
    let [sine, rest] = QUARTER[8 - (8usize.abs_diff(steps % 16))];
    if steps / 16 % 2 == 1 { [-sine, -rest] } else { [sine, rest] }
}

/// The table of the sine some steps on.
const fn table(ahead: usize) -> Table {
    let mut table = Table { sine: [0.0; 16], rest: [0.0; 16], cosine: [0.0; 16] };
    let mut i = 0;
    while i < 16 {
        [table.sine[i], table.rest[i]] = sine_of(i + ahead);
        [table.cosine[i], _] = sine_of(i + ahead + 8);
        i += 1;
    }
    if ahead == 0 {
        // Keeps the sign of an angle that is zero.
        table.sine[0] = -0.0;
    }
    table
}

static SINE: Table = table(0);
static COSINE: Table = table(8);

/// Sine of an angle and the table's steps.
#[inline(always)]
fn turned<V: Lanes>(x: V, table: &Table) -> (V, V::Mask) {
    let (Angle { steps, high: r, low }, good) = reduce(x, &SIXTEENTH);
    let (sine, cosine) = (V::pick(&table.sine, steps), V::pick(&table.cosine, steps));
    let z = r * r;
    let z2 = z * z;
    // sin(r) - r, with the interpolation of (sin(r) - r) / r^3 at the Chebyshev points in r^2.
    let s = z2.fma(
        z.fma(V::of(2.755248996389618e-06), V::of(-0.00019841269550337218)),
        z.fma(V::of(0.008333333333327725), V::of(-0.16666666666666666)),
    );
    let bent = (r * z).fma(s, low);
    // cos(r) - 1, likewise.
    let c = z2.fma(
        z.fma(V::of(2.479760315082304e-05), V::of(-0.0013888888744876414)),
        z.fma(V::of(0.041666666666658955), V::of(-0.5)),
    );
    let more = cosine.fma(bent, sine.fma(z * c, V::pick(&table.rest, steps)));
    let main = cosine.fma(r, sine);
    let over = (-cosine).fma(r, main - sine);
    // A difference, which keeps the sign of a zero.
    let bits = (main - (over - more)).bits();
    (V::from_bits(V::xor(bits, V::up::<59>(V::and(steps, V::bits_of(16))))), good)
}

/// [`sin`] of all but far angles and those next to a multiple of the half turn.
#[inline(always)]
pub fn sin_common<V: Lanes>(x: V) -> (V, V::Mask) {
    turned(x, &SINE)
}

/// [`cos`] likewise, next to what lies halfway.
#[inline(always)]
pub fn cos_common<V: Lanes>(x: V) -> (V, V::Mask) {
    turned(x, &COSINE)
}

where_fused! {
    /// Sine.
    sin(x) = sin_common, libm::sin(x);
    /// Cosine.
    cos(x) = cos_common, libm::cos(x);
}
