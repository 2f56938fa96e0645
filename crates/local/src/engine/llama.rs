//! The llama itself: what happens to the hidden states of some tokens on their way up.
//!
//! Every layer lets the tokens look at the earlier ones (attention) and then transforms each on
//! its own (a gated feed-forward), both added to what was there and both on normalised input.
//! Hidden states are of shape (tokens, width) throughout; a batch is always one sequence.
//!
//! Source: Touvron et al., "LLaMA", arXiv 2302.13971; tensor names from the GGUF specification.

use std::num::NonZero;
use std::thread;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::{rms_norm, softmax_last_dim, swiglu};

use super::cache::KvCache;
use super::config::LlamaConfig;
use super::error::LoadProblem;
use super::gguf::ModelFile;
use super::matrix::{Matrix, WeightFormat};
use super::rope::Rope;
use super::weights::TensorReader;

/// The weights of a model and the tables derived from its shape.
pub(crate) struct Llama {
    config: LlamaConfig,
    embedding: Matrix,
    layers: Vec<Layer>,
    final_norm: Tensor,
    output: Matrix,
    rope: Rope,
    context_tokens: usize,
}

struct Layer {
    attention_norm: Tensor,
    /// Rows for all queries, then all keys, then all values.
    queries_keys_values: Matrix,
    attention_output: Matrix,
    feed_forward_norm: Tensor,
    /// Rows of the gate, then of the values it opens for.
    gate_up: Matrix,
    down: Matrix,
}

impl Llama {
    /// Loads all tensors, layers in parallel, with room for `context_tokens` at most.
    pub(crate) fn load(
        file: &ModelFile,
        format: WeightFormat,
        context_tokens: usize,
    ) -> std::result::Result<Self, LoadProblem> {
        let config = LlamaConfig::read(file)?;
        let context_tokens = context_tokens.min(config.context_tokens);
        let layers = load_layers(file, format, config.layers)?;
        let mut reader = TensorReader::new(file, format)?;
        let mut load_rest = || {
            let embedding = reader.matrix(&["token_embd.weight"])?;
            // Many small models use one matrix both to read and to write tokens.
            let output = if file.has_tensor("output.weight") {
                reader.matrix(&["output.weight"])?
            } else {
                embedding.clone()
            };
            let divisors = file
                .has_tensor("rope_freqs.weight")
                .then(|| reader.vector("rope_freqs.weight"))
                .transpose()?;
            let rope = Rope::new(&config, divisors.as_ref(), context_tokens)?;
            let final_norm = reader.vector("output_norm.weight")?;
            Ok((embedding, output, rope, final_norm))
        };
        let (embedding, output, rope, final_norm) = load_rest().map_err(LoadProblem::Tensor)?;
        Ok(Self {
            config,
            embedding,
            layers,
            final_norm,
            output,
            rope,
            context_tokens,
        })
    }

    pub(crate) fn config(&self) -> &LlamaConfig {
        &self.config
    }

    pub(crate) fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    pub(crate) fn embedding_width(&self) -> usize {
        self.config.hidden_width
    }

    /// Runs `tokens`, which follow those in the cache, through all layers.
    pub(crate) fn forward(&self, cache: &mut KvCache, tokens: &[u32]) -> Result<Tensor> {
        let mut states = self.embedding.pick(tokens)?;
        let mask = causal_mask(tokens.len(), cache.position())?;
        for (index, layer) in self.layers.iter().enumerate() {
            states = (&states + self.attend((index, layer), cache, mask.as_ref(), &states)?)?;
            states = (&states + self.feed_forward(layer, &states)?)?;
        }
        cache.advance(tokens.len());
        Ok(states)
    }

    /// The scores of every token to come after the last of `states`.
    pub(crate) fn logits(&self, states: &Tensor) -> Result<Vec<f32>> {
        let last = states.narrow(0, states.dim(0)? - 1, 1)?;
        let scores = self.output.multiply(&self.final_states(&last)?)?;
        scores.squeeze(0)?.to_vec1()
    }

    /// The sum over tokens of the states that leave the model.
    pub(crate) fn sum_of_final_states(&self, states: &Tensor) -> Result<Vec<f32>> {
        self.final_states(states)?.sum(0)?.to_vec1()
    }

    fn final_states(&self, states: &Tensor) -> Result<Tensor> {
        rms_norm(states, &self.final_norm, self.config.norm_epsilon)
    }

    /// Lets every token look at those before it and at itself.
    ///
    /// Several query heads share a head of keys and values. They are stacked below each other, so
    /// that one product serves them all and keys are read once.
    fn attend(
        &self,
        (index, layer): (usize, &Layer),
        cache: &mut KvCache,
        mask: Option<&Tensor>,
        states: &Tensor,
    ) -> Result<Tensor> {
        let config = &self.config;
        let (tokens, width) = (states.dim(0)?, config.head_width);
        let states = rms_norm(states, &layer.attention_norm, config.norm_epsilon)?;
        let all = layer.queries_keys_values.multiply(&states)?;
        let by_head = |first_head: usize, heads: usize| {
            let part = all.narrow(1, first_head * width, heads * width)?;
            let part = part.reshape((tokens, heads, width))?;
            part.transpose(0, 1)?.contiguous()
        };
        let turned_heads = config.heads + config.kv_heads;
        let turned = self
            .rope
            .turn(&by_head(0, turned_heads)?, cache.position())?;
        let queries = turned.narrow(0, 0, config.heads)?;
        let keys = turned.narrow(0, config.heads, config.kv_heads)?;
        let values = by_head(turned_heads, config.kv_heads)?;
        let (keys, values) = cache.append(index, &keys, &values)?;

        let stacked_tokens = config.heads / config.kv_heads * tokens;
        let queries = queries.reshape((config.kv_heads, stacked_tokens, width))?;
        let queries = (queries / (width as f64).sqrt())?;
        let mut scores = queries.matmul(&keys.t()?)?;
        if let Some(mask) = mask {
            let by_query_head = (config.heads, tokens, keys.dim(1)?);
            let masked = scores.reshape(by_query_head)?.broadcast_add(mask)?;
            scores = masked.reshape(scores.shape())?;
        }
        let seen = softmax_last_dim(&scores)?.matmul(&values)?;
        let seen = seen.reshape((config.heads, tokens, width))?;
        let seen = seen
            .transpose(0, 1)?
            .reshape((tokens, config.heads * width))?;
        layer.attention_output.multiply(&seen)
    }

    fn feed_forward(&self, layer: &Layer, states: &Tensor) -> Result<Tensor> {
        let states = rms_norm(states, &layer.feed_forward_norm, self.config.norm_epsilon)?;
        let gated = swiglu(&layer.gate_up.multiply(&states)?)?;
        layer.down.multiply(&gated)
    }
}

/// What to add to the scores of `tokens` tokens that start at `position`: nothing for those that
/// came before, minus infinity for those yet to come. A single token needs no mask.
fn causal_mask(tokens: usize, position: usize) -> Result<Option<Tensor>> {
    if tokens == 1 {
        return Ok(None);
    }
    let future = Tensor::triu2(tokens, DType::U8, &Device::Cpu)?.sub(&Tensor::eye(
        tokens,
        DType::U8,
        &Device::Cpu,
    )?)?;
    let (zero, barred) = (Tensor::zeros_like(&future)?, f32::NEG_INFINITY);
    let barred = Tensor::full(barred, (tokens, tokens), &Device::Cpu)?;
    let mask = future.where_cond(&barred, &zero.to_dtype(DType::F32)?)?;
    let past = Tensor::zeros((tokens, position), DType::F32, &Device::Cpu)?;
    Tensor::cat(&[past, mask], 1).map(Some)
}

fn load_layers(
    file: &ModelFile,
    format: WeightFormat,
    layers: usize,
) -> std::result::Result<Vec<Layer>, LoadProblem> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = layers.div_ceil(threads).max(1);
    let load_share = |first: usize| {
        let mut reader = TensorReader::new(file, format)?;
        (first..layers.min(first + share))
            .map(|index| load_layer(&mut reader, index).map_err(LoadProblem::Tensor))
            .collect::<std::result::Result<Vec<_>, _>>()
    };
    let load_share = &load_share;
    let shares = thread::scope(|scope| {
        let handles: Vec<_> = (0..layers)
            .step_by(share)
            .map(|first| scope.spawn(move || load_share(first)))
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().expect("loading a layer does not panic"))
            .collect::<std::result::Result<Vec<_>, _>>()
    })?;
    Ok(shares.into_iter().flatten().collect())
}

fn load_layer(reader: &mut TensorReader<'_>, index: usize) -> Result<Layer> {
    let name = |part: &str| format!("blk.{index}.{part}.weight");
    let mut matrix = |parts: &[&str]| {
        let names: Vec<String> = parts.iter().map(|part| name(part)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        reader.matrix(&names)
    };
    let queries_keys_values = matrix(&["attn_q", "attn_k", "attn_v"])?;
    let attention_output = matrix(&["attn_output"])?;
    let gate_up = matrix(&["ffn_gate", "ffn_up"])?;
    let down = matrix(&["ffn_down"])?;
    Ok(Layer {
        attention_norm: reader.vector(&name("attn_norm"))?,
        queries_keys_values,
        attention_output,
        feed_forward_norm: reader.vector(&name("ffn_norm"))?,
        gate_up,
        down,
    })
}
