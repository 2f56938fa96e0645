//! Rotary position embedding: queries and keys are turned by an angle that grows with position.
//!
//! Files of architecture `llama` store heads so that the two numbers of a rotated pair lie next
//! to each other (the "interleaved" or "norm" order), which is what [`rope_i`] expects.
//!
//! Source: Su et al., "RoFormer", arXiv 2104.09864.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::rotary_emb::rope_i;

use super::config::LlamaConfig;

/// The turns for every position of the context, computed once.
pub(crate) struct Rope {
    cosines: Tensor,
    sines: Tensor,
}

impl Rope {
    /// `divisors` holds one number per pair that lowers its frequency, as Llama 3.1 and later
    /// ship them in the tensor `rope_freqs.weight`.
    pub(crate) fn new(
        config: &LlamaConfig,
        divisors: Option<&Tensor>,
        context_tokens: usize,
    ) -> Result<Self> {
        let width = config.head_width;
        let frequencies: Vec<f32> = (0..width)
            .step_by(2)
            .map(|pair| config.rope_base.powf(-(pair as f32) / width as f32))
            .map(|frequency| frequency / config.rope_divisor)
            .collect();
        let mut frequencies = Tensor::from_vec(frequencies, (1, width / 2), &Device::Cpu)?;
        if let Some(divisors) = divisors {
            frequencies = frequencies.broadcast_div(&divisors.reshape((1, width / 2))?)?;
        }
        let last = u32::try_from(context_tokens).map_err(candle_core::Error::wrap)?;
        let positions = Tensor::arange(0, last, &Device::Cpu)?.to_dtype(DType::F32)?;
        let angles = positions
            .reshape((context_tokens, 1))?
            .matmul(&frequencies)?;
        Ok(Self {
            cosines: angles.cos()?,
            sines: angles.sin()?,
        })
    }

    /// Turns heads, of shape (heads, tokens, width), whose tokens start at `position`.
    pub(crate) fn turn(&self, heads: &Tensor, position: usize) -> Result<Tensor> {
        let tokens = heads.dim(1)?;
        let cosines = self.cosines.narrow(0, position, tokens)?;
        let sines = self.sines.narrow(0, position, tokens)?;
        rope_i(&heads.unsqueeze(0)?, &cosines, &sines)?.squeeze(0)
    }
}
