//! Convolutions, pools and windows of variables.

use crate::graph::builder::Var;
use crate::ops::{Op, make};
use std::panic::Location;

/// How a convolution's kernel moves. A list has an entry for each spatial axis, or one
/// for all of them.
///
/// ```
/// # use cotangent::{Builder, Conv, dtype};
/// let g = Builder::new();
/// let x = g.input("x", dtype::f32, [8, 3, 32, 32]);
/// let w = g.input("w", dtype::f32, [16, 3, 3, 3]);
/// let y = x.conv(w, None, &Conv::new().stride([2]).padding([1]));
/// assert_eq!(y.shape().dims(), [8, 16, 16, 16]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    stride: Vec<usize>,
    padding: Vec<usize>,
    output_padding: Vec<usize>,
    dilation: Vec<usize>,
    groups: usize,
}

impl Conv {
    /// Stride and dilation 1, no padding, one group.
    pub fn new() -> Conv {
        Conv { stride: vec![1], padding: vec![0], output_padding: vec![0], dilation: vec![1], groups: 1 }
    }

    /// Steps between windows.
    pub fn stride(mut self, stride: impl Into<Vec<usize>>) -> Conv {
        self.stride = stride.into();
        self
    }

    /// Zeros on both sides of each spatial axis.
    pub fn padding(mut self, padding: impl Into<Vec<usize>>) -> Conv {
        self.padding = padding.into();
        self
    }

    /// Of a transposed convolution: elements more at the end of each spatial axis.
    pub fn output_padding(mut self, padding: impl Into<Vec<usize>>) -> Conv {
        self.output_padding = padding.into();
        self
    }

    /// Steps between the elements of a window.
    pub fn dilation(mut self, dilation: impl Into<Vec<usize>>) -> Conv {
        self.dilation = dilation.into();
        self
    }

    /// Groups of channels that do not mix.
    pub fn groups(mut self, groups: usize) -> Conv {
        self.groups = groups;
        self
    }
}

impl Default for Conv {
    fn default() -> Conv {
        Conv::new()
    }
}

/// The windows of a pool. A list has an entry for each spatial axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    padding: Vec<usize>,
}

impl Pool {
    /// Windows side by side, without padding.
    pub fn new(kernel: impl Into<Vec<usize>>) -> Pool {
        let kernel = kernel.into();
        Pool { stride: kernel.clone(), padding: vec![0; kernel.len()], kernel }
    }

    /// Steps between windows.
    pub fn stride(mut self, stride: impl Into<Vec<usize>>) -> Pool {
        self.stride = stride.into();
        self
    }

    /// Cells on both sides of each spatial axis.
    pub fn padding(mut self, padding: impl Into<Vec<usize>>) -> Pool {
        self.padding = padding.into();
        self
    }
}

/// Whether the mean of a window counts the cells of its padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadCells {
    /// As zeros.
    Counted,
    /// Not at all.
    LeftOut,
}

/// One entry stands for all axes.
fn for_all(list: &[usize], axes: usize) -> Vec<usize> {
    match *list {
        [one] => vec![one; axes],
        _ => list.to_vec(),
    }
}

impl<'b> Var<'b> {
    /// Cross-correlation of (N, C, spatial..) or (C, spatial..) with a kernel
    /// (D, C / groups, kernel..) over one to three spatial axes, plus a bias (D). Zeros of
    /// the padding are multiplied: `0 * inf` is NaN.
    #[track_caller]
    pub fn conv(self, w: Var<'b>, bias: Option<Var<'b>>, conv: &Conv) -> Var<'b> {
        let axes = w.shape().rank().saturating_sub(2);
        let list = |l: &[usize]| for_all(l, axes);
        let (stride, padding) = (list(&conv.stride), list(&conv.padding));
        let op = make::conv(&stride, &padding, &list(&conv.dilation), conv.groups);
        self.filtered(op, w, bias, Location::caller())
    }

    /// The transpose of a convolution: of (N, C, spatial..) or (C, spatial..) and a kernel
    /// (C, D / groups, kernel..), plus a bias (D). An extent n becomes
    /// `(n - 1) stride + dilation (k - 1) + 1 - 2 padding + output_padding`.
    #[track_caller]
    pub fn conv_transpose(self, w: Var<'b>, bias: Option<Var<'b>>, conv: &Conv) -> Var<'b> {
        let axes = w.shape().rank().saturating_sub(2);
        let list = |l: &[usize]| for_all(l, axes);
        let (stride, padding, more) = (list(&conv.stride), list(&conv.padding), list(&conv.output_padding));
        let op = make::conv_transpose(&stride, &padding, &more, &list(&conv.dilation), conv.groups);
        self.filtered(op, w, bias, Location::caller())
    }

    fn filtered(self, op: Op, w: Var<'b>, bias: Option<Var<'b>>, at: &'static Location<'static>) -> Var<'b> {
        let operands: Vec<Var<'b>> = [self, w].into_iter().chain(bias).collect();
        self.builder.apply_at(op, &operands, at)
    }

    /// Largest cell of each window of (N, C, spatial..) or (C, spatial..). Padding never
    /// wins; a window of padding alone gives 0. The gradient goes to the first of the
    /// largest cells, row-major; NaN propagates, and the first one takes it.
    #[track_caller]
    pub fn max_pool(self, pool: &Pool) -> Var<'b> {
        self.op1(make::max_pool(&pool.kernel, &pool.stride, &pool.padding), Location::caller())
    }

    /// Mean of each window of (N, C, spatial..) or (C, spatial..).
    #[track_caller]
    pub fn avg_pool(self, pool: &Pool, cells: PadCells) -> Var<'b> {
        let counted = cells == PadCells::Counted;
        self.op1(make::avg_pool(&pool.kernel, &pool.stride, &pool.padding, counted), Location::caller())
    }

    /// log(sum exp(beta x)) / beta of each window of (N, C, spatial..) or (C, spatial..); a
    /// cell of the padding counts as exp(0) = 1.
    #[track_caller]
    pub fn smooth_max_pool(self, pool: &Pool, beta: f64) -> Var<'b> {
        self.op1(make::smooth_max_pool(&pool.kernel, &pool.stride, &pool.padding, beta), Location::caller())
    }

    /// Windows over the last axes, their own axes last:
    /// `y[.., o, k] = x[.., o * stride + k * dilation]`.
    #[track_caller]
    pub fn unfold(self, size: &[usize], stride: &[usize], dilation: &[usize]) -> Var<'b> {
        self.op1(make::unfold(size, stride, dilation), Location::caller())
    }

    /// Windows added up where they overlap, over last axes of these extents: the transpose
    /// of [`Var::unfold`].
    #[track_caller]
    pub fn fold(self, extent: &[usize], stride: &[usize], dilation: &[usize]) -> Var<'b> {
        self.op1(make::fold(extent, stride, dilation), Location::caller())
    }

    /// Rows of this table (V, ..) by an i64 index of any rank.
    #[track_caller]
    pub fn embedding(self, index: Var<'b>) -> Var<'b> {
        self.op2(make::embedding(), index, Location::caller())
    }
}
