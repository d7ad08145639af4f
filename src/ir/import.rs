//! From the file's graph to ours, node by node.

use crate::graph::{DType, Graph, Shape, ValueId, ValueType};
use crate::ir::broadcast::left_aligned;
use crate::ir::error::IrError;
use crate::ir::exec::{ExecGraph, InputParameter};
use crate::ir::graph::{IrGraph, IrNode};
use crate::ir::kind::{Kind, Window};
use crate::ir::payload::{Parameter, Payload};
use crate::ops::{Elements, Literal, LossReduction, Op, OpError, make};
use std::collections::BTreeMap;

/// Where neither file nor payload gives one, TorchLean's.
const EPS: f64 = 1e-6;

/// Which parameters become inputs of the graph, so that gradients with respect to
/// them exist. The others are constants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trainable {
    /// None: every parameter is a constant.
    #[default]
    None,
    /// All of them.
    All,
    /// Those of these names, `"<node id>.<name>"`.
    Only(Vec<String>),
}

impl Trainable {
    fn has(&self, parameter: &Parameter) -> bool {
        match self {
            Trainable::None => false,
            Trainable::All => true,
            Trainable::Only(names) => names.contains(&parameter.key()),
        }
    }
}

/// What `log` makes of numbers that have no logarithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogGuard {
    /// IEEE: -inf for 0, NaN below and for NaN.
    #[default]
    Off,
    /// An error of [`ExecGraph::eval`] and [`ExecGraph::denote_all`], as in TorchLean.
    /// Compiled programs do not look.
    On,
}

/// How a graph is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    pub(super) dtype: DType,
    trainable: Trainable,
    log: LogGuard,
}

impl Default for ImportOptions {
    fn default() -> ImportOptions {
        ImportOptions { dtype: DType::F64, trainable: Trainable::None, log: LogGuard::Off }
    }
}

impl ImportOptions {
    /// The element type of every value, f64 unless set; numbers are rounded to it.
    pub fn dtype(mut self, dtype: DType) -> ImportOptions {
        self.dtype = dtype;
        self
    }

    /// The parameters that become inputs; none unless set.
    pub fn trainable(mut self, trainable: Trainable) -> ImportOptions {
        self.trainable = trainable;
        self
    }

    /// What `log` does with numbers that have no logarithm.
    pub fn log(mut self, log: LogGuard) -> ImportOptions {
        self.log = log;
        self
    }
}

impl IrGraph {
    /// Our graph of this one: input 0 is the file's input, then come the parameters that
    /// were made inputs, by node id. Its output is the file's. Every node has its own
    /// value, so that its gradient can be asked for.
    ///
    /// # Errors
    /// Parameters that are missing, of another size, or of no node; an element type that
    /// is no float.
    pub fn import(&self, payload: &Payload, options: &ImportOptions) -> Result<ExecGraph, IrError> {
        payload.check(self)?;
        let several_inputs = self.nodes().iter().filter(|n| n.kind == Kind::Input).nth(1).is_some();
        let mut importer = Importer {
            ir: self,
            payload,
            options,
            graph: Graph::new(),
            several_inputs,
            given: BTreeMap::new(),
        };
        let inputs = importer.inputs()?;
        let mut values: Vec<ValueId> = Vec::with_capacity(self.nodes().len());
        let mut logs = Vec::new();
        for node in self.nodes() {
            let parents: Vec<ValueId> = node.parents.iter().map(|&p| values[p]).collect();
            if node.kind == Kind::Log && options.log == LogGuard::On {
                logs.push((node.id, parents[0]));
            }
            values.push(importer.node(node, &parents)?);
        }
        let mut graph = importer.graph;
        graph.set_outputs(vec![values[self.output_id()]]);
        Ok(ExecGraph { graph, values, parameters: inputs, logs })
    }
}

/// The graph of an IR graph in f64 with all parameters constant, by the name that it has
/// in TorchLean. [`IrGraph::import`] has the choices.
///
/// # Errors
/// See [`IrGraph::import`].
pub fn exec_graph_of_ir(graph: &IrGraph, payload: &Payload) -> Result<ExecGraph, IrError> {
    graph.import(payload, &ImportOptions::default())
}

struct Importer<'a> {
    ir: &'a IrGraph,
    payload: &'a Payload,
    options: &'a ImportOptions,
    graph: Graph,
    several_inputs: bool,
    /// Parameters that are inputs.
    given: BTreeMap<(usize, &'static str), ValueId>,
}

type R = Result<ValueId, IrError>;

fn failed(node: &IrNode, error: OpError) -> IrError {
    IrError::Import { node: node.id, kind: node.kind.tag(), error: error.into() }
}

impl Importer<'_> {
    /// The input, then the parameters that are inputs.
    fn inputs(&mut self) -> Result<Vec<InputParameter>, IrError> {
        let (ir, dtype) = (self.ir, self.options.dtype);
        let input = &ir.nodes()[ir.input_id()];
        if !dtype.is_float() {
            return Err(failed(
                input,
                OpError::DType { op: "input", operand: 0, got: dtype, expected: "a float" },
            ));
        }
        let differs = |n: &&IrNode| n.kind == Kind::Input && n.shape != input.shape;
        if let Some(node) = ir.nodes().iter().find(differs) {
            let why = format!("shape mismatch: expected {}, got {}", input.shape, node.shape);
            return Err(IrError::Shape { node: node.id, kind: "input", why, summary: node.summary() });
        }
        self.push_input(input, "x", &input.shape)?;
        let mut parameters = Vec::new();
        for parameter in ir.parameters() {
            if !self.options.trainable.has(&parameter) {
                continue;
            }
            let initial = self.payload.get(ir, &parameter, false)?.map(<[f64]>::to_vec);
            let value = self.push_input(&ir.nodes()[parameter.node], &parameter.key(), &parameter.shape)?;
            self.given.insert((parameter.node, parameter.name), value);
            parameters.push(InputParameter { parameter, value, initial });
        }
        if let Trainable::Only(names) = &self.options.trainable
            && let Some(name) =
                names.iter().find(|name| !parameters.iter().any(|p| p.parameter.key() == **name))
        {
            let why = "the graph has no such parameter to make an input of".into();
            return Err(IrError::Payload { name: name.clone(), why });
        }
        Ok(parameters)
    }

    fn push_input(&mut self, node: &IrNode, name: &str, shape: &Shape) -> R {
        let ty = ValueType::new(self.options.dtype, shape.clone());
        self.graph.push_input(name, ty).map_err(|error| failed(node, error))
    }

    fn emit(&mut self, node: &IrNode, op: Op, operands: &[ValueId]) -> R {
        let results = self.graph.push(op, operands, None).map_err(|error| failed(node, error))?;
        Ok(results[0])
    }

    fn constant(&mut self, node: &IrNode, shape: &Shape, elements: Elements) -> R {
        let literal = Literal::new(shape.clone(), elements).ok_or_else(|| {
            failed(
                node,
                OpError::TooLarge { op: "const", ty: ValueType::new(self.options.dtype, shape.clone()) },
            )
        })?;
        self.emit(node, make::constant(literal), &[])
    }

    fn floats(&mut self, node: &IrNode, shape: &Shape, values: &[f64]) -> R {
        let elements = match self.options.dtype {
            DType::F32 => Elements::F32(values.iter().map(|&x| x as f32).collect()),
            _ => Elements::F64(values.to_vec()),
        };
        self.constant(node, shape, elements)
    }

    /// The parameters of a node, in the order of [`IrGraph::parameters`]; constants
    /// changed by `f`.
    fn parameters<const N: usize>(
        &mut self,
        node: &IrNode,
        f: impl Fn(&str, f64) -> f64,
    ) -> Result<[ValueId; N], IrError> {
        let mut ids = [ValueId::new(0); N];
        for (id, parameter) in ids.iter_mut().zip(self.ir.parameters_of(node)) {
            *id = match self.given.get(&(node.id, parameter.name)) {
                Some(&given) => given,
                None => {
                    let values = self.payload.get(self.ir, &parameter, true)?.unwrap_or_default();
                    let values: Vec<f64> = values.iter().map(|&x| f(parameter.name, x)).collect();
                    self.floats(node, &parameter.shape, &values)?
                }
            };
        }
        Ok(ids)
    }

    fn eps(&self, node: &IrNode) -> Result<f64, IrError> {
        let name = || format!("{}.eps", node.id);
        match (node.kind.eps(), self.payload.values(node.id, "eps")) {
            (Some(eps), _) => Ok(eps),
            (None, None) => Ok(EPS),
            (None, Some([eps])) if eps.is_finite() && *eps >= 0.0 => Ok(*eps),
            (None, Some(other)) => {
                Err(IrError::Payload { name: name(), why: format!("{other:?} is not one number from 0 on") })
            }
        }
    }

    /// Key (seed, node id) of a node's random numbers.
    fn key(&mut self, node: &IrNode, seed: u64) -> R {
        // Bits, not values: the key is a pair of unsigned numbers.
        self.constant(node, &Shape::from([2]), Elements::I64(vec![seed as i64, node.id as i64]))
    }

    fn node(&mut self, node: &IrNode, parents: &[ValueId]) -> R {
        let shape = &node.shape;
        let op = match &node.kind {
            Kind::Input => return self.input(node),
            Kind::Const { .. } => return self.parameters::<1>(node, |_, x| x).map(|[values]| values),
            Kind::Linear => {
                let [w, b] = self.parameters(node, |_, x| x)?;
                return self.emit(node, make::linear(), &[parents[0], w, b]);
            }
            Kind::Conv2d { conv } => {
                let [w, b] = self.parameters(node, |_, x| x)?;
                let (stride, padding) = ([conv.window.stride; 2], [conv.padding; 2]);
                return self.emit(node, make::conv(&stride, &padding, &[1, 1], 1), &[parents[0], w, b]);
            }
            Kind::BatchNorm2dNchwEval { .. } => return self.batch_norm(node, parents[0]),
            Kind::Layernorm { axis, .. } => return self.layernorm(node, parents[0], *axis),
            Kind::BroadcastTo { from, to } => {
                let aligned = left_aligned(from, to).unwrap_or_else(|| from.clone());
                let x = self.emit(node, make::reshape(&aligned), parents)?;
                return self.emit(node, make::broadcast_to(to), &[x]);
            }
            Kind::RandUniform { seed } => {
                let key = self.key(node, *seed)?;
                return self.emit(node, make::rand_uniform(self.options.dtype, shape), &[key]);
            }
            Kind::BernoulliMask { seed } => {
                let key = self.key(node, *seed)?;
                return self.emit(node, make::bernoulli_mask(shape), &[parents[0], key]);
            }
            Kind::Permute { perm } => make::permute(perm),
            Kind::SwapFirstTwo => {
                let perm: Vec<usize> = [1, 0].into_iter().chain(2..shape.rank()).collect();
                make::permute(&perm)
            }
            Kind::Transpose3dLastTwo => make::permute(&[0, 2, 1]),
            Kind::Reshape { to, .. } => make::reshape(to),
            Kind::Flatten { .. } => make::reshape(shape),
            Kind::Sum => match self.graph.shape(parents[0]).rank() {
                0 => make::reshape(shape),
                rank => make::sum(&(0..rank).collect::<Vec<usize>>(), false),
            },
            Kind::ReduceSum { axis } => make::sum(&[*axis], false),
            Kind::ReduceMean { axis } => make::mean(&[*axis], false),
            Kind::Softmax { axis } => make::softmax(*axis),
            Kind::Concat { axis } => make::concat(*axis),
            Kind::MaxPool2d { window } => pool(make::max_pool, window, 0),
            Kind::MaxPool2dPad { window, padding } => pool(make::max_pool, window, *padding),
            Kind::AvgPool2d { window } => pool(avg_pool, window, 0),
            Kind::AvgPool2dPad { window, padding } => pool(avg_pool, window, *padding),
            Kind::MseLoss => make::mse(LossReduction::Mean),
            Kind::Matmul => make::matmul(),
            Kind::Detach => make::detach(),
            Kind::Add => make::add(),
            Kind::Sub => make::sub(),
            Kind::MulElem => make::mul(),
            Kind::MaxElem => make::maximum(),
            Kind::MinElem => make::minimum(),
            Kind::Abs => make::abs(),
            Kind::Sqrt => make::sqrt_nonneg(),
            Kind::Inv => make::recip(),
            Kind::Relu => make::relu(),
            Kind::Tanh => make::tanh(),
            Kind::Sigmoid => make::sigmoid(),
            Kind::Exp => make::exp(),
            Kind::Log => make::log(),
            Kind::Sin => make::sin(),
            Kind::Cos => make::cos(),
        };
        self.emit(node, op, parents)
    }

    /// The input; where several nodes read it, each has a value of its own.
    fn input(&mut self, node: &IrNode) -> R {
        match self.several_inputs {
            true => self.emit(node, make::reshape(&node.shape), &[ValueId::new(0)]),
            false => Ok(ValueId::new(0)),
        }
    }

    /// (x - mean) / sqrt(max(var, 0) + eps) * gamma + beta
    fn batch_norm(&mut self, node: &IrNode, x: ValueId) -> R {
        let eps = self.eps(node)?;
        let positive = |name: &str, v: f64| if name == "var" && v < 0.0 { 0.0 } else { v };
        let [gamma, beta, mean, mut var] = self.parameters(node, positive)?;
        if self.given.contains_key(&(node.id, "var")) {
            var = self.emit(node, make::relu(), &[var])?;
        }
        self.emit(node, make::batch_norm_eval(eps), &[x, mean, var, gamma, beta])
    }

    /// Rows of all axes from `axis` on.
    fn layernorm(&mut self, node: &IrNode, x: ValueId, axis: usize) -> R {
        let eps = node.kind.eps().unwrap_or(EPS);
        let (before, from) = node.shape.dims().split_at(axis);
        let rows = Shape::from([before.iter().product::<usize>(), from.iter().product()]);
        let row = Shape::new(&rows.dims()[1..]);
        let dtype = self.options.dtype;
        let x = self.emit(node, make::reshape(&rows), &[x])?;
        let [gamma, beta] = [1.0, 0.0].map(|v| make::constant(Literal::filled(dtype, row.clone(), v)));
        let (gamma, beta) = (self.emit(node, gamma, &[])?, self.emit(node, beta, &[])?);
        let y = self.emit(node, make::layer_norm(eps), &[x, gamma, beta])?;
        self.emit(node, make::reshape(&node.shape), &[y])
    }
}

fn pool(op: fn(&[usize], &[usize], &[usize]) -> Op, window: &Window, padding: usize) -> Op {
    op(&[window.kh, window.kw], &[window.stride; 2], &[padding; 2])
}

/// Zeros of the padding count.
fn avg_pool(kernel: &[usize], stride: &[usize], padding: &[usize]) -> Op {
    make::avg_pool(kernel, stride, padding, true)
}
