//! Shape rules of the kinds.

use crate::graph::Shape;
use crate::ir::broadcast::left_aligned;
use crate::ir::kind::{Kind, Window};

type R<T> = Result<T, String>;

/// The shape of a node's value. The declared shape is used where the file alone
/// does not say: sizes of inputs, random numbers and outputs of `linear`.
pub(super) fn infer(kind: &Kind, parents: &[&Shape], declared: &Shape) -> R<Shape> {
    match (kind, parents) {
        (Kind::Input | Kind::RandUniform { .. }, _) => Ok(declared.clone()),
        (Kind::Const { value_shape }, _) => Ok(value_shape.clone()),
        (Kind::BernoulliMask { .. }, [keep]) => match keep.is_scalar() {
            true => Ok(declared.clone()),
            false => Err(format!("expects a scalar parent, got {keep}")),
        },
        (Kind::Add | Kind::Sub | Kind::MulElem | Kind::MaxElem | Kind::MinElem, [a, b]) => equal(a, b),
        (Kind::MseLoss, [a, b]) => equal(a, b).map(|_| Shape::scalar()),
        (
            Kind::Detach
            | Kind::Abs
            | Kind::Sqrt
            | Kind::Inv
            | Kind::Relu
            | Kind::Tanh
            | Kind::Sigmoid
            | Kind::Exp
            | Kind::Log
            | Kind::Sin
            | Kind::Cos,
            [x],
        ) => Ok((*x).clone()),
        (Kind::Sum, [_]) => Ok(Shape::scalar()),
        (Kind::ReduceSum { axis } | Kind::ReduceMean { axis }, [x]) => {
            let axis = axis_of(*axis, x)?;
            Ok(x.dims().iter().enumerate().filter(|&(i, _)| i != axis).map(|(_, &d)| d).collect())
        }
        (Kind::Softmax { axis }, [x]) => axis_of(*axis, x).map(|_| (*x).clone()),
        (Kind::Layernorm { axis, .. }, [x]) => layernorm(*axis, x),
        (Kind::Permute { perm }, [x]) => permute(perm, x),
        (Kind::SwapFirstTwo, [x]) => match x.dims() {
            [a, b, rest @ ..] => Ok([b, a].into_iter().chain(rest).copied().collect()),
            _ => Err(format!("expects two axes or more, got {x}")),
        },
        (Kind::Transpose3dLastTwo, [x]) => match *x.dims() {
            [a, b, c] => Ok(Shape::from([a, c, b])),
            _ => Err(format!("expects three axes, got {x}")),
        },
        (Kind::BroadcastTo { from, to }, [x]) => {
            recorded("from_shape", from, x)?;
            left_aligned(from, to).map(|_| to.clone()).ok_or(format!("invalid: {from} -> {to}"))
        }
        (Kind::Reshape { from, to }, [x]) => {
            recorded("in_shape", from, x)?;
            match (from.checked_numel(), to.checked_numel()) {
                (Some(a), Some(b)) if a == b => Ok(to.clone()),
                (a, b) => Err(format!("numel mismatch: {} vs {}", count(a), count(b))),
            }
        }
        (Kind::Flatten { from }, [x]) => {
            recorded("value_shape", from, x)?;
            from.checked_numel().map(|n| Shape::from([n])).ok_or(format!("{from} has too many elements"))
        }
        (Kind::Concat { axis }, [first, rest @ ..]) => concat(*axis, first, rest),
        (Kind::Matmul, [a, b]) => matmul(a, b),
        (Kind::Linear, [x]) => match (x.dims(), declared.dims()) {
            ([lead @ .., _], [.., out]) => Ok(lead.iter().chain([out]).copied().collect()),
            _ => Err(format!("expects one axis or more, got {x} -> {declared}")),
        },
        (Kind::MaxPool2d { window } | Kind::AvgPool2d { window }, [x]) => {
            windows(x, window, 0, None).map(|(_, shape)| shape)
        }
        (Kind::MaxPool2dPad { window, padding } | Kind::AvgPool2dPad { window, padding }, [x]) => {
            windows(x, window, *padding, None).map(|(_, shape)| shape)
        }
        (Kind::Conv2d { conv }, [x]) => {
            let (channels, shape) = windows(x, &conv.window, conv.padding, Some(conv.out_channels))?;
            match channels == conv.in_channels {
                true => Ok(shape),
                false => Err(format!("inC mismatch: {} vs {channels} channels of {x}", conv.in_channels)),
            }
        }
        (Kind::BatchNorm2dNchwEval { channels, .. }, [x]) => match x.dims() {
            [_, c, _, _] if c == channels => Ok((*x).clone()),
            [_, c, _, _] => Err(format!("channels mismatch: {channels} vs {c} of {x}")),
            _ => Err(format!("expects NCHW parent shape, got {x}")),
        },
        // The arity was checked before.
        (_, parents) => Err(format!("unexpected {} parents", parents.len())),
    }
}

fn count(numel: Option<usize>) -> String {
    numel.map_or("too many".into(), |n| n.to_string())
}

fn equal(a: &Shape, b: &Shape) -> R<Shape> {
    if a == b { Ok(a.clone()) } else { Err(format!("shape mismatch: {a} vs {b}")) }
}

/// A shape that the file repeats is that of the parent.
fn recorded(name: &str, own: &Shape, parent: &Shape) -> R<()> {
    match own == parent {
        true => Ok(()),
        false => Err(format!("{name} {own} is not the shape of the parent, {parent}")),
    }
}

fn axis_of(axis: usize, x: &Shape) -> R<usize> {
    if axis < x.rank() { Ok(axis) } else { Err(format!("invalid axis {axis} for rank {}", x.rank())) }
}

fn layernorm(axis: usize, x: &Shape) -> R<Shape> {
    axis_of(axis, x)?;
    let (before, from) = x.dims().split_at(axis);
    for (what, dims) in [("before", before), ("from", from)] {
        if dims.contains(&0) {
            return Err(format!("no elements {what} axis {axis} of {x}"));
        }
    }
    Ok(x.clone())
}

fn permute(perm: &[usize], x: &Shape) -> R<Shape> {
    let mut seen = vec![false; x.rank()];
    let fresh = |seen: &mut Vec<bool>, p: usize| seen.get_mut(p).is_some_and(|s| !std::mem::replace(s, true));
    if perm.len() != x.rank() || !perm.iter().all(|&p| fresh(&mut seen, p)) {
        let shown: Vec<String> = perm.iter().take(9).map(usize::to_string).collect();
        return Err(format!("[{}] is not a permutation of the axes of {x}", shown.join(",")));
    }
    Ok(perm.iter().map(|&p| x.dims()[p]).collect())
}

fn concat(axis: usize, first: &Shape, rest: &[&Shape]) -> R<Shape> {
    axis_of(axis, first)?;
    let mut dims = first.dims().to_vec();
    for other in rest {
        if other.rank() != first.rank() {
            return Err(format!("rank mismatch: {first} vs {other}"));
        }
        let differs = |i: &usize| *i != axis && first.dims()[*i] != other.dims()[*i];
        if let Some(i) = (0..first.rank()).find(differs) {
            return Err(format!("dims mismatch on axis {i}: {first} vs {other}"));
        }
        dims[axis] = dims[axis].checked_add(other.dims()[axis]).ok_or("an axis that is too long")?;
    }
    Ok(Shape::from(dims))
}

fn matmul(a: &Shape, b: &Shape) -> R<Shape> {
    let (lead, [m, k], [k2, n]) = match (a.dims(), b.dims()) {
        (&[m, k], &[k2, n]) => (None, [m, k], [k2, n]),
        (&[s, m, k], &[s2, k2, n]) => match s == s2 {
            true => (Some(s), [m, k], [k2, n]),
            false => return Err(format!("batch dims mismatch: {s} vs {s2}")),
        },
        _ => return Err(format!("unsupported matmul shapes: {a} and {b}")),
    };
    match k == k2 {
        true => Ok(lead.into_iter().chain([m, n]).collect()),
        false => Err(format!("inner dims mismatch: {k} vs {k2}")),
    }
}

/// Channels of the parent, and the shape of a result with one element for each
/// place of the window. The parent is (C, H, W), or a stack of such, (N, C, H, W).
fn windows(x: &Shape, window: &Window, padding: usize, out: Option<usize>) -> R<(usize, Shape)> {
    let (lead, [c, h, w]) = match *x.dims() {
        [c, h, w] => (None, [c, h, w]),
        [n, c, h, w] => (Some(n), [c, h, w]),
        _ => return Err(format!("expects CHW parent shape, got {x}")),
    };
    for (name, n) in [("kH", window.kh), ("kW", window.kw), ("stride", window.stride)] {
        if n == 0 {
            return Err(format!("{name} must be > 0"));
        }
    }
    let places = |what: &str, input: usize, kernel: usize| -> R<usize> {
        let padded = padding.checked_mul(2).and_then(|p| p.checked_add(input));
        let room = padded.filter(|_| input > 0).and_then(|p| p.checked_sub(kernel)).ok_or_else(|| {
            format!(
                "{what} window does not fit padded input: input={input}, padding={padding}, kernel={kernel}"
            )
        })?;
        Ok(room / window.stride + 1)
    };
    let (oh, ow) = (places("height", h, window.kh)?, places("width", w, window.kw)?);
    Ok((c, lead.into_iter().chain([out.unwrap_or(c), oh, ow]).collect()))
}
