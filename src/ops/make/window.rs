//! Windows, convolutions and pools.

use super::{int, ints};
use crate::ops::attr::Attr;
use crate::ops::row::{Op, Row};
use crate::ops::{conv, index, pool, window};

/// Windows of the last axes
pub fn unfold(size: &[usize], stride: &[usize], dilation: &[usize]) -> Op {
    Op::with(&window::UNFOLD, vec![ints(size), ints(stride), ints(dilation)])
}

/// Windows added up where they overlap
pub fn fold(extent: &[usize], stride: &[usize], dilation: &[usize]) -> Op {
    Op::with(&window::FOLD, vec![ints(extent), ints(stride), ints(dilation)])
}

/// Cross-correlation
pub fn conv(stride: &[usize], padding: &[usize], dilation: &[usize], groups: usize) -> Op {
    Op::with(&conv::CONV, vec![ints(stride), ints(padding), ints(dilation), int(groups)])
}

/// The transpose of a convolution
pub fn conv_transpose(
    stride: &[usize],
    padding: &[usize],
    output_padding: &[usize],
    dilation: &[usize],
    groups: usize,
) -> Op {
    let attrs = vec![ints(stride), ints(padding), ints(output_padding), ints(dilation), int(groups)];
    Op::with(&conv::CONV_TRANSPOSE, attrs)
}

fn pooled(row: &'static Row, [kernel, stride, padding]: [&[usize]; 3], more: Option<Attr>) -> Op {
    Op::with(row, [ints(kernel), ints(stride), ints(padding)].into_iter().chain(more).collect())
}

/// Largest cell of each window
pub fn max_pool(kernel: &[usize], stride: &[usize], padding: &[usize]) -> Op {
    pooled(&pool::MAX_POOL, [kernel, stride, padding], None)
}

/// Mean of each window
pub fn avg_pool(kernel: &[usize], stride: &[usize], padding: &[usize], count_include_pad: bool) -> Op {
    pooled(&pool::AVG_POOL, [kernel, stride, padding], Some(Attr::Bool(count_include_pad)))
}

/// log(sum exp(beta x)) / beta of each window
pub fn smooth_max_pool(kernel: &[usize], stride: &[usize], padding: &[usize], beta: f64) -> Op {
    pooled(&pool::SMOOTH_MAX_POOL, [kernel, stride, padding], Some(Attr::Float(beta)))
}

/// Rows of a table by an index of any rank
pub const fn embedding() -> Op {
    Op::plain(&index::EMBEDDING)
}
