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

/// One buffer of keys and one of values per layer, each of shape (context, heads, width).
///
/// The buffers have their full size from the start: zeroed memory of this size comes from the
/// operating system untouched, so it is resident only as far as a context has ever reached.
pub(crate) struct KvCache {
    layers: Vec<(Tensor, Tensor)>,
    position: usize,
}

impl KvCache {
    fn new(config: &LlamaConfig, context_tokens: usize) -> Result<Self> {
        let shape = (context_tokens, config.kv_heads, config.head_width);
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

    /// Adds a layer's keys and values, of shape (tokens, heads, width), after the tokens in the
    /// cache, and gives all of that layer so far, of shape (1, tokens, heads, width).
    ///
    /// The position moves only with [`Self::advance`], once every layer has been added to.
    pub(crate) fn append(
        &mut self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let end = self.position + keys.dim(0)?;
        let (all_keys, all_values) = &self.layers[layer];
        all_keys.slice_set(keys, 0, self.position)?;
        all_values.slice_set(values, 0, self.position)?;
        Ok((
            all_keys.narrow(0, 0, end)?.unsqueeze(0)?,
            all_values.narrow(0, 0, end)?.unsqueeze(0)?,
        ))
    }

    pub(crate) fn advance(&mut self, tokens: usize) {
        self.position += tokens;
    }
}
