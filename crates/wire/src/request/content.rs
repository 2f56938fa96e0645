//! Content of messages, as far as admission cares: is it well formed, and what of it do its bytes
//! not bound?

use super::refusal::RequestError;
use super::{Media, PromptShape};
use crate::json::{self, Kind, Value};

/// Parts that are text and nothing else, in chat's, Responses' and other servers' words.
const TEXT_PARTS: [&str; 9] = [
    "text",
    "input_text",
    "output_text",
    "refusal",
    "reasoning",
    "reasoning_text",
    "summary_text",
    "thinking",
    "redacted_thinking",
];

/// Members of pictures, sounds and files that are data or addresses, if they are strings.
pub(super) const DATA_KEYS: [&str; 5] = ["image_url", "url", "data", "file_data", "file_url"];

/// Whether an object is a part that is a picture, a sound or a file.
pub(super) fn is_medium(object: Value<'_>) -> bool {
    let kind = json::member(object, "type").and_then(json::escaped);
    kind.is_some_and(|kind| media(kind, object).is_some())
}

/// Checks a message's `content`, and notes what of it is not text. `path` names the content, asked
/// for only if something is wrong.
pub(super) fn read(
    content: Value<'_>,
    path: &dyn Fn() -> String,
    prompt: &mut PromptShape,
) -> Result<(), RequestError> {
    match Kind::of(content) {
        Kind::Text | Kind::Null => Ok(()),
        Kind::Array => json::items(content, |index, part| {
            read_part(part, &|| format!("{}[{index}]", path()), prompt)
        }),
        got => {
            let expected = "one of a string or array of objects";
            Err(RequestError::wrong_type(&path(), expected, got))
        }
    }
}

fn read_part(
    part: Value<'_>,
    path: &dyn Fn() -> String,
    prompt: &mut PromptShape,
) -> Result<(), RequestError> {
    match Kind::of(part) {
        Kind::Object => {}
        // Some servers take bare strings beside parts; their bytes bound them like any text.
        Kind::Text => return Ok(()),
        got => return Err(RequestError::wrong_type(&path(), "an object", got)),
    }
    let mut kind = None;
    json::members(part, |key, value| {
        if key == "type" {
            if Kind::of(value) != Kind::Text {
                let param = format!("{}.type", path());
                return Err(RequestError::wrong_type(
                    &param,
                    "a string",
                    Kind::of(value),
                ));
            }
            // Two types are nobody's habit either; which of them counts is the upstream's secret.
            prompt.opaque |= kind.is_some();
            // A type written with escapes is nobody's habit: no word is its like.
            kind = json::escaped(value);
        }
        Ok(())
    })?;
    let Some(kind) = kind else {
        return Err(RequestError::missing(&format!("{}.type", path())));
    };
    if !TEXT_PARTS.contains(&kind) {
        match media(kind, part) {
            Some(media) => prompt.media.add(media),
            None => prompt.opaque = true,
        }
    }
    Ok(())
}

/// A part that is one picture, sound or file; none if it is something else, or kept by the upstream
/// and only named.
fn media(kind: &str, part: Value<'_>) -> Option<Media> {
    let member = |name| json::member(part, name);
    let one = Media::default();
    let media = match kind {
        "image_url" | "input_image" => Media {
            images: 1,
            bytes: data_bytes(member("image_url"), "url"),
            ..one
        },
        "input_audio" => Media {
            sounds: 1,
            bytes: data_bytes(member("input_audio"), "data"),
            ..one
        },
        "audio_url" => Media {
            sounds: 1,
            bytes: data_bytes(member("audio_url"), "url"),
            ..one
        },
        "file" => Media {
            files: 1,
            bytes: data_bytes(member("file"), "file_data"),
            ..one
        },
        "input_file" => Media {
            files: 1,
            bytes: data_bytes(member("file_data"), "") + data_bytes(member("file_url"), ""),
            ..one
        },
        _ => return None,
    };
    let named = |object| json::member(object, "file_id").is_some();
    let is_kept = named(part) || member("file").is_some_and(named);
    (!is_kept).then_some(media)
}

/// Bytes of the data or address of a medium: a string, or a member of an object.
fn data_bytes(value: Option<Value<'_>>, name: &str) -> u64 {
    let data = value.and_then(|value| match Kind::of(value) {
        Kind::Object => json::member(value, name),
        _ => Some(value),
    });
    data.filter(|data| Kind::of(*data) == Kind::Text)
        .map_or(0, |data| data.get().len() as u64)
}

impl Media {
    fn add(&mut self, other: Media) {
        self.images += other.images;
        self.sounds += other.sounds;
        self.files += other.files;
        self.bytes += other.bytes;
    }
}
