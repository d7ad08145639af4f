//! The kinds of nodes: names, attributes, numbers of parents.

use crate::graph::Shape;

/// Extents of a pooling window and its stride along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height of the window.
    pub kh: usize,
    /// Width of the window.
    pub kw: usize,
    /// Step along both axes.
    pub stride: usize,
}

/// Extents of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Channels of the parent.
    pub in_channels: usize,
    /// Channels of the result.
    pub out_channels: usize,
    /// Kernel and stride.
    pub window: Window,
    /// Zeros before and after both axes.
    pub padding: usize,
}

/// An attribute as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    Natural(u64),
    Real(f64),
    Naturals(Vec<usize>),
}

macro_rules! kinds {
    (
        plain { $($(#[$pd:meta])* $p:ident $ptag:literal $parity:expr;)* }
        with { $($(#[$wd:meta])* $w:ident $fields:tt $wtag:literal $warity:expr;)* }
    ) => {
        /// What a node of the file computes. Parameters (weights, constants) are
        /// not in the file: see [`crate::ir::Payload`].
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum Kind {
            $($(#[$pd])* $p,)*
            $($(#[$wd])* $w $fields,)*
        }

        impl Kind {
            /// Kinds without attributes.
            pub(super) const PLAIN: &[Kind] = &[$(Kind::$p),*];

            /// Names of all kinds.
            pub const TAGS: &[&str] = &[$($ptag,)* $($wtag,)*];

            /// The name in the file.
            pub fn tag(&self) -> &'static str {
                match self {
                    $(Kind::$p => $ptag,)*
                    $(Kind::$w { .. } => $wtag,)*
                }
            }

            /// Smallest and largest number of parents.
            pub fn arity(&self) -> (usize, usize) {
                match self {
                    $(Kind::$p => $parity,)*
                    $(Kind::$w { .. } => $warity,)*
                }
            }
        }
    };
}

const NONE: (usize, usize) = (0, 0);
const ONE: (usize, usize) = (1, 1);
const TWO: (usize, usize) = (2, 2);

kinds! {
    plain {
        /// The one input of the graph; all nodes of this kind read it.
        Input "input" NONE;
        /// The identity without a derivative.
        Detach "detach" ONE;
        Add "add" TWO;
        Sub "sub" TWO;
        MulElem "mul_elem" TWO;
        Abs "abs" ONE;
        /// sqrt(max(x, 0)), derivative 0 for x <= 0.
        Sqrt "sqrt" ONE;
        /// 1 / x.
        Inv "inv" ONE;
        MaxElem "max_elem" TWO;
        MinElem "min_elem" TWO;
        /// Of all elements.
        Sum "sum" ONE;
        /// Two matrices, or two stacks of as many matrices.
        Matmul "matmul" TWO;
        /// x W^T + b along the last axis.
        Linear "linear" ONE;
        Relu "relu" ONE;
        Tanh "tanh" ONE;
        Sigmoid "sigmoid" ONE;
        Exp "exp" ONE;
        Log "log" ONE;
        Sin "sin" ONE;
        Cos "cos" ONE;
        /// The first two axes exchanged.
        SwapFirstTwo "swap_first_two" ONE;
        /// The last two of three axes exchanged.
        Transpose3dLastTwo "transpose3d_last_two" ONE;
        /// Mean of the squared differences.
        MseLoss "mse_loss" TWO;
    }
    with {
        /// A parameter of this shape.
        Const { value_shape: Shape } "const" NONE;
        /// Result axis `i` is axis `perm[i]`.
        Permute { perm: Vec<usize> } "permute" ONE;
        /// Numbers in [0, 1), by key (seed, node id).
        RandUniform { seed: u64 } "rand_uniform" NONE;
        /// 1 where the parent, one probability, exceeds a uniform number, else 0.
        BernoulliMask { seed: u64 } "bernoulli_mask" ONE;
        MaxPool2d { window: Window } "max_pool2d" ONE;
        MaxPool2dPad { window: Window, padding: usize } "max_pool2d_pad" ONE;
        AvgPool2d { window: Window } "avg_pool2d" ONE;
        AvgPool2dPad { window: Window, padding: usize } "avg_pool2d_pad" ONE;
        /// Broadcast by the left-aligned rule.
        BroadcastTo { from: Shape, to: Shape } "broadcast_to" ONE;
        ReduceSum { axis: usize } "reduce_sum" ONE;
        ReduceMean { axis: usize } "reduce_mean" ONE;
        Conv2d { conv: Conv } "conv2d" ONE;
        /// Channels normalised by given statistics; `eps` of the file goes before
        /// that of the payload.
        BatchNorm2dNchwEval { channels: usize, eps: Option<f64> } "batch_norm2d_nchw_eval" ONE;
        Softmax { axis: usize } "softmax" ONE;
        /// Mean 0, variance 1 over the axes from `axis` on; `eps` is 1e-6 unless given.
        Layernorm { axis: usize, eps: Option<f64> } "layernorm" ONE;
        Reshape { from: Shape, to: Shape } "reshape" ONE;
        /// A vector of all elements.
        Flatten { from: Shape } "flatten" ONE;
        Concat { axis: usize } "concat" (2, usize::MAX);
    }
}

impl Kind {
    /// Attributes in the order in which they are printed.
    pub(super) fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let natural = |name, n: usize| (name, Attribute::Natural(n as u64));
        let shape = |name, s: &Shape| (name, Attribute::Naturals(s.dims().to_vec()));
        let window = |w: &Window| vec![natural("kH", w.kh), natural("kW", w.kw), natural("stride", w.stride)];
        let eps = |eps: &Option<f64>| eps.map(|eps| ("eps", Attribute::Real(eps)));
        match self {
            Kind::Permute { perm } => vec![("perm", Attribute::Naturals(perm.clone()))],
            Kind::RandUniform { seed } | Kind::BernoulliMask { seed } => {
                vec![("seed", Attribute::Natural(*seed))]
            }
            Kind::MaxPool2d { window: w } | Kind::AvgPool2d { window: w } => window(w),
            Kind::MaxPool2dPad { window: w, padding } | Kind::AvgPool2dPad { window: w, padding } => {
                let mut attributes = window(w);
                attributes.push(natural("padding", *padding));
                attributes
            }
            Kind::BroadcastTo { from, to } => vec![shape("from_shape", from), shape("to_shape", to)],
            Kind::ReduceSum { axis }
            | Kind::ReduceMean { axis }
            | Kind::Softmax { axis }
            | Kind::Concat { axis } => vec![natural("axis", *axis)],
            Kind::Conv2d { conv } => {
                let mut attributes =
                    vec![natural("inC", conv.in_channels), natural("outC", conv.out_channels)];
                attributes.extend(window(&conv.window));
                attributes.push(natural("padding", conv.padding));
                attributes
            }
            Kind::BatchNorm2dNchwEval { channels, eps: e } => {
                std::iter::once(natural("channels", *channels)).chain(eps(e)).collect()
            }
            Kind::Layernorm { axis, eps: e } => {
                std::iter::once(natural("axis", *axis)).chain(eps(e)).collect()
            }
            Kind::Reshape { from, to } => vec![shape("in_shape", from), shape("out_shape", to)],
            Kind::Flatten { from } => vec![shape("value_shape", from)],
            Kind::Const { value_shape } => vec![shape("value_shape", value_shape)],
            _ => Vec::new(),
        }
    }

    /// The `eps` of a normalisation, where the file gives it.
    pub(super) fn eps(&self) -> Option<f64> {
        match self {
            Kind::BatchNorm2dNchwEval { eps, .. } | Kind::Layernorm { eps, .. } => *eps,
            _ => None,
        }
    }
}
