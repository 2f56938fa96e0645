//! Keys and values of the tokens seen so far, so that a new token costs one step.

use candle_core::{DType, Device, Result, Tensor};

use super::config::LlamaConfig;

/// What one inference thread keeps between steps: the cache of the request it runs.
pub struct Session {
    cache: KvCache,
}

impl Session {
    pub(crate) fn new(config: &LlamaConfig, context_tokens: usize) -> Result<Self> {
        KvCache::new(config, context_tokens).map(|cache| Self { cache })
    }

    pub(crate) fn cache(&mut self) -> &mut KvCache {
        &mut self.cache
    }
}

/// One buffer of keys and one of values per layer, each of shape (heads, context, width).
///
/// The buffers have their full size from the start: zeroed memory of this size comes from the
/// operating system untouched, so it is resident only as far as a context has ever reached.
pub(crate) struct KvCache {
    layers: Vec<(Tensor, Tensor)>,
    position: usize,
}

impl KvCache {
    fn new(config: &LlamaConfig, context_tokens: usize) -> Result<Self> {
        let shape = (config.kv_heads, context_tokens, config.head_width);
        let buffer = || Tensor::zeros(shape, DType::F32, &Device::Cpu);
        let layers = (0..config.layers)
            .map(|_| Ok((buffer()?, buffer()?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            layers,
            position: 0,
        })
    }

    /// How many tokens are in the cache, which is the position of the next one.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Forgets everything from `position` on.
    pub(crate) fn truncate(&mut self, position: usize) {
        self.position = self.position.min(position);
    }

    /// Adds a layer's keys and values, of shape (heads, tokens, width), after the tokens in the
    /// cache, and gives all of that layer so far in the same shape.
    ///
    /// The position moves only with [`Self::advance`], once every layer has been added to.
    pub(crate) fn append(
        &mut self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let end = self.position + keys.dim(1)?;
        let (all_keys, all_values) = &self.layers[layer];
        all_keys.slice_set(keys, 1, self.position)?;
        all_values.slice_set(values, 1, self.position)?;
        Ok((all_keys.narrow(1, 0, end)?, all_values.narrow(1, 0, end)?))
    }

    pub(crate) fn advance(&mut self, tokens: usize) {
        self.position += tokens;
    }
}
