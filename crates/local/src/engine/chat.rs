//! The chat template that a model file carries: how a conversation becomes one text.

use minijinja::{Environment, ErrorKind, context};
use serde::Serialize;

use super::error::{LoadProblem, PromptError};
use super::gguf::ModelFile;
use super::vocabulary::Vocabulary;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// A compiled template.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    opening: String,
    ending: String,
}

impl ChatTemplate {
    /// The file's template, if it has one.
    pub(crate) fn load(
        file: &ModelFile,
        vocabulary: &Vocabulary,
    ) -> Result<Option<Self>, LoadProblem> {
        let source = file.optional("tokenizer.chat_template", ModelFile::text)?;
        source
            .map(|source| Self::compile(source, &vocabulary.opening, &vocabulary.ending))
            .transpose()
    }

    fn compile(source: &str, opening: &str, ending: &str) -> Result<Self, LoadProblem> {
        let mut environment = Environment::new();
        // Templates are written for Python's Jinja as Transformers sets it up: blocks do not
        // leave their line breaks behind, and strings have Python's methods.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment
            .add_template_owned("chat", source.to_owned())
            .map_err(|error| LoadProblem::Unsupported(format!("its chat template: {error}")))?;
        Ok(Self {
            environment,
            opening: opening.to_owned(),
            ending: ending.to_owned(),
        })
    }

    /// The conversation as the model was taught to read it, ready for the assistant's turn.
    pub(crate) fn render(&self, messages: &[Message]) -> Result<String, PromptError> {
        let template = self.environment.get_template("chat");
        let rendered = template.and_then(|template| {
            template.render(context! {
                messages,
                add_generation_prompt => true,
                bos_token => self.opening,
                eos_token => self.ending,
            })
        });
        rendered.map_err(|error| {
            let text = error
                .detail()
                .map_or_else(|| error.to_string(), str::to_owned);
            PromptError::Template(text)
        })
    }
}

/// Templates call this to refuse a conversation, with a reason.
fn raise_exception(reason: String) -> Result<String, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, content: &str) -> Message {
        Message {
            role: role.to_owned(),
            content: content.to_owned(),
        }
    }

    fn render(source: &str, messages: &[Message]) -> Result<String, PromptError> {
        let template = ChatTemplate::compile(source, "<s>", "</s>").unwrap();
        template.render(messages)
    }

    #[test]
    fn blocks_leave_no_line_breaks_and_strings_have_python_methods() {
        let source = "{% for message in messages %}\n  {% if message.role == 'user' %}\n\
            {{ bos_token + message['content'].strip() + eos_token }}\n  {% endif %}\n\
            {% endfor %}\n{% if add_generation_prompt %}\n>{% endif %}";
        let text = render(source, &[message("user", "  hi ")]).unwrap();
        assert_eq!(text, "<s>hi</s>\n>");
    }

    #[test]
    fn a_refusal_carries_the_templates_own_reason() {
        let source = "{% if messages[0].role == 'assistant' %}\
            {{ raise_exception('Start with the user.') }}{% endif %}";
        let error = render(source, &[message("assistant", "hi")]).unwrap_err();
        assert!(
            matches!(&error, PromptError::Template(reason) if reason == "Start with the user."),
            "{error}"
        );
        assert!(render(source, &[message("user", "hi")]).is_ok());
    }
}
