//! A small GPT on characters: learned positions, pre-norm blocks, causal attention,
//! dropout that draws anew at every step.

use crate::Failure;
use crate::model::{Column, Model, Recipe};
use crate::text::Text;
use crate::weights::{Linear, Norm, Weights};
use cotangent::optim::Init;
use cotangent::{Builder, DType, LossReduction, Var};

const BATCH: usize = 4;
const TIME: usize = 16;
const WIDTH: usize = 32;
const HEADS: usize = 4;
const LAYERS: usize = 2;
const DROPPED: f64 = 0.1;

/// Attention and a network of one hidden layer, each added to what it was given.
struct Block<'b> {
    norms: [Norm<'b>; 2],
    /// Queries, keys and values side by side.
    qkv: Linear<'b>,
    out: Linear<'b>,
    up: Linear<'b>,
    down: Linear<'b>,
}

impl<'b> Block<'b> {
    fn new(weights: &mut Weights<'b>, i: usize) -> Result<Block<'b>, Failure> {
        let name = |what: &str| format!("block{i}.{what}");
        Ok(Block {
            norms: [weights.norm(&name("norm1"), WIDTH)?, weights.norm(&name("norm2"), WIDTH)?],
            qkv: weights.linear(&name("qkv"), WIDTH, 3 * WIDTH)?,
            out: weights.linear(&name("out"), WIDTH, WIDTH)?,
            up: weights.linear(&name("up"), WIDTH, 4 * WIDTH)?,
            down: weights.linear(&name("down"), 4 * WIDTH, WIDTH)?,
        })
    }

    /// Of x (batch, time, width); what is added is dropped in part, by two keys.
    fn of(&self, x: Var<'b>, keys: [Var<'b>; 2]) -> Var<'b> {
        let mixed = self.out.of(self.attention(self.norms[0].layer(x)));
        let x = x + mixed.dropout(DROPPED, keys[0]);
        let changed = self.down.of(self.up.of(self.norms[1].layer(x)).gelu_tanh());
        x + changed.dropout(DROPPED, keys[1])
    }

    fn attention(&self, x: Var<'b>) -> Var<'b> {
        let parts = self.qkv.of(x).split(-1, &[WIDTH; 3]);
        let heads = |v: Var<'b>| v.reshape([BATCH, TIME, HEADS, WIDTH / HEADS]).permute(&[0, 2, 1, 3]);
        let mixed = heads(parts[0]).attention(heads(parts[1]), heads(parts[2]), None, true, None);
        mixed.permute(&[0, 2, 1, 3]).reshape([BATCH, TIME, WIDTH])
    }
}

pub fn gpt(dtype: DType) -> Result<Model, Failure> {
    let text = Text::new();
    let g = Builder::new();
    let mut weights = Weights::new(&g, dtype);
    let small = Init::Normal { mean: 0.0, std: 0.1 };
    let embedding = weights.add("embedding", &[text.alphabet, WIDTH], small)?;
    let position = weights.add("position", &[TIME, WIDTH], small)?;
    let blocks = (0..LAYERS).map(|i| Block::new(&mut weights, i)).collect::<Result<Vec<_>, _>>()?;
    let norm = weights.norm("norm", WIDTH)?;
    let head = weights.linear("head", WIDTH, text.alphabet)?;
    let codes = g.input("codes", DType::I64, [BATCH, TIME]);
    let next = g.input("next", DType::I64, [BATCH * TIME]);
    let keys = g.input("keys", DType::I64, [2 * LAYERS, 2]);

    let x = embedding.embedding(codes) + position;
    let key = |i: usize| keys.at(i);
    let x = blocks.iter().enumerate().fold(x, |x, (i, block)| block.of(x, [key(2 * i), key(2 * i + 1)]));
    let logits = head.of(norm.layer(x)).reshape([BATCH * TIME, text.alphabet]);
    let loss = logits.cross_entropy(next, LossReduction::Mean, 0.0);
    let recipe = Recipe { epoch: 4, clip: Some(1.0), ..Recipe::adam(0.005, 80, 0.6) };
    Model::new(&g, loss, weights, recipe, move |step| {
        let [codes, next] = text.batch(BATCH, TIME, step);
        // A seed and a counter for each place that drops.
        let keys = (0..2 * LAYERS).flat_map(|i| [81, (2 * LAYERS * step + i) as i64]);
        vec![codes, next, Column::Index(keys.collect())]
    })
}
