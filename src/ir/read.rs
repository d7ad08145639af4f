//! Reading the JSON: one flat record per node, so that a wrong type is reported
//! where it stands; then the attributes that the kind needs.

use crate::graph::Shape;
use crate::ir::error::{IrError, shown};
use crate::ir::file::{File, FileNode, FileValue, Heads};
use crate::ir::kind::{Conv, Kind, Window};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

/// The value of the key `format`.
pub(super) const FORMAT: &str = "torchlean.ir.v1";

/// A key that is given has a value of its type; `null` is none.
fn given<'d, D: Deserializer<'d>, T: Deserialize<'d>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

#[derive(Deserialize)]
struct RawFile {
    #[serde(default, deserialize_with = "given")]
    format: Option<String>,
    input_id: usize,
    output_id: usize,
    nodes: Vec<RawNode>,
}

macro_rules! raw_node {
    ($($name:ident $key:literal $t:ty,)*) => {
        /// A node with all attributes of all kinds. Other keys are notes of the
        /// writer and are passed over.
        #[derive(Deserialize)]
        struct RawNode {
            id: usize,
            kind: String,
            parents: Vec<usize>,
            $(#[serde(default, deserialize_with = "given", rename = $key)] $name: Option<$t>,)*
        }
    };
}

raw_node! {
    shape "shape" Vec<usize>,
    value_kind "value_kind" String,
    tuple_shapes "tuple_shapes" Vec<Vec<usize>>,
    value_shape "value_shape" Vec<usize>,
    perm "perm" Vec<usize>,
    seed "seed" u64,
    kh "kH" usize,
    kw "kW" usize,
    stride "stride" usize,
    padding "padding" usize,
    from_shape "from_shape" Vec<usize>,
    to_shape "to_shape" Vec<usize>,
    axis "axis" usize,
    in_channels "inC" usize,
    out_channels "outC" usize,
    channels "channels" usize,
    eps "eps" f64,
    in_shape "in_shape" Vec<usize>,
    out_shape "out_shape" Vec<usize>,
    index "index" usize,
    num_heads "num_heads" usize,
    embed_dim "embed_dim" usize,
    batch_first "batch_first" bool,
    dropout_zero "dropout_zero" bool,
    // Parameters of other versions of the form: passed over, they would be lost.
    gamma "gamma" IgnoredAny,
    beta "beta" IgnoredAny,
    weight "weight" IgnoredAny,
}

pub(super) fn file(text: &str) -> Result<File, IrError> {
    let raw: RawFile = serde_json::from_str(text).map_err(json)?;
    if let Some(got) = raw.format.filter(|format| format != FORMAT) {
        return Err(IrError::Format { got: shown(&got) });
    }
    let nodes = raw.nodes.into_iter().map(node).collect::<Result<_, _>>()?;
    Ok(File { nodes, input: raw.input_id, output: raw.output_id })
}

fn json(error: serde_json::Error) -> IrError {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let place = format!(" at line {line} column {column}");
    let message = message.strip_suffix(place.as_str()).unwrap_or(&message);
    let message = match message.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.into(),
    };
    IrError::Json { line, column, message }
}

fn node(mut raw: RawNode) -> Result<FileNode, IrError> {
    let parents = std::mem::take(&mut raw.parents);
    let value = match raw.value_kind.as_deref() {
        None | Some("tensor") => {
            let shape = Shape::from(raw.need(raw.shape.clone(), "shape")?);
            match raw.kind.as_str() {
                "tuple_getitem" => FileValue::Item { index: raw.need(raw.index, "index")?, shape },
                _ => FileValue::Tensor { kind: raw.tensor(&shape)?, shape },
            }
        }
        Some("tuple") => {
            let shapes = raw.tuple_shapes.take();
            let shapes = raw.need(shapes, "tuple_shapes")?;
            let heads = match raw.kind.as_str() {
                "multihead_attention" => Some(Heads {
                    num_heads: raw.need(raw.num_heads, "num_heads")?,
                    embed_dim: raw.need(raw.embed_dim, "embed_dim")?,
                    batch_first: raw.need(raw.batch_first, "batch_first")?,
                    dropout_zero: raw.need(raw.dropout_zero, "dropout_zero")?,
                }),
                _ => None,
            };
            FileValue::Tuple { kind: raw.kind, heads, shapes: shapes.into_iter().map(Shape::from).collect() }
        }
        Some(other) => {
            let (kind, value_kind) = (shown(&raw.kind), shown(other));
            return Err(IrError::ValueKind { node: raw.id, kind, value_kind });
        }
    };
    Ok(FileNode { id: raw.id, parents, value })
}

impl RawNode {
    fn need<T>(&self, value: Option<T>, attribute: &'static str) -> Result<T, IrError> {
        value.ok_or_else(|| IrError::MissingAttribute { node: self.id, kind: shown(&self.kind), attribute })
    }

    fn axis(&self) -> Result<usize, IrError> {
        self.need(self.axis, "axis")
    }

    fn extents(&self, dims: &Option<Vec<usize>>, attribute: &'static str) -> Result<Shape, IrError> {
        self.need(dims.as_deref().map(Shape::new), attribute)
    }

    fn window(&self) -> Result<Window, IrError> {
        Ok(Window {
            kh: self.need(self.kh, "kH")?,
            kw: self.need(self.kw, "kW")?,
            stride: self.need(self.stride, "stride")?,
        })
    }

    fn padding(&self) -> Result<usize, IrError> {
        self.need(self.padding, "padding")
    }

    fn tensor(&self, shape: &Shape) -> Result<Kind, IrError> {
        if self.gamma.is_some() || self.beta.is_some() || self.weight.is_some() {
            let why = "parameters inside the file are not read: give them as payload".into();
            return Err(IrError::Tuple { node: self.id, kind: shown(&self.kind), why });
        }
        Ok(match self.kind.as_str() {
            "const" => {
                let value_shape = self.value_shape.as_deref().map_or_else(|| shape.clone(), Shape::new);
                Kind::Const { value_shape }
            }
            "permute" => Kind::Permute { perm: self.need(self.perm.clone(), "perm")? },
            "rand_uniform" => Kind::RandUniform { seed: self.need(self.seed, "seed")? },
            "bernoulli_mask" => Kind::BernoulliMask { seed: self.need(self.seed, "seed")? },
            "max_pool2d" => Kind::MaxPool2d { window: self.window()? },
            "avg_pool2d" => Kind::AvgPool2d { window: self.window()? },
            "max_pool2d_pad" => Kind::MaxPool2dPad { window: self.window()?, padding: self.padding()? },
            "avg_pool2d_pad" => Kind::AvgPool2dPad { window: self.window()?, padding: self.padding()? },
            "broadcast_to" => Kind::BroadcastTo {
                from: self.extents(&self.from_shape, "from_shape")?,
                to: self.extents(&self.to_shape, "to_shape")?,
            },
            "reduce_sum" => Kind::ReduceSum { axis: self.axis()? },
            "reduce_mean" => Kind::ReduceMean { axis: self.axis()? },
            "softmax" => Kind::Softmax { axis: self.axis()? },
            "concat" => Kind::Concat { axis: self.axis()? },
            "layernorm" => Kind::Layernorm { axis: self.axis()?, eps: self.eps },
            "conv2d" => Kind::Conv2d {
                conv: Conv {
                    in_channels: self.need(self.in_channels, "inC")?,
                    out_channels: self.need(self.out_channels, "outC")?,
                    window: self.window()?,
                    padding: self.padding()?,
                },
            },
            "batch_norm2d_nchw_eval" => {
                Kind::BatchNorm2dNchwEval { channels: self.need(self.channels, "channels")?, eps: self.eps }
            }
            "reshape" => Kind::Reshape {
                from: self.extents(&self.in_shape, "in_shape")?,
                to: self.extents(&self.out_shape, "out_shape")?,
            },
            "flatten" => Kind::Flatten { from: self.extents(&self.value_shape, "value_shape")? },
            other => match Kind::PLAIN.iter().find(|kind| kind.tag() == other) {
                Some(kind) => kind.clone(),
                None => return Err(IrError::UnknownKind { node: self.id, kind: shown(other) }),
            },
        })
    }
}
