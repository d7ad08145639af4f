//! Long short-term memory that predicts the next character, as ADBench defines
//! it: gates without matrices, each step written out.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, Var, dtype};

const LAYERS: usize = 2;
const CHARACTERS: usize = 14;
/// For each layer four weights and four biases of each character; then the scale of the
/// input, the scale and the shift of the output.
const PARAMETERS: usize = (8 * LAYERS + 3) * CHARACTERS;
/// A state and a cell for each layer.
const STATE: usize = 2 * LAYERS * CHARACTERS;

pub fn run<M: Meter>(bench: &mut Bench<M>) -> Result<(), Failure> {
    if !bench.wants("w4_lstm") || !bench.data.has("w4_lstm") {
        return Ok(());
    }
    let data = bench.data.f64s("w4_lstm")?;
    let (Some((parameters, rest)), true) =
        (data.split_at_checked(PARAMETERS), data.len() >= PARAMETERS + STATE + 2 * CHARACTERS)
    else {
        return Err("w4_lstm: no parameters, states and two characters".into());
    };
    let (state, text) = rest.split_at(STATE);
    let inputs = [parameters.into(), state.into(), text.into()];
    bench.gradient::<1, _>("w4_lstm", inputs, || unrolled(text.len() / CHARACTERS))
}

/// Weights and biases of a layer, by gate.
struct Layer<'b> {
    weights: [Var<'b>; 4],
    biases: [Var<'b>; 4],
}

impl<'b> Layer<'b> {
    /// The next state and cell. Forget and output gates look at the input, the others at the state.
    fn step(&self, x: Var<'b>, h: Var<'b>, cell: Var<'b>) -> (Var<'b>, Var<'b>) {
        let gate = |i: usize, of: Var<'b>| of * self.weights[i] + self.biases[i];
        let forget = gate(0, x).sigmoid();
        let ingate = gate(1, h).sigmoid();
        let outgate = gate(2, x).sigmoid();
        let change = gate(3, h).tanh();
        let cell = cell * forget + ingate * change;
        (outgate * cell.tanh(), cell)
    }
}

/// One number for each character.
fn row(of: Var<'_>, i: usize) -> Var<'_> {
    of.narrow(0, i * CHARACTERS, (i + 1) * CHARACTERS)
}

fn unrolled(length: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let p = g.input("p", dtype::f64, [PARAMETERS]);
    let state = g.input("state", dtype::f64, [STATE]);
    let text = g.input("text", dtype::f64, [length, CHARACTERS]);
    let character = |t: usize| text.narrow(0, t, t + 1).reshape([CHARACTERS]);
    let layers: [Layer<'_>; LAYERS] = std::array::from_fn(|l| Layer {
        weights: std::array::from_fn(|i| row(p, 8 * l + i)),
        biases: std::array::from_fn(|i| row(p, 8 * l + 4 + i)),
    });
    let [scale_in, scale_out, shift_out] = [0, 1, 2].map(|i| row(p, 8 * LAYERS + i));
    let mut states: [(Var<'_>, Var<'_>); LAYERS] =
        std::array::from_fn(|l| (row(state, 2 * l), row(state, 2 * l + 1)));
    let mut total = g.scalar(0.0);
    for t in 0..length - 1 {
        let mut x = character(t) * scale_in;
        for (layer, (h, cell)) in layers.iter().zip(&mut states) {
            (*h, *cell) = layer.step(x, *h, *cell);
            x = *h;
        }
        let y = x * scale_out + shift_out;
        let log_sum = (y.exp().sum() + 2.0).log();
        total = total + character(t + 1).dot(y - log_sum);
    }
    Ok(g.finish(&[total * (-1.0 / ((length - 1) * CHARACTERS) as f64)])?)
}
