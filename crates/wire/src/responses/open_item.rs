//! An output item while it is streamed: what has come of it, and what it looks like so far.

use super::items;

/// One item of the output. Text in it is escaped.
#[derive(Debug)]
pub(super) struct OpenItem {
    pub(super) id: String,
    /// Its place in the output.
    pub(super) index: usize,
    pub(super) body: Body,
    /// Its JSON, once it is done.
    done: Option<Vec<u8>>,
}

/// What kind of item it is, with what has come so far.
#[derive(Debug)]
pub(super) enum Body {
    Reasoning(Vec<Part>),
    Message(Vec<Part>),
    Call(OpenCall),
}

/// A function call in the making.
#[derive(Debug)]
pub(super) struct OpenCall {
    /// The upstream's number for it.
    chat_index: u64,
    call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// A part of a message or of reasoning.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: PartKind,
    pub(super) text: String,
    open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    Reasoning,
    Text,
    Refusal,
}

impl Body {
    pub(super) fn call(chat_index: u64, call_id: String, name: String) -> Self {
        Self::Call(OpenCall {
            chat_index,
            call_id,
            name,
            arguments: String::new(),
        })
    }

    pub(super) fn id_prefix(&self) -> &'static str {
        match self {
            Self::Reasoning(_) => "rs",
            Self::Message(_) => "msg",
            Self::Call(_) => "fc",
        }
    }

    fn parts(&self) -> &[Part] {
        match self {
            Self::Reasoning(parts) | Self::Message(parts) => parts,
            Self::Call(_) => &[],
        }
    }

    fn parts_mut(&mut self) -> Option<&mut Vec<Part>> {
        match self {
            Self::Reasoning(parts) | Self::Message(parts) => Some(parts),
            Self::Call(_) => None,
        }
    }
}

impl OpenItem {
    pub(super) fn new(id: String, index: usize, body: Body) -> Self {
        Self {
            id,
            index,
            body,
            done: None,
        }
    }

    pub(super) fn is_call(&self, chat_index: u64) -> bool {
        matches!(&self.body, Body::Call(call) if call.chat_index == chat_index)
    }

    pub(super) fn open_part(&self) -> Option<&Part> {
        self.body.parts().last().filter(|part| part.open)
    }

    pub(super) fn last_part_index(&self) -> Option<usize> {
        self.body.parts().len().checked_sub(1)
    }

    pub(super) fn push_part(&mut self, part: Part) {
        if let Some(parts) = self.body.parts_mut() {
            parts.push(part);
        }
    }

    /// Adds to the part that is open, or to a call's arguments.
    pub(super) fn push_text(&mut self, text: &str) {
        match &mut self.body {
            Body::Reasoning(parts) | Body::Message(parts) => {
                if let Some(part) = parts.last_mut() {
                    part.text.push_str(text);
                }
            }
            Body::Call(call) => call.arguments.push_str(text),
        }
    }

    /// Closes the part that is open, if one is.
    pub(super) fn close_part(&mut self) -> Option<&Part> {
        let part = self.body.parts_mut()?.last_mut().filter(|part| part.open)?;
        part.open = false;
        Some(part)
    }

    /// Its JSON as of now.
    pub(super) fn json(&self, status: &str) -> Vec<u8> {
        let parts: Vec<Vec<u8>> = self
            .body
            .parts()
            .iter()
            .map(|part| part.kind.json(&part.text))
            .collect();
        match &self.body {
            Body::Reasoning(_) => items::reasoning(&self.id, status, &parts),
            Body::Message(_) => items::message(&self.id, status, &parts),
            Body::Call(call) => {
                let call = items::Call {
                    call_id: &call.call_id,
                    name: &call.name,
                    arguments: &call.arguments,
                };
                items::function_call(&self.id, status, &call)
            }
        }
    }

    /// Ends the item and lets go of what it was made from.
    pub(super) fn close(&mut self, status: &str) -> &[u8] {
        let json = self.json(status);
        match &mut self.body {
            Body::Reasoning(parts) | Body::Message(parts) => parts.clear(),
            Body::Call(call) => call.arguments = String::new(),
        }
        self.done.insert(json)
    }

    pub(super) fn done(&self) -> Option<&[u8]> {
        self.done.as_deref()
    }
}

impl Part {
    pub(super) fn new(kind: PartKind) -> Self {
        Self {
            kind,
            text: String::new(),
            open: true,
        }
    }
}

impl PartKind {
    pub(super) fn json(self, text: &str) -> Vec<u8> {
        match self {
            Self::Reasoning => items::reasoning_part(text),
            Self::Text => items::text_part(text),
            Self::Refusal => items::refusal_part(text),
        }
    }

    pub(super) fn delta_event(self) -> &'static str {
        match self {
            Self::Reasoning => "response.reasoning_text.delta",
            Self::Text => "response.output_text.delta",
            Self::Refusal => "response.refusal.delta",
        }
    }

    pub(super) fn done_event(self) -> &'static str {
        match self {
            Self::Reasoning => "response.reasoning_text.done",
            Self::Text => "response.output_text.done",
            Self::Refusal => "response.refusal.done",
        }
    }

    /// The member of the done event that holds the text.
    pub(super) fn text_member(self) -> &'static str {
        if self == Self::Refusal {
            "refusal"
        } else {
            "text"
        }
    }
}
