//! Long short-term memory that predicts the next character, as ADBench defines
//! it: gates without matrices, the steps a loop.

use super::{Bench, Failure, Meter};
use cotangent::{Builder, Graph, KeepDims, Var, dtype};

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
    bench.gradient::<1, _>("w4_lstm", inputs, || looped(text.len() / CHARACTERS))
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

fn looped(length: usize) -> Result<Graph, Failure> {
    let g = Builder::new();
    let p = g.input("p", dtype::f64, [PARAMETERS]);
    let state = g.input("state", dtype::f64, [STATE]);
    let text = g.input("text", dtype::f64, [length, CHARACTERS]);
    let layers: [Layer<'_>; LAYERS] = std::array::from_fn(|l| Layer {
        weights: std::array::from_fn(|i| row(p, 8 * l + i)),
        biases: std::array::from_fn(|i| row(p, 8 * l + 4 + i)),
    });
    let [scale_in, scale_out, shift_out] = [0, 1, 2].map(|i| row(p, 8 * LAYERS + i));
    let states: [Var<'_>; 2 * LAYERS] = std::array::from_fn(|i| row(state, i));
    let (now, next) = (text.narrow(0, 0, length - 1), text.narrow(0, 1, length));
    let (_, hidden) = g.scan(length - 1, &states, &[now * scale_in], |_, states, x| {
        let (mut x, mut after) = (x[0], Vec::with_capacity(2 * LAYERS));
        for (layer, of) in layers.iter().zip(states.chunks_exact(2)) {
            let (h, cell) = layer.step(x, of[0], of[1]);
            after.extend([h, cell]);
            x = h;
        }
        (after, vec![x])
    });
    let y = hidden[0] * scale_out + shift_out;
    let log_sum = (y.exp().sum_over(&[1], KeepDims::Yes) + 2.0).log();
    let total = (next * (y - log_sum)).sum();
    Ok(g.finish(&[total * (-1.0 / ((length - 1) * CHARACTERS) as f64)])?)
}
