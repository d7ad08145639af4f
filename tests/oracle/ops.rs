//! From a case to a graph: one arm per op of the case files.

use crate::case::{Case, Data, Failure};
use cotangent::{Builder, Conv, DType, Graph, KeepDims, LossReduction, PadCells, Pool, Triangle, Var};

/// How an index or a mask reaches the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discrete {
    /// An input of the program.
    Input,
    /// A constant of the graph.
    Constant,
}

/// The graph of a case; `None` for an op that has no row.
pub fn graph(case: &Case, discrete: Discrete) -> Result<Option<Graph>, Failure> {
    graph_in(case, discrete, DType::F64)
}

/// The same over another float type.
pub fn graph_in(case: &Case, discrete: Discrete, float: DType) -> Result<Option<Graph>, Failure> {
    let g = Builder::new();
    let mut v: Vec<Option<Var<'_>>> = Vec::new();
    // Inputs come before the first constant.
    for input in &case.inputs {
        let dtype = match input.array.data {
            Data::F64(_) => float,
            Data::I64(_) => DType::I64,
            Data::Bool(_) => DType::Bool,
        };
        let held = dtype == float || discrete == Discrete::Input;
        v.push(held.then(|| g.input(&input.name, dtype, input.array.shape.clone())));
    }
    let v: Vec<Var<'_>> = v
        .into_iter()
        .zip(&case.inputs)
        .map(|(var, input)| match (var, &input.array.data) {
            (Some(var), _) => var,
            (None, Data::F64(d)) => g.constant_of(input.array.shape.clone(), d),
            (None, Data::I64(d)) => g.constant_of(input.array.shape.clone(), d),
            (None, Data::Bool(d)) => g.constant_of(input.array.shape.clone(), d),
        })
        .collect();
    match outputs(case, &v)? {
        Some(outputs) => Ok(Some(g.finish(&outputs)?)),
        None => Ok(None),
    }
}

fn outputs<'b>(case: &Case, v: &[Var<'b>]) -> Result<Option<Vec<Var<'b>>>, Failure> {
    let keepdims = if case.flag("keepdims") { KeepDims::Yes } else { KeepDims::No };
    let (axes, axis) = (case.axes("axes"), case.axis());
    let one = match case.op.as_str() {
        "neg" => -v[0],
        "abs" => v[0].abs(),
        "sqrt" => v[0].sqrt(),
        "square" => v[0].square(),
        "reciprocal" => v[0].recip(),
        "exp" => v[0].exp(),
        "log" => v[0].log(),
        "sin" => v[0].sin(),
        "cos" => v[0].cos(),
        "atan" => v[0].atan(),
        "tan" => v[0].tan(),
        "asin" => v[0].asin(),
        "acos" => v[0].acos(),
        "sinh" => v[0].sinh(),
        "cosh" => v[0].cosh(),
        "asinh" => v[0].asinh(),
        "acosh" => v[0].acosh(),
        "atanh" => v[0].atanh(),
        "exp2" => v[0].exp2(),
        "expm1" => v[0].expm1(),
        "log2" => v[0].log2(),
        "log1p" => v[0].log1p(),
        "rsqrt" => v[0].rsqrt(),
        "floor" => v[0].floor(),
        "ceil" => v[0].ceil(),
        "round_even" => v[0].round_even(),
        "erf" => v[0].erf(),
        "erfc" => v[0].erfc(),
        "lgamma" => v[0].lgamma(),
        "logsigmoid" => v[0].logsigmoid(),
        "silu" => v[0].silu(),
        "gelu_erf" => v[0].gelu_erf(),
        "gelu_tanh" => v[0].gelu_tanh(),
        "mish" => v[0].mish(),
        "elu" => v[0].elu(case.float("alpha")?),
        "leaky_relu" => v[0].leaky_relu(case.float("slope")?),
        "tanh" => v[0].tanh(),
        "sigmoid" => v[0].sigmoid(),
        "softplus" => v[0].softplus(),
        "relu" => v[0].relu(),
        "sign" => v[0].sign(),
        "clamp" => v[0].clamp(case.float("min")?, case.float("max")?),
        "add" => v[0] + v[1],
        "sub" => v[0] - v[1],
        "mul" => v[0] * v[1],
        "div" => v[0] / v[1],
        "pow" => v[0].pow(v[1]),
        "atan2" => v[0].atan2(v[1]),
        "hypot" => v[0].hypot(v[1]),
        "logaddexp" => v[0].logaddexp(v[1]),
        "maximum" => v[0].maximum(v[1]),
        "minimum" => v[0].minimum(v[1]),
        "where" => v[0].select(v[1], v[2]),
        "sum" => v[0].sum_over(&axes, keepdims),
        "mean" => v[0].mean_over(&axes, keepdims),
        "reduce_max" => v[0].reduce_max_over(&axes, keepdims),
        "reduce_min" => v[0].reduce_min_over(&axes, keepdims),
        "prod" => v[0].prod_over(&axes, keepdims),
        "var" => v[0].var_over(&axes, keepdims, case.int("ddof")?),
        "norm2" => v[0].norm2_over(&axes, keepdims),
        "stack" => v[0].stack(&v[1..], axis),
        "roll" => v[0].roll(axis, case.int("shift")?),
        "tril" => v[0].tril(case.int("k")?),
        "triu" => v[0].triu(case.int("k")?),
        "outer" => v[0].outer(v[1]),
        "trace" => v[0].trace(),
        "l1" => v[0].l1(v[1], reduction(case)?),
        "huber" => v[0].huber(v[1], reduction(case)?, case.float("delta")?),
        "bce_with_logits" => v[0].bce_with_logits(v[1], reduction(case)?),
        "kl_div" => v[0].kl_div(v[1], reduction(case)?),
        "cross_entropy" => v[0].cross_entropy(v[1], reduction(case)?, case.float("label_smoothing")?),
        "layer_norm" => v[0].layer_norm(v[1], v[2], case.float("eps")?),
        "rms_norm" => v[0].rms_norm(v[1], case.float("eps")?),
        "batch_norm_eval" => v[0].batch_norm_eval([v[1], v[2]], v[3], v[4], case.float("eps")?),
        "batch_norm_train" => v[0].batch_norm_train(v[1], v[2], case.float("eps")?),
        "group_norm" => v[0].group_norm(case.int("groups")? as usize, v[1], v[2], case.float("eps")?),
        "sdpa" => {
            let scale = if case.attrs["scale"].is_null() { None } else { Some(case.float("scale")?) };
            v[0].attention(v[1], v[2], v.get(3).copied(), case.flag("causal"), scale)
        }
        "lstm_cell" => {
            return Ok(Some(v[0].lstm_cell([v[1], v[2]], [v[3], v[4]], [v[5], v[6]]).to_vec()));
        }
        "gru_cell" => v[0].gru_cell(v[1], [v[2], v[3]], [v[4], v[5]]),
        "logsumexp" => v[0].logsumexp(&axes, keepdims),
        "softmax" => v[0].softmax(axis),
        "log_softmax" => v[0].log_softmax(axis),
        "broadcast_to" => v[0].broadcast_to(case.sizes("shape")),
        "reshape" => v[0].reshape(case.sizes("shape")),
        "transpose" => v[0].permute(&case.sizes("perm")),
        "slice" => v[0].slice(&case.sizes("start"), &case.sizes("stop"), &case.sizes("step")),
        "concat" => v[0].concat(&v[1..], axis),
        "split" => return Ok(Some(v[0].split(axis, &case.sizes("sizes")))),
        "pad" => v[0].pad(&pads(case)?, case.float("value")?),
        "flip" => v[0].flip(&axes),
        "matmul" | "batched_matmul" => v[0].matmul(v[1]),
        "linear" => v[0].linear(v[1], v.get(2).copied()),
        "dot" => v[0].dot(v[1]),
        "gather" => v[0].gather(axis, v[1]),
        "index_select" => v[0].index_select(axis, v[1]),
        "embedding" => v[0].embedding(v[1]),
        "conv" => v[0].conv(v[1], v.get(2).copied(), &conv(case)?),
        "conv_transpose" => {
            let how = conv(case)?.output_padding(case.sizes("output_padding"));
            v[0].conv_transpose(v[1], v.get(2).copied(), &how)
        }
        "max_pool" => v[0].max_pool(&pool(case)),
        "avg_pool" => {
            let counted = case.flag("count_include_pad");
            v[0].avg_pool(&pool(case), if counted { PadCells::Counted } else { PadCells::LeftOut })
        }
        "scatter_add" => v[0].scatter_add(axis, v[1], v[2]),
        "cumsum" => v[0].cumsum(axis),
        "cumprod" => v[0].cumprod(axis),
        "sort" => v[0].sort(axis),
        "solve" => v[0].solve(v[1]),
        "triangular_solve" => {
            let [lower, transpose, unit_diagonal] =
                ["lower", "transpose", "unit_diagonal"].map(|name| case.flag(name));
            v[0].triangular_solve(v[1], Triangle { lower, transpose, unit_diagonal })
        }
        "inverse" => v[0].inverse(),
        "det" => v[0].det(),
        "logabsdet" => v[0].logabsdet(),
        "cholesky" => v[0].cholesky(),
        "mse" => v[0].mse(v[1], reduction(case)?),
        _ => return Ok(None),
    };
    Ok(Some(vec![one]))
}

fn conv(case: &Case) -> Result<Conv, Failure> {
    let [stride, padding, dilation] = ["stride", "padding", "dilation"].map(|name| case.sizes(name));
    Ok(Conv::new().stride(stride).padding(padding).dilation(dilation).groups(case.int("groups")? as usize))
}

fn pool(case: &Case) -> Pool {
    Pool::new(case.sizes("kernel")).stride(case.sizes("stride")).padding(case.sizes("padding"))
}

fn pads(case: &Case) -> Result<Vec<(usize, usize)>, Failure> {
    let list = case.attrs["pads"].as_array().ok_or("no pads")?;
    Ok(list
        .iter()
        .map(|p| (p[0].as_u64().unwrap_or(0) as usize, p[1].as_u64().unwrap_or(0) as usize))
        .collect())
}

fn reduction(case: &Case) -> Result<LossReduction, Failure> {
    match case.attrs["reduction"].as_str() {
        Some("none") => Ok(LossReduction::None),
        Some("sum") => Ok(LossReduction::Sum),
        Some("mean") => Ok(LossReduction::Mean),
        other => Err(format!("{}: reduction {other:?}", case.id).into()),
    }
}
