//! When a number is good enough.

use crate::case::{Array, Case};
use crate::condition::Terms;
use crate::run::Answer;

/// Ops whose results are sums: 64 eps of the largest element. Element-wise ones
/// get 8.
const SUMS: &[&str] = &[
    "sum",
    "mean",
    "logsumexp",
    "softmax",
    "log_softmax",
    "broadcast_to",
    "matmul",
    "batched_matmul",
    "linear",
    "dot",
    "gather",
    "index_select",
    "embedding",
    "scatter_add",
    "mse",
    "l1",
    "huber",
    "bce_with_logits",
    "kl_div",
    "cross_entropy",
    "reduce_min",
    "prod",
    "var",
    "norm2",
    "trace",
    "layer_norm",
    "rms_norm",
    "batch_norm_eval",
    "batch_norm_train",
    "group_norm",
    "sdpa",
    "lstm_cell",
    "gru_cell",
    "cumsum",
    "cumprod",
    "solve",
    "triangular_solve",
    "inverse",
    "det",
    "logabsdet",
    "cholesky",
];

/// Units in the last place that an element-wise value may be off at arguments
/// of extreme size.
const EXTREME_ULPS: u64 = 2;

/// Relative, of normalisations of one or two elements: what is left of their
/// derivative is eps / (variance + eps), the rest of it cancels.
const LEFT_OVER: f64 = 1e-9;

/// Elements that are normalised together, of the ops that do.
fn normalised(case: &Case) -> Option<usize> {
    let sizes = |i: usize| case.inputs[i].array.shape.as_slice();
    let all: usize = sizes(0).iter().product();
    Some(match case.op.as_str() {
        "layer_norm" | "rms_norm" => sizes(1).iter().product(),
        "batch_norm_train" => all / sizes(0)[1].max(1),
        "group_norm" => all / (sizes(0)[0] * case.int("groups").unwrap_or(1) as usize).max(1),
        _ => return None,
    })
}

/// How many eps of its largest element a result may be off.
pub fn factor(case: &Case) -> f64 {
    match normalised(case) {
        Some(..=2) => LEFT_OVER / f64::EPSILON,
        _ if SUMS.contains(&case.op.as_str()) => 64.0,
        _ => 8.0,
    }
}

/// Distance in units in the last place; zeros are one number.
pub fn ulps(a: f64, b: f64) -> u64 {
    let line = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
    };
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    line(a).abs_diff(line(b))
}

/// The first element past `k` eps of the largest expected one, or of `terms`.
fn norm_wise(got: &[f64], expected: &[f64], k: f64, terms: f64) -> Option<String> {
    if got.len() != expected.len() {
        return Some(format!("{} elements, expected {}", got.len(), expected.len()));
    }
    let size = expected.iter().filter(|x| x.is_finite()).fold(terms, |m, x| m.max(x.abs()));
    // A result below the normal numbers has no relative precision to keep.
    let allowed = (k * f64::EPSILON * size).max(k * f64::from_bits(1));
    let bad = |(g, e): (&f64, &f64)| {
        if e.is_finite() { (g - e).abs() > allowed || g.is_nan() } else { ulps(*g, *e) != 0 }
    };
    let at = got.iter().zip(expected).position(bad)?;
    let (g, e) = (got[at], expected[at]);
    let off = (g - e).abs() / (f64::EPSILON * size);
    Some(format!("[{at}] got {g:e}, expected {e:e}: {off:.1} eps of the largest, allowed {k}"))
}

fn ulp_wise(got: &[f64], expected: &[f64], allowed: u64) -> Option<String> {
    if got.len() != expected.len() {
        return Some(format!("{} elements, expected {}", got.len(), expected.len()));
    }
    let at = got.iter().zip(expected).position(|(g, e)| ulps(*g, *e) > allowed)?;
    let (g, e) = (got[at], expected[at]);
    Some(format!("[{at}] got {g:e}, expected {e:e}: {} ulp, allowed {allowed}", ulps(g, e)))
}

/// What is wrong with one list of results, by name.
fn lists(
    name: &str,
    got: &[Vec<f64>],
    expected: &Option<Vec<Option<Array>>>,
    judge: impl Fn(usize, &[f64], &[f64]) -> Option<String>,
) -> Vec<String> {
    let Some(expected) = expected else { return vec![format!("{name}: nothing to compare with")] };
    let expected: Vec<&Array> = expected.iter().flatten().collect();
    if expected.len() != got.len() {
        return vec![format!("{name}: {} results, expected {}", got.len(), expected.len())];
    }
    let each = got.iter().zip(expected).enumerate();
    each.filter_map(|(i, (g, e))| Some(format!("{name} {i} {}", judge(i, g, e.floats())?))).collect()
}

/// Complaints about a smooth case. `terms` is given where the plain measure was
/// not met: then the sizes of the summed terms count, for results that cancel.
pub fn smooth(case: &Case, answer: &Answer, terms: Option<&Terms>) -> Vec<String> {
    let k = factor(case);
    let by_ulps = case.is("extreme") && k == 8.0;
    let size = |of: fn(&Terms) -> &[f64], i: usize| terms.and_then(|t| of(t).get(i).copied()).unwrap_or(0.0);
    let mut wrong = lists("output", &answer.outputs, &case.expected.outputs, |i, g, e| {
        if by_ulps { ulp_wise(g, e, EXTREME_ULPS) } else { norm_wise(g, e, k, size(|t| &t.outputs, i)) }
    });
    let of_vjp = |i: usize, g: &[f64], e: &[f64]| norm_wise(g, e, k, size(|t| &t.vjp, i));
    wrong.extend(lists("vjp", &answer.vjp, &case.expected.vjp, of_vjp));
    let of_jvp = |i: usize, g: &[f64], e: &[f64]| norm_wise(g, e, k, size(|t| &t.jvp, i));
    wrong.extend(lists("jvp", &answer.jvp, &case.expected.jvp, of_jvp));
    wrong
}

/// Complaints about second derivatives.
pub fn second_order(case: &Case, hvp: &[Vec<f64>]) -> Vec<String> {
    lists("hvp", hvp, &case.expected.hvp, |_, g, e| norm_wise(g, e, factor(case).max(64.0), 0.0))
}
