//! A state-space language model: a gated diagonal recurrence over characters.

use crate::Failure;
use crate::model::{Model, Recipe};
use crate::text::Text;
use crate::weights::Weights;
use cotangent::optim::Init;
use cotangent::{Builder, DType, LossReduction, Var};

const BATCH: usize = 4;
const TIME: usize = 16;
const WIDTH: usize = 24;

/// The states of `h = a h + b x`, element by element, over the first axis of x; stacked there.
pub fn states<'b>(g: &'b Builder, a: Var<'b>, b: Var<'b>, h: Var<'b>, x: Var<'b>) -> Var<'b> {
    let steps = x.shape().dims()[0];
    let (_, states) = g.scan(steps, &[h], &[x], |_, h, x| {
        let h = a * h[0] + b * x[0];
        (vec![h], vec![h])
    });
    states[0]
}

/// Embedding, a block that keeps what came before, and the next character.
pub fn ssm(dtype: DType) -> Result<Model, Failure> {
    let text = Text::new();
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let embedding =
        weights.add("embedding", &[text.alphabet, WIDTH], Init::Normal { mean: 0.0, std: 0.5 })?;
    let norm = weights.norm("norm", WIDTH)?;
    let (enter, gate) = (weights.linear("enter", WIDTH, WIDTH)?, weights.linear("gate", WIDTH, WIDTH)?);
    let decay = weights.add("decay", &[WIDTH], Init::Uniform { low: -1.0, high: 3.0 })?;
    let drive = weights.add("drive", &[WIDTH], Init::Ones)?;
    let leave = weights.linear("leave", WIDTH, WIDTH)?;
    let head = weights.linear("head", WIDTH, text.alphabet)?;
    let codes = g.input("codes", DType::I64, [BATCH, TIME]);
    let next = g.input("next", DType::I64, [BATCH * TIME]);

    let x = embedding.embedding(codes);
    let normed = norm.layer(x);
    let inputs = enter.of(normed).silu().permute(&[1, 0, 2]);
    let start = g.full(dtype, [BATCH, WIDTH], 0.0);
    let states = states(&g, decay.sigmoid(), drive, start, inputs).permute(&[1, 0, 2]);
    let y = x + leave.of(states * gate.of(normed).silu());
    let logits = head.of(y.reshape([BATCH * TIME, WIDTH]));
    let loss = logits.cross_entropy(next, LossReduction::Mean, 0.0);
    let recipe = Recipe { epoch: 4, clip: Some(1.0), ..Recipe::adam(0.02, 80, 0.5) };
    Model::new(&g, loss, weights, recipe, move |step| text.batch(BATCH, TIME, step).to_vec())
}
