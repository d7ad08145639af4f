//! Kinks and special values: there is no truth there, only conventions. An
//! element agrees if it is what one of the two recorded frameworks gives; where
//! ours is neither, the reason stands in this list. What ours is, exactly, is
//! tested in `tests/kinks/`.

use crate::case::{Array, Case};
use crate::run::Answer;

/// The element a number belongs to.
struct Here {
    /// Elements at the same position, of the inputs that have as many.
    inputs: Vec<f64>,
    /// Element at the same position, if the output has as many.
    output: Option<f64>,
}

impl Here {
    fn any(&self, f: impl Fn(f64) -> bool) -> bool {
        self.inputs.iter().any(|&x| f(x))
    }

    fn output(&self, f: impl Fn(f64) -> bool) -> bool {
        self.output.is_some_and(f)
    }
}

struct Difference {
    op: &'static str,
    part: &'static str,
    at: fn(&Here) -> bool,
    why: &'static str,
}

const fn differ(
    op: &'static str,
    part: &'static str,
    at: fn(&Here) -> bool,
    why: &'static str,
) -> Difference {
    Difference { op, part, at, why }
}

const ZEROS: &str = "IEEE 754-2019 maximum and minimum order -0 below +0, whichever comes first";
const HALVES: &str = "an unordered pair shares its gradient in halves, as a tie does";
const TIES: &str = "where the maximum is NaN, the NaN elements tie";
const NOTHING: &str = "the sum of no weight at all: nothing flows, rather than NaN";
const OTHERS: &str =
    "the derivative of a product are the products of the others, not the product over the one";
const ORIGIN: &str = "the slope at the origin is 0, as that of the absolute value";
const FIRST: &str = "the slope is rounded before it meets the cotangent, and does not overflow on the way";
const NO_VALUE: &str = "where there is no value there is no slope";
const EQUAL: &str = "equal infinities tie";
const LATER: &str = "(2 d) x overflows later than d (2 x)";

const DIFFERENCES: &[Difference] = &[
    differ("relu", "output", |h| h.any(|x| x == 0.0), ZEROS),
    differ("maximum", "output", |h| h.output(|y| y == 0.0), ZEROS),
    differ("maximum", "vjp", |h| h.any(f64::is_nan), HALVES),
    differ("maximum", "jvp", |h| h.any(f64::is_nan), HALVES),
    differ("minimum", "output", |h| h.output(|y| y == 0.0), ZEROS),
    differ("minimum", "vjp", |h| h.any(f64::is_nan), HALVES),
    differ("minimum", "jvp", |h| h.any(f64::is_nan), HALVES),
    differ("reduce_max", "vjp", |h| h.any(f64::is_nan), TIES),
    differ("reduce_max", "jvp", |h| h.output(f64::is_nan), TIES),
    differ("reduce_min", "output", |h| h.output(|y| y == 0.0), ZEROS),
    differ("reduce_min", "vjp", |h| h.any(f64::is_nan), TIES),
    differ("reduce_min", "jvp", |h| h.output(f64::is_nan), TIES),
    differ("prod", "jvp", |h| h.output(|y| !y.is_finite() || y == 0.0), OTHERS),
    differ("cumprod", "jvp", |h| h.output(f64::is_infinite), OTHERS),
    differ("logsumexp", "vjp", |h| h.any(|x| x == f64::NEG_INFINITY), NOTHING),
    differ("logsumexp", "jvp", |h| h.output(|y| y == f64::NEG_INFINITY), NOTHING),
    differ("asinh", "vjp", |h| h.any(|x| x.abs() > 1e300), FIRST),
    differ("asinh", "jvp", |h| h.any(|x| x.abs() > 1e300), FIRST),
    differ("acosh", "vjp", |h| h.any(|x| x > 1e300), FIRST),
    differ("acosh", "jvp", |h| h.any(|x| x > 1e300), FIRST),
    differ("acosh", "vjp", |h| h.any(|x| x <= -1.0), NO_VALUE),
    differ("acosh", "jvp", |h| h.any(|x| x <= -1.0), NO_VALUE),
    differ("atan2", "vjp", |h| !h.any(|x| x.abs() > 1e-300 || x == 0.0), FIRST),
    differ("hypot", "vjp", |h| !h.any(|x| x != 0.0), ORIGIN),
    differ("hypot", "jvp", |h| !h.any(|x| x != 0.0), ORIGIN),
    differ("hypot", "vjp", |h| !h.any(|x| x.abs() > 1e-300 || x == 0.0), FIRST),
    differ("hypot", "jvp", |h| !h.any(|x| x.abs() > 1e-300 || x == 0.0), FIRST),
    differ("logaddexp", "vjp", |h| !h.any(|x| x != f64::INFINITY), EQUAL),
    differ("logaddexp", "jvp", |h| !h.any(|x| x != f64::INFINITY), EQUAL),
    differ("square", "vjp", |h| h.any(|x| x.abs() > f64::MAX / 2.0), LATER),
    differ("square", "jvp", |h| h.any(|x| x.abs() > f64::MAX / 2.0), LATER),
];

/// NaNs are one class; other numbers may be off by rounding. The sign of a zero
/// counts in values and not in derivatives, where it is the sign of a seed.
fn agrees(part: &str, got: f64, expected: f64) -> bool {
    if got.is_nan() || expected.is_nan() || got.is_infinite() || expected.is_infinite() {
        return got == expected || (got.is_nan() && expected.is_nan());
    }
    if got == 0.0 && expected == 0.0 {
        return part != "output" || got.to_bits() == expected.to_bits();
    }
    (got - expected).abs() <= (64.0 * f64::EPSILON * expected.abs()).max(4.0 * f64::from_bits(1))
}

fn element(list: &[&Array], i: usize, j: usize) -> Option<f64> {
    list.get(i)?.floats().get(j).copied()
}

/// Complaints about a kink or special case, and the reasons of the elements
/// that follow a convention of our own.
pub fn check(case: &Case, answer: &Answer) -> (Vec<String>, Vec<&'static str>) {
    let (a, b) = (&case.expected, &case.other);
    let parts = [
        ("output", &answer.outputs, &a.outputs, &b.outputs),
        ("vjp", &answer.vjp, &a.vjp, &b.vjp),
        ("jvp", &answer.jvp, &a.jvp, &b.jvp),
    ];
    let (mut wrong, mut own) = (Vec::new(), Vec::new());
    for (part, got, first, second) in parts {
        let first: Vec<&Array> = first.iter().flatten().flatten().collect();
        let second: Vec<&Array> = second.iter().flatten().flatten().collect();
        if first.len() != got.len() {
            wrong.push(format!("{part}: {} results, expected {}", got.len(), first.len()));
        }
        for (i, got) in got.iter().enumerate() {
            for (j, &g) in got.iter().enumerate() {
                let known = [element(&first, i, j), element(&second, i, j)];
                if known.iter().flatten().any(|&e| agrees(part, g, e)) {
                    continue;
                }
                let here = here(case, answer, got.len(), j);
                let listed = |d: &&Difference| d.op == case.op && d.part == part && (d.at)(&here);
                match DIFFERENCES.iter().find(listed) {
                    Some(difference) => own.push(difference.why),
                    None => {
                        let at = &here.inputs;
                        wrong.push(format!("{part} {i} [{j}] at {at:?}: got {g:e}, expected {known:?}"));
                    }
                }
            }
        }
    }
    (wrong, own)
}

fn here(case: &Case, answer: &Answer, len: usize, j: usize) -> Here {
    let inputs = case.inputs.iter().map(|i| i.array.floats()).filter(|v| v.len() == len);
    let output = answer.outputs.first().filter(|v| v.len() == len);
    Here { inputs: inputs.map(|v| v[j]).collect(), output: output.map(|v| v[j]) }
}
