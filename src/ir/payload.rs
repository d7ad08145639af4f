//! Parameters, which are not in the file: a store keyed by node id and name.

use crate::graph::Shape;
use crate::ir::error::IrError;
use crate::ir::graph::{IrGraph, IrNode};
use crate::ir::kind::Kind;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;

/// One parameter that a node has.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Id of the node.
    pub node: usize,
    /// Name: `values`, `W`, `b`, `gamma`, `beta`, `mean` or `var`.
    pub name: &'static str,
    /// Shape; elements are row-major.
    pub shape: Shape,
}

impl Parameter {
    /// Its name in a file of parameters, `"<node id>.<name>"`.
    pub fn key(&self) -> String {
        key(self.node, self.name)
    }
}

fn key(node: usize, name: &str) -> String {
    format!("{node}.{name}")
}

impl IrGraph {
    /// The parameters of the graph, by node id: of `const` the `values`, of
    /// `linear` `W` (out, in) and `b`, of `conv2d` `W` (out, in, kH, kW) and `b`, of
    /// `batch_norm2d_nchw_eval` `gamma`, `beta`, `mean` and `var`.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.nodes().iter().flat_map(|node| self.parameters_of(node)).collect()
    }

    pub(super) fn parameters_of(&self, node: &IrNode) -> Vec<Parameter> {
        let of = |name, shape: Shape| Parameter { node: node.id, name, shape };
        match &node.kind {
            Kind::Const { value_shape } => vec![of("values", value_shape.clone())],
            Kind::Linear => {
                let last = |shape: &Shape| shape.dims().last().copied().unwrap_or(1);
                let (out, x) = (last(&node.shape), node.parents.first().map(|&p| &self.nodes()[p].shape));
                vec![of("W", Shape::from([out, x.map_or(1, last)])), of("b", Shape::from([out]))]
            }
            Kind::Conv2d { conv } => {
                let w = [conv.out_channels, conv.in_channels, conv.window.kh, conv.window.kw];
                vec![of("W", Shape::from(w)), of("b", Shape::from([conv.out_channels]))]
            }
            Kind::BatchNorm2dNchwEval { channels, .. } => {
                ["gamma", "beta", "mean", "var"].map(|name| of(name, Shape::from([*channels]))).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// Values of parameters, row-major, in f64 (which holds f32 exactly). Flat: the
/// graph knows the shapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload {
    values: BTreeMap<(usize, String), Vec<f64>>,
}

impl Payload {
    /// No parameters.
    pub fn new() -> Payload {
        Payload::default()
    }

    /// Sets a parameter by node id and name (see [`IrGraph::parameters`]; also
    /// `eps` of a `batch_norm2d_nchw_eval`).
    pub fn insert(&mut self, node: usize, name: &str, values: impl Into<Vec<f64>>) {
        self.values.insert((node, name.into()), values.into());
    }

    /// Values of a `const`.
    pub fn constant(mut self, node: usize, values: impl Into<Vec<f64>>) -> Payload {
        self.insert(node, "values", values);
        self
    }

    /// Matrix (out, in) and vector of a `linear`.
    pub fn linear(self, node: usize, w: impl Into<Vec<f64>>, b: impl Into<Vec<f64>>) -> Payload {
        self.conv2d(node, w, b)
    }

    /// Kernels (out, in, kH, kW) and vector of a `conv2d`.
    pub fn conv2d(mut self, node: usize, w: impl Into<Vec<f64>>, b: impl Into<Vec<f64>>) -> Payload {
        self.insert(node, "W", w);
        self.insert(node, "b", b);
        self
    }

    /// Scale, shift and statistics of a `batch_norm2d_nchw_eval`.
    pub fn batch_norm(mut self, node: usize, [gamma, beta, mean, var]: [&[f64]; 4], eps: f64) -> Payload {
        for (name, values) in [("gamma", gamma), ("beta", beta), ("mean", mean), ("var", var)] {
            self.insert(node, name, values);
        }
        self.insert(node, "eps", [eps]);
        self
    }

    /// The values of a parameter.
    pub fn values(&self, node: usize, name: &str) -> Option<&[f64]> {
        self.values.get(&(node, name.into())).map(Vec::as_slice)
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values of a parameter; `None` if it may do without and there are none.
    pub(super) fn get(
        &self,
        graph: &IrGraph,
        parameter: &Parameter,
        needed: bool,
    ) -> Result<Option<&[f64]>, IrError> {
        let (node, kind) = (parameter.node, graph.nodes()[parameter.node].kind.tag());
        match self.values(node, parameter.name) {
            Some(v) if v.len() == parameter.shape.numel() => Ok(Some(v)),
            Some(v) => Err(IrError::PayloadLength {
                node,
                kind,
                name: parameter.key(),
                shape: parameter.shape.clone(),
                got: v.len(),
            }),
            None if needed => Err(IrError::MissingPayload { node, kind, name: parameter.key() }),
            None => Ok(None),
        }
    }

    /// Every entry is a parameter of the graph.
    pub(super) fn check(&self, graph: &IrGraph) -> Result<(), IrError> {
        for (node, name) in self.values.keys() {
            let known = graph.nodes().get(*node).is_some_and(|n| {
                let eps = name == "eps" && matches!(n.kind, Kind::BatchNorm2dNchwEval { .. });
                eps || graph.parameters_of(n).iter().any(|p| p.name == name)
            });
            if !known {
                let why = match graph.nodes().get(*node) {
                    Some(n) => format!("node {node} ({}) has no such parameter", n.kind.tag()),
                    None => format!("the graph has {} nodes", graph.nodes().len()),
                };
                return Err(IrError::Payload { name: key(*node, name), why });
            }
        }
        Ok(())
    }

    /// Reads a safetensors file with names `"<node id>.<name>"`, of element type
    /// F64, F32, F16 or BF16.
    ///
    /// # Errors
    /// Bytes that are no such file; other names or element types.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Payload, IrError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| IrError::SafeTensors(e.to_string()))?;
        let mut payload = Payload::new();
        for (name, view) in file.iter() {
            let place = name.split_once('.').and_then(|(id, rest)| Some((id.parse().ok()?, rest)));
            let Some((node, parameter)) = place else {
                let (name, why) = (name.into(), "a name is \"<node id>.<name>\"".into());
                return Err(IrError::Payload { name, why });
            };
            payload.insert(node, parameter, floats(name, &view)?);
        }
        Ok(payload)
    }

    /// The parameters as a safetensors file of element type F64, one axis each.
    ///
    /// # Errors
    /// None that a store of finite size could cause.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, IrError> {
        let wrong = |e: safetensors::SafeTensorError| IrError::SafeTensors(e.to_string());
        let bytes: Vec<(String, usize, Vec<u8>)> = self
            .values
            .iter()
            .map(|((node, name), v)| {
                (key(*node, name), v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect())
            })
            .collect();
        let views: Vec<(&str, TensorView<'_>)> = bytes
            .iter()
            .map(|(name, len, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F64, vec![*len], bytes)?)))
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        safetensors::serialize(views, None).map_err(wrong)
    }
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f64>, IrError> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|&b| number(b)).collect()
    }
    let bytes = view.data();
    Ok(match view.dtype() {
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        Dtype::F32 => each(bytes, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::BF16 => each(bytes, |b| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))),
        Dtype::F16 => each(bytes, |b| half(u16::from_le_bytes(b))),
        other => {
            let why = format!("element type {other:?} is none of F64, F32, F16, BF16");
            return Err(IrError::Payload { name: name.into(), why });
        }
    })
}

/// IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * f64::from_bits((1023 - 24) << 52),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + fraction) * f64::from_bits(((1023 + e - 25) as u64) << 52),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960464477539063e-8),
            (0x0400, 6.103515625e-5),
            (0x3555, 0.333251953125),
            (0x7c00, f64::INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    }
}
