//! The shape of a llama, as its file states it.

use super::error::LoadProblem;
use super::gguf::ModelFile;

/// Sizes and constants of one model. Widths are in numbers, not bytes.
#[derive(Debug, Clone)]
pub(crate) struct LlamaConfig {
    pub(crate) layers: usize,
    /// Length of a hidden state.
    pub(crate) hidden_width: usize,
    pub(crate) heads: usize,
    /// Heads of keys and values; several query heads share one.
    pub(crate) kv_heads: usize,
    pub(crate) head_width: usize,
    pub(crate) norm_epsilon: f32,
    pub(crate) rope_base: f32,
    /// Positions are divided by this ("linear" scaling); 1 for none.
    pub(crate) rope_divisor: f32,
    /// The context the model was trained for.
    pub(crate) context_tokens: usize,
}

impl LlamaConfig {
    pub(crate) fn read(file: &ModelFile) -> Result<Self, LoadProblem> {
        refuse_unsupported(file)?;
        let heads = file.count("llama.attention.head_count")?;
        let hidden_width = file.count("llama.embedding_length")?;
        let kv_heads = file.optional("llama.attention.head_count_kv", ModelFile::count)?;
        let kv_heads = kv_heads.unwrap_or(heads);
        if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || hidden_width % heads != 0 {
            return Err(LoadProblem::Unsupported(format!(
                "{heads} heads over {kv_heads} key heads in a width of {hidden_width}"
            )));
        }
        let config = Self {
            layers: file.count("llama.block_count")?,
            hidden_width,
            heads,
            kv_heads,
            head_width: hidden_width / heads,
            norm_epsilon: file.decimal("llama.attention.layer_norm_rms_epsilon")?,
            rope_base: file
                .optional("llama.rope.freq_base", ModelFile::decimal)?
                .unwrap_or(10_000.0),
            rope_divisor: rope_divisor(file)?,
            context_tokens: file.count("llama.context_length")?,
        };
        config.check_head_widths(file)?;
        Ok(config)
    }

    fn check_head_widths(&self, file: &ModelFile) -> Result<(), LoadProblem> {
        let entries = [
            "llama.rope.dimension_count",
            "llama.attention.key_length",
            "llama.attention.value_length",
        ];
        for key in entries {
            let width = file.optional(key, ModelFile::count)?;
            if width.is_some_and(|width| width != self.head_width) {
                return Err(LoadProblem::Unsupported(format!(
                    "a \"{key}\" other than {}",
                    self.head_width
                )));
            }
        }
        Ok(())
    }
}

/// Some files say `llama` and hold more than a plain llama; running them as one gives nonsense.
fn refuse_unsupported(file: &ModelFile) -> Result<(), LoadProblem> {
    let experts = file.optional("llama.expert_count", ModelFile::count)?;
    if experts.is_some_and(|experts| experts > 1) {
        return Err(LoadProblem::Unsupported("mixtures of experts".into()));
    }
    let mut names = file.content().tensor_infos.keys();
    if let Some(name) = names.find(|name| name.ends_with(".bias")) {
        return Err(LoadProblem::Unsupported(format!("biases (\"{name}\")")));
    }
    Ok(())
}

fn rope_divisor(file: &ModelFile) -> Result<f32, LoadProblem> {
    let kind = file.optional("llama.rope.scaling.type", ModelFile::text)?;
    match kind.unwrap_or("none") {
        "none" => Ok(1.0),
        "linear" => file.decimal("llama.rope.scaling.factor"),
        other => Err(LoadProblem::Unsupported(format!(
            "\"{other}\" scaling of positions"
        ))),
    }
}
