//! Ops by name: the one place where attributes are put in the order of a row.

use crate::graph::{DType, Shape};
use crate::ops::attr::Attr;
use crate::ops::literal::Literal;
use crate::ops::loops::Body;
use crate::ops::loss::LossReduction;
use crate::ops::row::{Op, Row};
use crate::ops::{
    activation, arrange, contract, elementwise, guarded, index, linalg, logic, loops, loss, math, movement,
    network, norm, random, reduce, scan, softmax, source, special, statistics,
};
use std::sync::Arc;

mod window;

pub use window::*;

fn ints(v: &[usize]) -> Attr {
    Attr::Ints(v.iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX)).collect())
}

fn int(v: usize) -> Attr {
    Attr::Int(i64::try_from(v).unwrap_or(i64::MAX))
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident = $module:ident :: $row:ident;)*) => {
        $(
            $(#[$doc])*
            pub const fn $name() -> Op {
                Op::plain(&$module::$row)
            }
        )*
    };
}

plain! {
    /// a + b
    add = elementwise::ADD;
    /// a - b
    sub = elementwise::SUB;
    /// a * b
    mul = elementwise::MUL;
    /// a / b
    div = elementwise::DIV;
    /// -x
    neg = elementwise::NEG;
    /// |x|
    abs = elementwise::ABS;
    /// 1, 0 or -1; 0 for NaN
    sign = elementwise::SIGN;
    /// x * x
    square = elementwise::SQUARE;
    /// 1 / x
    recip = elementwise::RECIP;
    /// Square root; NaN below 0
    sqrt = elementwise::SQRT;
    /// a_i b_j
    outer = arrange::OUTER;
    /// Sum of the diagonal
    trace = arrange::TRACE;
    /// Long short-term memory
    lstm_cell = network::LSTM_CELL;
    /// Gated recurrent unit
    gru_cell = network::GRU_CELL;
    /// max(x, 0)
    relu = elementwise::RELU;
    /// IEEE 754-2019 maximum
    maximum = elementwise::MAXIMUM;
    /// IEEE 754-2019 minimum
    minimum = elementwise::MINIMUM;
    /// The next integer below
    floor = elementwise::FLOOR;
    /// The next integer above
    ceil = elementwise::CEIL;
    /// The nearest integer; of two, the even one
    round_even = elementwise::ROUND_EVEN;
    /// 2^x
    exp2 = math::EXP2;
    /// e^x - 1
    expm1 = math::EXPM1;
    /// Binary logarithm
    log2 = math::LOG2;
    /// log(1 + x)
    log1p = math::LOG1P;
    /// Tangent
    tan = math::TAN;
    /// Arc sine
    asin = math::ASIN;
    /// Arc cosine
    acos = math::ACOS;
    /// Hyperbolic sine
    sinh = math::SINH;
    /// Hyperbolic cosine
    cosh = math::COSH;
    /// Inverse hyperbolic sine
    asinh = math::ASINH;
    /// Inverse hyperbolic cosine
    acosh = math::ACOSH;
    /// Inverse hyperbolic tangent
    atanh = math::ATANH;
    /// Cube root
    cbrt = math::CBRT;
    /// 1 / sqrt(x)
    rsqrt = math::RSQRT;
    /// (1 - x)(1 + x)
    one_minus_square = math::ONE_MINUS_SQUARE;
    /// Angle of the point (x, y) of operands y, x
    atan2 = math::ATAN2;
    /// sqrt(x^2 + y^2)
    hypot = math::HYPOT;
    /// x / sqrt(x^2 + y^2)
    direction = math::DIRECTION;
    /// log(e^a + e^b)
    logaddexp = math::LOGADDEXP;
    /// Error function
    erf = special::ERF;
    /// 1 - erf(x)
    erfc = special::ERFC;
    /// Normal distribution function
    normal_cdf = special::NORMAL_CDF;
    /// Logarithm of the absolute value of the gamma function
    lgamma = special::LGAMMA;
    /// Derivative of an order of the digamma function
    polygamma = special::POLYGAMMA;
    /// log(1 / (1 + e^-x))
    logsigmoid = activation::LOGSIGMOID;
    /// x / (1 + e^-x)
    silu = activation::SILU;
    /// x times the normal distribution function
    gelu_erf = activation::GELU_ERF;
    /// Its approximation by a hyperbolic tangent
    gelu_tanh = activation::GELU_TANH;
    /// x tanh(log(1 + e^x))
    mish = activation::MISH;
    /// x / (1 + |x|)
    softsign = activation::SOFTSIGN;
    /// tanh(log(1 + e^x))
    tanh_softplus = activation::TANH_SOFTPLUS;
    /// e^x
    exp = math::EXP;
    /// Natural logarithm
    log = math::LOG;
    /// Sine
    sin = math::SIN;
    /// Cosine
    cos = math::COS;
    /// Arc tangent
    atan = math::ATAN;
    /// Hyperbolic tangent
    tanh = math::TANH;
    /// 1 / (1 + e^-x)
    sigmoid = math::SIGMOID;
    /// log(1 + e^x)
    softplus = math::SOFTPLUS;
    /// x^y
    pow = math::POW;
    /// a == b
    eq = logic::EQ;
    /// a != b
    ne = logic::NE;
    /// a < b
    lt = logic::LT;
    /// a <= b
    le = logic::LE;
    /// a and b
    and = logic::AND;
    /// a or b
    or = logic::OR;
    /// a xor b
    xor = logic::XOR;
    /// not a
    not = logic::NOT;
    /// condition ? a : b
    select = logic::WHERE;
    /// Matrix product
    matmul = contract::MATMUL;
    /// Matrix times vector
    matvec = contract::MATVEC;
    /// Vector times matrix
    vecmat = contract::VECMAT;
    /// Inner product
    dot = contract::DOT;
    /// x w^T + b
    linear = contract::LINEAR;
    /// x with a x = b
    solve = linalg::SOLVE;
    /// Inverse of a matrix
    inverse = linalg::INVERSE;
    /// Determinant
    det = linalg::DET;
    /// Logarithm of the absolute value of the determinant
    logabsdet = linalg::LOGABSDET;
    /// Derivatives of the determinant
    cofactor = linalg::COFACTOR;
    /// Lower factor of a symmetric matrix
    cholesky = linalg::CHOLESKY;
    /// The identity without a derivative
    detach = source::DETACH;
    /// a * b + c with one rounding
    mul_add = guarded::MUL_ADD;
    /// sqrt(max(x, 0))
    sqrt_nonneg = guarded::SQRT_NONNEG;
}

/// A constant.
pub fn constant(literal: Literal) -> Op {
    Op::with(&source::CONST, vec![Attr::Data(Arc::new(literal))])
}

/// x * factor
pub fn scale(factor: f64) -> Op {
    Op::with(&elementwise::SCALE, vec![Attr::Float(factor)])
}

/// min(max, max(min, x))
pub fn clamp(min: f64, max: f64) -> Op {
    Op::with(&elementwise::CLAMP, vec![Attr::Float(min), Attr::Float(max)])
}

/// x, or alpha (e^x - 1) below 0
pub fn elu(alpha: f64) -> Op {
    Op::with(&activation::ELU, vec![Attr::Float(alpha)])
}

/// x, or slope x below 0
pub fn leaky_relu(slope: f64) -> Op {
    Op::with(&activation::LEAKY_RELU, vec![Attr::Float(slope)])
}

/// x^n for an integer n
pub fn powi(exponent: i64) -> Op {
    Op::with(&elementwise::POWI, vec![Attr::Int(exponent)])
}

fn reduction(row: &'static Row, axes: &[usize], keepdims: bool) -> Op {
    Op::with(row, vec![ints(axes), Attr::Bool(keepdims)])
}

/// Sum over ascending axes
pub fn sum(axes: &[usize], keepdims: bool) -> Op {
    reduction(&reduce::SUM, axes, keepdims)
}

/// Mean over ascending axes
pub fn mean(axes: &[usize], keepdims: bool) -> Op {
    reduction(&reduce::MEAN, axes, keepdims)
}

/// Maximum over ascending axes
pub fn reduce_max(axes: &[usize], keepdims: bool) -> Op {
    reduction(&reduce::REDUCE_MAX, axes, keepdims)
}

/// log sum exp over ascending axes
pub fn logsumexp(axes: &[usize], keepdims: bool) -> Op {
    reduction(&softmax::LOGSUMEXP, axes, keepdims)
}

/// Softmax along an axis
pub fn softmax(axis: usize) -> Op {
    Op::with(&softmax::SOFTMAX, vec![int(axis)])
}

/// Logarithm of the softmax along an axis
pub fn log_softmax(axis: usize) -> Op {
    Op::with(&softmax::LOG_SOFTMAX, vec![int(axis)])
}

/// Softmax along an axis over the entries that a mask keeps
pub fn masked_softmax(axis: usize) -> Op {
    Op::with(&softmax::MASKED_SOFTMAX, vec![int(axis)])
}

/// Broadcast to a shape
pub fn broadcast_to(shape: &Shape) -> Op {
    Op::with(&movement::BROADCAST_TO, vec![ints(shape.dims())])
}

/// Reshape
pub fn reshape(shape: &Shape) -> Op {
    Op::with(&movement::RESHAPE, vec![ints(shape.dims())])
}

/// Permutation of axes
pub fn permute(perm: &[usize]) -> Op {
    Op::with(&movement::PERMUTE, vec![ints(perm)])
}

/// Half-open ranges with steps
pub fn slice(start: &[usize], stop: &[usize], step: &[usize]) -> Op {
    Op::with(&movement::SLICE, vec![ints(start), ints(stop), ints(step)])
}

/// Reversal along ascending axes
pub fn flip(axes: &[usize]) -> Op {
    Op::with(&movement::FLIP, vec![ints(axes)])
}

/// Padding before, after and between elements
pub fn pad(lo: &[usize], hi: &[usize], interior: &[usize], value: f64) -> Op {
    Op::with(&movement::PAD, vec![ints(lo), ints(hi), ints(interior), Attr::Float(value)])
}

/// Tensors joined along an axis
pub fn concat(axis: usize) -> Op {
    Op::with(&movement::CONCAT, vec![int(axis)])
}

/// A tensor cut along an axis
pub fn split(axis: usize, sizes: &[usize]) -> Op {
    Op::with(&movement::SPLIT, vec![int(axis), ints(sizes)])
}

/// Change of element type
pub fn cast(dtype: DType) -> Op {
    Op::with(&movement::CAST, vec![Attr::DType(dtype)])
}

fn indexed(row: &'static Row, axis: usize, zero: bool) -> Op {
    Op::with(row, vec![int(axis), Attr::Bool(zero)])
}

/// Slices along an axis by a vector of indices
pub fn index_select(axis: usize, zero: bool) -> Op {
    indexed(&index::INDEX_SELECT, axis, zero)
}

/// One element per index along an axis
pub fn gather(axis: usize, zero: bool) -> Op {
    indexed(&index::GATHER, axis, zero)
}

/// Slices added at indices
pub fn index_add(axis: usize, zero: bool) -> Op {
    indexed(&index::INDEX_ADD, axis, zero)
}

/// Elements added at indices
pub fn scatter_add(axis: usize, zero: bool) -> Op {
    indexed(&index::SCATTER_ADD, axis, zero)
}

/// Squared error
pub fn mse(reduction: LossReduction) -> Op {
    Op::with(&loss::MSE, vec![Attr::Int(reduction.code())])
}

/// Absolute error
pub fn l1(reduction: LossReduction) -> Op {
    Op::with(&loss::L1, vec![Attr::Int(reduction.code())])
}

/// Squared error near 0, absolute error beyond `delta`
pub fn huber(reduction: LossReduction, delta: f64) -> Op {
    Op::with(&loss::HUBER, vec![Attr::Int(reduction.code()), Attr::Float(delta)])
}

/// Binary cross entropy of logits and probabilities
pub fn bce_with_logits(reduction: LossReduction) -> Op {
    Op::with(&loss::BCE_WITH_LOGITS, vec![Attr::Int(reduction.code())])
}

/// Kullback-Leibler divergence of log-probabilities from probabilities
pub fn kl_div(reduction: LossReduction) -> Op {
    Op::with(&loss::KL_DIV, vec![Attr::Int(reduction.code())])
}

/// Cross entropy of logits and classes
pub fn cross_entropy(reduction: LossReduction, label_smoothing: f64) -> Op {
    Op::with(&loss::CROSS_ENTROPY, vec![Attr::Int(reduction.code()), Attr::Float(label_smoothing)])
}

/// Minimum over ascending axes
pub fn reduce_min(axes: &[usize], keepdims: bool) -> Op {
    Op::with(&statistics::REDUCE_MIN, vec![ints(axes), Attr::Bool(keepdims)])
}

/// Product over ascending axes
pub fn prod(axes: &[usize], keepdims: bool) -> Op {
    Op::with(&statistics::PROD, vec![ints(axes), Attr::Bool(keepdims)])
}

/// Variance over ascending axes
pub fn var(axes: &[usize], keepdims: bool, ddof: i64) -> Op {
    Op::with(&statistics::VAR, vec![ints(axes), Attr::Bool(keepdims), Attr::Int(ddof)])
}

/// Euclidean norm over ascending axes
pub fn norm2(axes: &[usize], keepdims: bool) -> Op {
    Op::with(&statistics::NORM2, vec![ints(axes), Attr::Bool(keepdims)])
}

/// Tensors side by side along a new axis
pub fn stack(axis: usize) -> Op {
    Op::with(&arrange::STACK, vec![int(axis)])
}

/// A cyclic shift along an axis
pub fn roll(axis: usize, shift: i64) -> Op {
    Op::with(&arrange::ROLL, vec![int(axis), Attr::Int(shift)])
}

/// Lower triangles
pub fn tril(k: i64) -> Op {
    Op::with(&arrange::TRIL, vec![Attr::Int(k)])
}

/// Upper triangles
pub fn triu(k: i64) -> Op {
    Op::with(&arrange::TRIU, vec![Attr::Int(k)])
}

/// Normalisation over the trailing axes
pub fn layer_norm(eps: f64) -> Op {
    Op::with(&norm::LAYER_NORM, vec![Attr::Float(eps)])
}

/// Normalisation of the mean square over the trailing axes
pub fn rms_norm(eps: f64) -> Op {
    Op::with(&norm::RMS_NORM, vec![Attr::Float(eps)])
}

/// Normalisation of channels by given statistics
pub fn batch_norm_eval(eps: f64) -> Op {
    Op::with(&norm::BATCH_NORM_EVAL, vec![Attr::Float(eps)])
}

/// Normalisation of channels over the batch
pub fn batch_norm_train(eps: f64) -> Op {
    Op::with(&norm::BATCH_NORM_TRAIN, vec![Attr::Float(eps)])
}

/// Normalisation of groups of channels
pub fn group_norm(groups: usize, eps: f64) -> Op {
    Op::with(&norm::GROUP_NORM, vec![int(groups), Attr::Float(eps)])
}

/// Scaled dot-product attention
pub fn sdpa(causal: bool, scale: f64) -> Op {
    Op::with(&network::SDPA, vec![Attr::Bool(causal), Attr::Float(scale)])
}

/// a_i y_{i-1} + b_i along an axis
pub fn recurrence(axis: usize) -> Op {
    Op::with(&scan::RECURRENCE, vec![int(axis)])
}

/// Sums up to each element of an axis
pub fn cumsum(axis: usize) -> Op {
    Op::with(&scan::CUMSUM, vec![int(axis)])
}

/// Products up to each element of an axis
pub fn cumprod(axis: usize) -> Op {
    Op::with(&scan::CUMPROD, vec![int(axis)])
}

/// Positions that sort an axis
pub fn argsort(axis: usize) -> Op {
    Op::with(&scan::ARGSORT, vec![int(axis)])
}

/// Elements of an axis in ascending order
pub fn sort(axis: usize) -> Op {
    Op::with(&scan::SORT, vec![int(axis)])
}

/// x with op(T) x = b for a triangle T
pub fn triangular_solve(lower: bool, transpose: bool, unit_diagonal: bool) -> Op {
    Op::with(&linalg::TRIANGULAR_SOLVE, [lower, transpose, unit_diagonal].map(Attr::Bool).to_vec())
}

/// Self-attention in several heads
pub fn multi_head_attention(heads: usize) -> Op {
    Op::with(&network::MULTI_HEAD_ATTENTION, vec![int(heads)])
}

/// log(softplus(x) + eps)
pub fn safe_log(eps: f64) -> Op {
    Op::with(&guarded::SAFE_LOG, vec![Attr::Float(eps)])
}

/// Integers in [0, 2^32) of a key
pub fn random_bits(shape: &Shape) -> Op {
    Op::with(&random::RANDOM_BITS, vec![ints(shape.dims())])
}

/// Uniform numbers of a key
pub fn rand_uniform(dtype: DType, shape: &Shape) -> Op {
    Op::with(&random::RAND_UNIFORM, vec![Attr::DType(dtype), ints(shape.dims())])
}

/// Normal numbers of a key
pub fn rand_normal(dtype: DType, shape: &Shape) -> Op {
    Op::with(&random::RAND_NORMAL, vec![Attr::DType(dtype), ints(shape.dims())])
}

/// A mask of a probability and a key
pub fn bernoulli_mask(shape: &Shape) -> Op {
    Op::with(&random::BERNOULLI_MASK, vec![ints(shape.dims())])
}

/// A loop over a body whose first inputs are the `parts`, carries and slices
pub fn scan(body: Body, steps: usize, parts: [usize; 2], backwards: bool) -> Op {
    guarded_scan(body, steps, parts, backwards, None)
}

/// A loop whose steps are run where an input of its body, a carry or a slice, is true
pub fn guarded_scan(
    body: Body,
    steps: usize,
    [carries, slices]: [usize; 2],
    backwards: bool,
    guard: Option<usize>,
) -> Op {
    let counts = [steps, carries, slices].map(int);
    let guard = guard.map_or(Attr::Int(-1), int);
    let attrs = [Attr::Graph(body)].into_iter().chain(counts).chain([Attr::Bool(backwards), guard]);
    Op::with(&loops::SCAN, attrs.collect())
}

/// One of two graphs, as a boolean says
pub fn cond(then: Body, otherwise: Body) -> Op {
    Op::with(&loops::COND, vec![Attr::Graph(then), Attr::Graph(otherwise)])
}
