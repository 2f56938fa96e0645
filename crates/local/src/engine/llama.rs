//! The llama itself: what happens to the hidden states of some tokens on their way up.
//!
//! Every layer lets the tokens look at the earlier ones (attention) and then transforms each on
//! its own (a gated feed-forward), both added to what was there and both on normalised input.
//! Hidden states are of shape (tokens, width) throughout; a batch is always one sequence.
//!
//! Source: Touvron et al., "LLaMA", arXiv 2302.13971; tensor names from the GGUF specification.

use std::num::NonZero;
use std::thread;

use candle_core::quantized::QMatMul;
use candle_core::{Device, Module as _, Result, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};
use candle_nn::ops::{rms_norm, swiglu};

use super::cache::KvCache;
use super::config::LlamaConfig;
use super::error::LoadProblem;
use super::gguf::ModelFile;
use super::rope::Rope;
use super::weights::{TensorReader, WeightFormat};

/// The weights of a model and the tables derived from its shape.
pub(crate) struct Llama {
    config: LlamaConfig,
    embedding: QMatMul,
    layers: Vec<Layer>,
    final_norm: Tensor,
    output: QMatMul,
    rope: Rope,
    context_tokens: usize,
}

struct Layer {
    attention_norm: Tensor,
    /// Rows for all queries, then all keys, then all values.
    queries_keys_values: QMatMul,
    attention_output: QMatMul,
    feed_forward_norm: Tensor,
    /// Rows of the gate, then of the values it opens for.
    gate_up: QMatMul,
    down: QMatMul,
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
        let ids = Tensor::new(tokens, &Device::Cpu)?;
        let mut states = self.embedding.embedding(&ids)?;
        for (index, layer) in self.layers.iter().enumerate() {
            states = (&states + self.attend(layer, index, cache, &states)?)?;
            states = (&states + self.feed_forward(layer, &states)?)?;
        }
        cache.advance(tokens.len());
        Ok(states)
    }

    /// The scores of every token to come after the last of `states`.
    pub(crate) fn logits(&self, states: &Tensor) -> Result<Vec<f32>> {
        let last = states.narrow(0, states.dim(0)? - 1, 1)?;
        let scores = self.output.forward(&self.final_states(&last)?)?;
        scores.squeeze(0)?.to_vec1()
    }

    /// The sum over tokens of the states that leave the model.
    pub(crate) fn sum_of_final_states(&self, states: &Tensor) -> Result<Vec<f32>> {
        self.final_states(states)?.sum(0)?.to_vec1()
    }

    fn final_states(&self, states: &Tensor) -> Result<Tensor> {
        rms_norm(states, &self.final_norm, self.config.norm_epsilon)
    }

    fn attend(
        &self,
        layer: &Layer,
        index: usize,
        cache: &mut KvCache,
        states: &Tensor,
    ) -> Result<Tensor> {
        let config = &self.config;
        let tokens = states.dim(0)?;
        let (width, turned_heads) = (config.head_width, config.rotated_heads());
        let states = rms_norm(states, &layer.attention_norm, config.norm_epsilon)?;
        let all = layer.queries_keys_values.forward(&states)?;

        let turned_width = turned_heads * width;
        let turned = all.narrow(1, 0, turned_width)?;
        let turned = turned.reshape((1, tokens, turned_heads, width))?;
        let turned = self.rope.turn(&turned, cache.position())?;
        let queries = turned.narrow(2, 0, config.heads)?;
        let keys = turned.narrow(2, config.heads, config.kv_heads)?;
        let keys = keys.squeeze(0)?.contiguous()?;
        let values = all.narrow(1, turned_width, config.kv_heads * width)?;
        let values = values.reshape((tokens, config.kv_heads, width))?;

        let (keys, values) = cache.append(index, &keys, &values)?;
        let scale = 1.0 / (width as f32).sqrt();
        let mask = AttnMask::causal_with_offset(cache.position());
        let seen = flash_attn::<f32>(&queries, &keys, &values, scale, mask, None, None)?;
        let seen = seen.transpose(1, 2)?.reshape((tokens, config.heads * width))?;
        layer.attention_output.forward(&seen)
    }

    fn feed_forward(&self, layer: &Layer, states: &Tensor) -> Result<Tensor> {
        let states = rms_norm(states, &layer.feed_forward_norm, self.config.norm_epsilon)?;
        let gated = swiglu(&layer.gate_up.forward(&states)?)?;
        layer.down.forward(&gated)
    }
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
