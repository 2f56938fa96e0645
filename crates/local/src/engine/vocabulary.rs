//! Text to tokens and back, from the tokenizer that a GGUF file carries.
//!
//! Encoding is the `tokenizers` crate's byte-pair encoding. Decoding is our own: every token
//! stands for fixed bytes, so the text of a stream is those bytes one after the other, and
//! [`super::utf8::Utf8Stream`] cuts them at whole characters.

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::tokenizer::TokenizerFromGguf as _;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{PreTokenizerWrapper, Tokenizer};

use super::error::{LoadProblem, PromptError};
use super::gguf::ModelFile;

/// Control tokens by which models of the llama family end a turn or a text. Files name one of
/// them as the end token, and chat models may produce another.
const END_NAMES: [&str; 6] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "</s>",
];

/// How Llama 3 cuts text into words before it looks for tokens in them.
const LLAMA3_WORDS: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// The model's tokens.
pub(crate) struct Vocabulary {
    encoder: Tokenizer,
    /// The bytes of each token's text, by id; none for control tokens.
    pieces: Vec<Box<[u8]>>,
    end_tokens: Vec<u32>,
    /// The texts of the opening and the ending token, which chat templates ask for.
    pub(crate) opening: String,
    pub(crate) ending: String,
}

impl Vocabulary {
    pub(crate) fn load(file: &ModelFile) -> Result<Self, LoadProblem> {
        let kind = file.text("tokenizer.ggml.model")?;
        if kind != "gpt2" {
            return Err(LoadProblem::Unsupported(format!(
                "a tokenizer of kind \"{kind}\"; it reads byte-pair vocabularies (\"gpt2\") only"
            )));
        }
        let splitter = file.optional("tokenizer.ggml.pre", ModelFile::text)?;
        let mut encoder = Tokenizer::from_gguf(file.content()).map_err(LoadProblem::Tensor)?;
        encoder.with_pre_tokenizer(Some(pre_tokenizer(splitter.unwrap_or("default"))?));

        let names = names(file)?;
        let types = types(file, names.len())?;
        let pieces = names
            .iter()
            .zip(&types)
            .map(|(name, kind)| kind.bytes(name))
            .collect();
        let end_tokens = end_tokens(file, &names, &types)?;
        let name_of = |key: &str| {
            let id = file.optional(key, ModelFile::count)?;
            let name = id.and_then(|id| names.get(id)).copied();
            Ok::<_, LoadProblem>(name.unwrap_or_default().to_owned())
        };
        Ok(Self {
            pieces,
            end_tokens,
            opening: name_of("tokenizer.ggml.bos_token_id")?,
            ending: name_of("tokenizer.ggml.eos_token_id")?,
            encoder,
        })
    }

    pub(crate) fn size(&self) -> usize {
        self.pieces.len()
    }

    /// The tokens of `text`; `opened` puts the opening token first where the file wants one.
    pub(crate) fn encode(&self, text: &str, opened: bool) -> Result<Vec<u32>, PromptError> {
        let encoding = self.encoder.encode_fast(text, opened);
        let encoding = encoding.map_err(|error| PromptError::Tokenizer(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// What `token` adds to a text; nothing for control tokens and ids beyond the vocabulary.
    pub(crate) fn bytes(&self, token: u32) -> &[u8] {
        let piece = self.pieces.get(token as usize);
        piece.map_or(&[], |bytes| bytes)
    }

    /// Whether `token` ends an answer.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.end_tokens.contains(&token)
    }
}

/// What a token is, by its number in `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenType {
    /// Part of ordinary text, spelt in the byte alphabet.
    Normal,
    /// Added by the model's makers and spelt as it reads.
    UserDefined,
    /// Steers the model and has no text.
    Control,
}

impl TokenType {
    fn from_number(number: i64) -> Self {
        match number {
            1 | 6 => Self::Normal,
            4 => Self::UserDefined,
            _ => Self::Control,
        }
    }

    fn bytes(self, name: &str) -> Box<[u8]> {
        match self {
            Self::Normal => name.chars().filter_map(byte_of).collect(),
            Self::UserDefined => name.as_bytes().into(),
            Self::Control => Box::default(),
        }
    }
}

/// Byte-pair vocabularies spell each byte as one visible character: printable Latin-1 stands for
/// itself, and the 68 other bytes for the characters from U+0100 on, in order.
///
/// Source: `bytes_to_unicode` in OpenAI's GPT-2 encoder.
fn byte_of(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    match code {
        33..=126 | 161..=172 | 174..=255 => u8::try_from(code).ok(),
        256..=288 => u8::try_from(code - 256).ok(),
        289..=322 => u8::try_from(code - 289 + 127).ok(),
        323 => Some(173),
        _ => None,
    }
}

fn names(file: &ModelFile) -> Result<Vec<&str>, LoadProblem> {
    let key = "tokenizer.ggml.tokens";
    let values = file.list(key)?.iter();
    let names = values.map(|value| match value {
        Value::String(name) => Ok(name.as_str()),
        _ => Err(LoadProblem::Metadata {
            key: key.to_owned(),
            problem: "not a list of texts",
        }),
    });
    names.collect()
}

/// One type per token; files without types have ordinary tokens only.
fn types(file: &ModelFile, tokens: usize) -> Result<Vec<TokenType>, LoadProblem> {
    let listed = file.optional("tokenizer.ggml.token_type", ModelFile::list)?;
    let mut types: Vec<_> = listed
        .unwrap_or_default()
        .iter()
        .map(|value| match value {
            Value::I32(number) => i64::from(*number),
            Value::U32(number) => i64::from(*number),
            _ => 1,
        })
        .map(TokenType::from_number)
        .collect();
    types.resize(tokens, TokenType::Normal);
    Ok(types)
}

fn end_tokens(
    file: &ModelFile,
    names: &[&str],
    types: &[TokenType],
) -> Result<Vec<u32>, LoadProblem> {
    let mut ends = Vec::new();
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
        if let Some(id) = file.optional(key, ModelFile::count)? {
            ends.push(id);
        }
    }
    let named = names.iter().zip(types).enumerate();
    ends.extend(named.filter_map(|(id, (name, kind))| {
        (*kind == TokenType::Control && END_NAMES.contains(name)).then_some(id)
    }));
    Ok(ends
        .into_iter()
        .filter_map(|id| u32::try_from(id).ok())
        .collect())
}

/// The cut into words that the vocabulary was made with. Another one would still give tokens,
/// and worse answers, so an unknown name is refused.
///
/// Source of the names: llama.cpp, `llama_vocab::impl::load`.
fn pre_tokenizer(name: &str) -> Result<PreTokenizerWrapper, LoadProblem> {
    let gpt2_words = ByteLevel::new(false, true, true);
    match name {
        "default" | "gpt2" | "gpt-2" => Ok(gpt2_words.into()),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => {
            Ok(Sequence::new(vec![Digits::new(true).into(), gpt2_words.into()]).into())
        }
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" | "falcon3" => {
            let words = Split::new(
                SplitPattern::Regex(LLAMA3_WORDS.to_owned()),
                SplitDelimiterBehavior::Isolated,
                false,
            );
            let words = words.expect("the pattern is a constant and tested");
            let bytes = ByteLevel::new(false, true, false);
            Ok(Sequence::new(vec![words.into(), bytes.into()]).into())
        }
        other => Err(LoadProblem::Unsupported(format!(
            "the way this tokenizer cuts words (\"{other}\")"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokenizers::tokenizer::{
        OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _,
    };

    use super::*;

    #[test]
    fn every_byte_has_exactly_one_letter() {
        let bytes: Vec<u8> = (0..=323)
            .filter_map(char::from_u32)
            .filter_map(byte_of)
            .collect();
        assert_eq!(bytes.len(), 256);
        assert_eq!(bytes.iter().collect::<HashSet<_>>().len(), 256);
        // The two that every vocabulary shows: a space is Ġ, a line feed is Ċ.
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
    }

    #[test]
    fn words_are_cut_as_each_family_cuts_them() {
        let table = [
            ("gpt-2", "It's 123", vec!["It", "'s", "Ġ123"]),
            ("smollm", "It's 123", vec!["It", "'s", "Ġ", "1", "2", "3"]),
            ("llama-bpe", "It'S 1234", vec!["It", "'S", "Ġ", "123", "4"]),
        ];
        for (name, text, expected) in table {
            let mut cut = PreTokenizedString::from(text);
            let splitter = pre_tokenizer(name).unwrap();
            splitter.pre_tokenize(&mut cut).unwrap();
            let words = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
            let words: Vec<&str> = words.iter().map(|(word, ..)| *word).collect();
            assert_eq!(words, expected, "{name}");
        }
        assert!(pre_tokenizer("unheard-of").is_err());
    }
}
