//! Methods of variables for the ops that are defined by others.

use crate::graph::builder::Var;
use crate::graph::reduce::KeepDims;
use crate::graph::types::Shape;
use crate::ops::{LossReduction, OpError, make};
use std::panic::Location;

impl<'b> Var<'b> {
    /// The identity, without a derivative: another name of [`Var::detach`].
    #[track_caller]
    pub fn stop_gradient(self) -> Var<'b> {
        self.op1(make::detach(), Location::caller())
    }

    /// Smallest of all elements; ties share the gradient.
    #[track_caller]
    pub fn reduce_min(self) -> Var<'b> {
        self.over("reduce_min", &self.all_axes(), Location::caller(), |axes| make::reduce_min(axes, false))
    }

    /// Smallest element over a set of axes.
    #[track_caller]
    pub fn reduce_min_over(self, axes: &[isize], keepdims: KeepDims) -> Var<'b> {
        self.over("reduce_min", axes, Location::caller(), |axes| make::reduce_min(axes, keepdims.flag()))
    }

    /// Product of all elements; 1 where there are none.
    #[track_caller]
    pub fn prod(self) -> Var<'b> {
        self.over("prod", &self.all_axes(), Location::caller(), |axes| make::prod(axes, false))
    }

    /// Product over a set of axes.
    #[track_caller]
    pub fn prod_over(self, axes: &[isize], keepdims: KeepDims) -> Var<'b> {
        self.over("prod", axes, Location::caller(), |axes| make::prod(axes, keepdims.flag()))
    }

    /// Variance over a set of axes: squared deviations over `n - ddof`.
    #[track_caller]
    pub fn var_over(self, axes: &[isize], keepdims: KeepDims, ddof: i64) -> Var<'b> {
        self.over("var", axes, Location::caller(), |axes| make::var(axes, keepdims.flag(), ddof))
    }

    /// Euclidean norm of all elements; derivative 0 where all are 0.
    #[track_caller]
    pub fn norm2(self) -> Var<'b> {
        self.over("norm2", &self.all_axes(), Location::caller(), |axes| make::norm2(axes, false))
    }

    /// Euclidean norm over a set of axes.
    #[track_caller]
    pub fn norm2_over(self, axes: &[isize], keepdims: KeepDims) -> Var<'b> {
        self.over("norm2", axes, Location::caller(), |axes| make::norm2(axes, keepdims.flag()))
    }

    /// This and others of the same shape side by side along a new axis, counted in
    /// the result.
    #[track_caller]
    pub fn stack(self, others: &[Var<'b>], axis: isize) -> Var<'b> {
        let at = Location::caller();
        if self.id.is_none() {
            return self;
        }
        let shape = self.shape();
        let from_front = if axis < 0 { axis + shape.rank() as isize + 1 } else { axis };
        match usize::try_from(from_front) {
            Ok(axis) => {
                let parts: Vec<Var<'b>> = std::iter::once(self).chain(others.iter().copied()).collect();
                self.builder.apply_at(make::stack(axis), &parts, at)
            }
            Err(_) => self.fail(OpError::Axis { op: "stack", axis: axis as i64, shape }, at),
        }
    }

    /// Elements moved along an axis by `shift`; those that leave come in again.
    #[track_caller]
    pub fn roll(self, axis: isize, shift: i64) -> Var<'b> {
        self.along("roll", axis, Location::caller(), |axis| make::roll(axis, shift))
    }

    /// The elements on and below diagonal `k` of the last two axes, 0 above.
    #[track_caller]
    pub fn tril(self, k: i64) -> Var<'b> {
        self.op1(make::tril(k), Location::caller())
    }

    /// The elements on and above diagonal `k` of the last two axes, 0 below.
    #[track_caller]
    pub fn triu(self, k: i64) -> Var<'b> {
        self.op1(make::triu(k), Location::caller())
    }

    /// a_i b_j of two vectors.
    #[track_caller]
    pub fn outer(self, other: Var<'b>) -> Var<'b> {
        self.op2(make::outer(), other, Location::caller())
    }

    /// x / (1 + |x|); NaN at infinity.
    #[track_caller]
    pub fn softsign(self) -> Var<'b> {
        self.op1(make::softsign(), Location::caller())
    }

    /// The sum of the diagonal of a matrix.
    #[track_caller]
    pub fn trace(self) -> Var<'b> {
        self.op1(make::trace(), Location::caller())
    }

    /// Absolute error against a target.
    #[track_caller]
    pub fn l1(self, target: Var<'b>, reduction: LossReduction) -> Var<'b> {
        self.op2(make::l1(reduction), target, Location::caller())
    }

    /// Huber's loss: half the squared error within `delta`, beyond it
    /// `delta (|error| - delta / 2)`.
    #[track_caller]
    pub fn huber(self, target: Var<'b>, reduction: LossReduction, delta: f64) -> Var<'b> {
        self.op2(make::huber(reduction, delta), target, Location::caller())
    }

    /// Binary cross entropy of these logits and target probabilities.
    #[track_caller]
    pub fn bce_with_logits(self, target: Var<'b>, reduction: LossReduction) -> Var<'b> {
        self.op2(make::bce_with_logits(reduction), target, Location::caller())
    }

    /// Kullback-Leibler divergence of these log-probabilities from target
    /// probabilities.
    #[track_caller]
    pub fn kl_div(self, target: Var<'b>, reduction: LossReduction) -> Var<'b> {
        self.op2(make::kl_div(reduction), target, Location::caller())
    }

    /// Cross entropy of these logits, classes along the last axis, and an i64 class
    /// for each row; `label_smoothing` is the part of the probability that is spread
    /// over all classes.
    #[track_caller]
    pub fn cross_entropy(self, class: Var<'b>, reduction: LossReduction, label_smoothing: f64) -> Var<'b> {
        self.op2(make::cross_entropy(reduction, label_smoothing), class, Location::caller())
    }

    /// Mean 0 and variance 1 over the trailing axes, those of `weight`; then
    /// `weight` and `bias`.
    #[track_caller]
    pub fn layer_norm(self, weight: Var<'b>, bias: Var<'b>, eps: f64) -> Var<'b> {
        self.builder.apply_at(make::layer_norm(eps), &[self, weight, bias], Location::caller())
    }

    /// x / sqrt(mean(x^2) + eps) over the trailing axes, those of `weight`; then `weight`.
    #[track_caller]
    pub fn rms_norm(self, weight: Var<'b>, eps: f64) -> Var<'b> {
        self.op2(make::rms_norm(eps), weight, Location::caller())
    }

    /// Channels (the second axis) normalised by given statistics, then `weight` and
    /// `bias`.
    #[track_caller]
    pub fn batch_norm_eval(
        self,
        [mean, variance]: [Var<'b>; 2],
        weight: Var<'b>,
        bias: Var<'b>,
        eps: f64,
    ) -> Var<'b> {
        let operands = [self, mean, variance, weight, bias];
        self.builder.apply_at(make::batch_norm_eval(eps), &operands, Location::caller())
    }

    /// Channels (the second axis) normalised over the batch and all other axes by
    /// their biased variance, then `weight` and `bias`.
    #[track_caller]
    pub fn batch_norm_train(self, weight: Var<'b>, bias: Var<'b>, eps: f64) -> Var<'b> {
        self.builder.apply_at(make::batch_norm_train(eps), &[self, weight, bias], Location::caller())
    }

    /// Groups of channels of each sample normalised, then `weight` and `bias` by
    /// channel.
    #[track_caller]
    pub fn group_norm(self, groups: usize, weight: Var<'b>, bias: Var<'b>, eps: f64) -> Var<'b> {
        self.builder.apply_at(make::group_norm(groups, eps), &[self, weight, bias], Location::caller())
    }

    /// Scaled dot-product attention of these queries (.., l, e): softmax(q k^T scale +
    /// mask) v. A boolean mask keeps where it is true, another is added; `causal` keeps
    /// keys up to the query's position; the scale is 1 / sqrt(e) unless given.
    #[track_caller]
    pub fn attention(
        self,
        key: Var<'b>,
        value: Var<'b>,
        mask: Option<Var<'b>>,
        causal: bool,
        scale: Option<f64>,
    ) -> Var<'b> {
        let width = self.shape().dims().last().copied().unwrap_or(1);
        let scale = scale.unwrap_or(1.0 / (width as f64).sqrt());
        let operands: Vec<Var<'b>> = [self, key, value].into_iter().chain(mask).collect();
        self.builder.apply_at(make::sdpa(causal, scale), &operands, Location::caller())
    }

    /// One step of a long short-term memory with this input; gates in the order i, f,
    /// g, o. The new state and the new cell.
    #[track_caller]
    pub fn lstm_cell(
        self,
        [h, c]: [Var<'b>; 2],
        weights: [Var<'b>; 2],
        biases: [Var<'b>; 2],
    ) -> [Var<'b>; 2] {
        let operands = [self, h, c, weights[0], weights[1], biases[0], biases[1]];
        let results = self.builder.apply_many(make::lstm_cell(), &operands, 2, Location::caller());
        std::array::from_fn(|i| results.get(i).copied().unwrap_or(Var { id: None, ..self }))
    }

    /// One step of a gated recurrent unit with this input; gates in the order r, z, n.
    #[track_caller]
    pub fn gru_cell(self, h: Var<'b>, weights: [Var<'b>; 2], biases: [Var<'b>; 2]) -> Var<'b> {
        let operands = [self, h, weights[0], weights[1], biases[0], biases[1]];
        self.builder.apply_at(make::gru_cell(), &operands, Location::caller())
    }

    /// `self * b + c` with one rounding.
    #[track_caller]
    pub fn mul_add(self, b: Var<'b>, c: Var<'b>) -> Var<'b> {
        self.builder.apply_at(make::mul_add(), &[self, b, c], Location::caller())
    }

    /// log(softplus(x) + eps), which is finite for every finite x if eps > 0.
    #[track_caller]
    pub fn safe_log(self, eps: f64) -> Var<'b> {
        self.op1(make::safe_log(eps), Location::caller())
    }

    /// The channels (the first axis) of one sample normalised over its other axes by
    /// their biased variance, then `weight` and `bias`.
    #[track_caller]
    pub fn batch_norm_sample(self, weight: Var<'b>, bias: Var<'b>, eps: f64) -> Var<'b> {
        let at = Location::caller();
        let shape = self.shape();
        let batch: Shape = std::iter::once(1).chain(shape.dims().iter().copied()).collect();
        let batch = self.op1(make::reshape(&batch), at);
        let normal = self.builder.apply_at(make::batch_norm_train(eps), &[batch, weight, bias], at);
        normal.op1(make::reshape(&shape), at)
    }

    /// Self-attention of this input (.., n, d) in `heads` heads: weights w_q, w_k, w_v
    /// (d, h e) and w_o (h e, d), the columns of a head next to each other, scores
    /// scaled by 1 / sqrt(e). `mask` (.., n, n) keeps where it is true; a query of
    /// which nothing is kept gets zeros.
    #[track_caller]
    pub fn multi_head_attention(
        self,
        [w_q, w_k, w_v, w_o]: [Var<'b>; 4],
        heads: usize,
        mask: Option<Var<'b>>,
    ) -> Var<'b> {
        let operands: Vec<Var<'b>> = [w_q, w_k, w_v, w_o, self].into_iter().chain(mask).collect();
        self.builder.apply_at(make::multi_head_attention(heads), &operands, Location::caller())
    }
}
